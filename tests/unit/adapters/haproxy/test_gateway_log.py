"""What HAProxy's log tells the gateway, and what becomes of lines that it cannot use."""

import asyncio
import socket
from dataclasses import replace

import pytest

from adapters.haproxy.gateway import HaproxyGateway, HaproxyOptions
from adapters.haproxy.plan import Layout
from adapters.port import Applied, Assignment, GatewayError, Route, Split, Version
from tests.unit.adapters.haproxy.scripted import scripted

LAYOUT = Layout("{agent}_stable", "{agent}_candidate", "/m")
OLD, NEW = Version("1", ("127.0.0.1:3001",)), Version("2", ("127.0.0.1:3002",))


def at(bp, **more):
    return Assignment("bot", Route(), OLD, NEW, Split(candidate_bp=bp), **more)


def gateway(haproxy, **options):
    return HaproxyGateway("edge", HaproxyOptions((haproxy.address,), LAYOUT, **options))


@pytest.fixture
async def one(tmp_path):
    async with scripted(tmp_path) as haproxy:
        yield haproxy


def logged(backend="bot_stable", server="127.0.0.1:3001", answer=5):
    times = f'"request":0,"queue":0,"connect":0,"answer":{answer},"active":"+{answer}"'
    return f'{{"backend":"{backend}","server":"{server}","retries":"0",{times}}}'.encode()


@pytest.fixture
async def listener(one):
    edge = gateway(one, latency_log="127.0.0.1:0")
    await edge.start([at(0)])
    yield edge
    await edge.close()


async def told(edge, *datagrams):
    """Send lines, and look when all of them have come."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as haproxy:
        for datagram in datagrams:
            haproxy.sendto(datagram, ("127.0.0.1", edge._log_socket.port))
    async with asyncio.timeout(5.0):
        while edge._lines < len(datagrams):  # noqa: ASYNC110 - the kernel has them, and tells nobody
            await asyncio.sleep(0)
    return (await edge.observe("bot")).tallies


async def test_the_log_tells_latency_per_version(listener):
    await listener.apply(at(5_000, latency_limits_s=(2.0,)), timeout_s=5.0)
    tallies = await told(
        listener,
        *(logged(), logged(answer=3_000), logged("bot_candidate", "127.0.0.1:3002")),
        *(logged("other"), logged(server="127.0.0.1:9"), logged(server="-:-"), b'{"no": "line"}', b"{"),
        *(b"<134>Nov 29 08:00:00 haproxy[7]: Proxy agents stopped (cumulated conns: FE: 2, BE: 0).", b""),
    )
    assert {name: dict(tally.indicators) for name, tally in tallies.items()} == {
        "1": {"latency_over:2s": (2, 1.0)},
        "2": {"latency_over:2s": (1, 0.0)},
    }
    words = "of its log, lines that cannot be read: 2"
    assert words in (await listener.status()).detail, "every reload leaves a false alarm"


async def test_a_version_keeps_its_requests_while_it_drains_and_no_objective_counts_nothing(listener):
    await listener.apply(at(5_000, latency_limits_s=(2.0,)), timeout_s=5.0)
    promoted = Assignment("bot", Route(), NEW, draining=(OLD,), latency_limits_s=(2.0,))
    await listener.apply(promoted, timeout_s=5.0)
    assert (await told(listener, logged()))["1"].indicators == {"latency_over:2s": (1, 0.0)}
    await listener.apply(replace(promoted, latency_limits_s=()), timeout_s=5.0)
    listener._lines = 0
    assert (await told(listener, logged()))["1"].indicators == {"latency_over:2s": (1, 0.0)}


async def test_an_agent_that_went_is_counted_no_more(listener):
    await listener.apply(at(0, latency_limits_s=(2.0,)), timeout_s=5.0)
    await listener.remove("bot")
    with pytest.raises(GatewayError, match="not known"):
        await told(listener, logged())
    await listener.apply(at(0, latency_limits_s=(2.0,)), timeout_s=5.0)
    assert (await listener.observe("bot")).tallies["1"].indicators == {}


async def test_a_log_that_cannot_come_blinds_nobody_and_is_told_of(one, listener, caplog):
    assert "no line of its log has come" in (await listener.status()).detail
    port = listener._log_socket.port
    edge = gateway(one, latency_log=f"127.0.0.1:{port}")
    await edge.start([at(0)])
    words = f"no log can come to 127.0.0.1:{port}"
    assert words in caplog.text
    assert (await edge.apply(at(10), timeout_s=5.0)).outcome is Applied.CONFIRMED
    assert set((await edge.observe("bot")).tallies) == {"1", "2"}, "errors are not judged because latency is not known"
    assert words in (await edge.status()).detail
    await listener.close()
    await edge.observe("bot")
    assert edge._log_socket.is_open, "it is not tried again"
    await edge.close()
