"""Starting what the demo needs: it goes on only when everybody is there, and says who is not."""

from __future__ import annotations

import asyncio
import io
import sys

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console

from controller.demo import performance
from controller.demo.children import ChildError, Children
from controller.demo.gateway import Gateway
from controller.demo.performance import READY, Performance

PORTS = dict.fromkeys(["1.2.3", "1.3.0", "1.4.0", "1.5.0"], 3000)


async def no_gateway(addresses, children):
    return await children.start("gateway", [sys.executable, "-c", "raise SystemExit('no gateway today')"])


async def nothing(addresses, children):
    """A gateway that needs no process."""


@pytest.fixture
async def show(tmp_path):
    gateway = Gateway(lambda addresses: {"type": "nop"}, no_gateway)
    return Performance(tmp_path, 1, {"edge": gateway}, Console(file=io.StringIO()))


def test_the_controllers_ready_line_says_where_it_is():
    found = READY.search("turnout 0.1.0 is ready: http://127.0.0.1:8900 xds://127.0.0.1:18000\n")
    assert (found["url"], found["xds_port"]) == ("http://127.0.0.1:8900", "18000")


async def test_the_agents_are_started_and_tell_their_ports(show, tmp_path):
    async with Children(tmp_path) as children:
        agents, ports = await show._start_agents(children)
        assert list(ports) == ["1.2.3", "1.3.0", "1.4.0", "1.5.0"]
        await performance._steer(agents, 0.5)
        agents.process.stdin.close()
        async with asyncio.timeout(10):
            assert await agents.process.wait() == 0, "the agents would outlive a demo that was killed"


def test_every_gateway_has_ports_of_its_own(show, monkeypatch):
    gateway = show._gateways["edge"]
    monkeypatch.setattr(show, "_gateways", {"envoy": gateway, "haproxy": gateway})
    addresses = show._addresses()
    assert {name: each.name for name, each in addresses.items()} == {"envoy": "envoy", "haproxy": "haproxy"}
    assert len({port for each in addresses.values() for port in (each.port, each.control_port)}) == 4


async def test_a_controller_that_does_not_start_is_told_with_its_last_words(show, tmp_path, monkeypatch):
    monkeypatch.setattr(performance, "RUN", "raise SystemExit('the settings are wrong')")
    async with Children(tmp_path) as children:
        with pytest.raises(ChildError, match="the settings are wrong"):
            await show._start_controller(children, show._addresses(), PORTS)


async def test_a_controller_that_says_something_else_is_not_taken_for_ready(show, tmp_path, monkeypatch):
    monkeypatch.setattr(performance, "RUN", "print('hello', flush=True)")
    async with Children(tmp_path) as children:
        with pytest.raises(ChildError, match="hello"):
            await show._start_controller(children, show._addresses(), PORTS)


async def test_a_child_that_is_silent_for_too_long_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(performance, "START_DEADLINE_S", 0.0)
    async with Children(tmp_path) as children:
        child = await children.start("agents", [sys.executable, "-c", "import signal; signal.pause()"], piped=True)
        with pytest.raises(ChildError, match="was not ready"):
            await performance._first_line(child)


async def test_a_gateway_that_does_not_start_ends_the_demo(show, monkeypatch):
    async def news(request):
        return web.Response(content_type="text/event-stream")

    controller = web.Application()
    controller.router.add_get("/v1/events", news)
    async with asyncio.timeout(20), TestServer(controller) as server:
        ready = f"print('is ready: http://127.0.0.1:{server.port} xds://127.0.0.1:9', flush=True)"
        monkeypatch.setattr(performance, "RUN", f"{ready}; import signal; signal.pause()")
        with pytest.raises(ChildError, match="no gateway today"):
            await show.run()


async def test_a_controller_that_dies_is_told_rather_than_its_silence(show, unused_tcp_port, monkeypatch):
    ready = f"print('is ready: http://127.0.0.1:{unused_tcp_port} xds://127.0.0.1:9', flush=True)"
    monkeypatch.setattr(performance, "RUN", f"{ready}; raise SystemExit('out of memory')")
    monkeypatch.setattr(show, "_gateways", {"edge": Gateway(lambda addresses: {"type": "nop"}, nothing)})
    async with asyncio.timeout(20):
        with pytest.raises(ChildError, match="out of memory"):
            await show.run()


async def test_a_gateway_that_does_not_serve_is_told(show, unused_tcp_port, monkeypatch):
    monkeypatch.setattr(performance, "START_DEADLINE_S", 0.0)
    with pytest.raises(ChildError, match="did not serve"):
        await show._until_served(f"127.0.0.1:{unused_tcp_port}")
