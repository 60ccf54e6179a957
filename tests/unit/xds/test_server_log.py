"""Who is meant by each line of the server's log."""

import contextlib
import logging

import grpc
import grpc.aio
import pytest

from tests.unit.xds.playbook import CDS
from xds import wire_pb2 as wire
from xds.limits import Limits
from xds.server import XdsServer

ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
LRS = "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats"
ALS = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
NODE = wire.Node(id="evil\nnode", cluster="nowhere")
WHO = r"node='evil\nnode' cluster='nowhere'"
HELLOS = {
    ADS: wire.DiscoveryRequestNode(node=NODE).SerializeToString()
    + wire.DiscoveryRequest(type_url=CDS.url).SerializeToString(),
    LRS: wire.LoadStatsRequestNode(node=NODE).SerializeToString(),
    ALS: wire.AccessLogsNode(identifier=wire.AccessLogsIdentifier(node=NODE)).SerializeToString(),
}
NAMES = {ADS: "stream", LRS: "load report stream", ALS: "access log stream"}


@contextlib.asynccontextmanager
async def channel_to(limits=None):
    server = XdsServer("127.0.0.1:0", limits=limits)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield server, channel
    finally:
        await server.stop()


def call_of(channel, method):
    return (channel.stream_unary if method == ALS else channel.stream_stream)(method)()


async def introduced(channel, method):
    """A stream that has said who it is."""
    call = call_of(channel, method)
    await call.write(HELLOS[method])
    if method == LRS:
        assert await call.read(), "it is told how often to report"
    return call


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "xds.server")
    return lambda: [record.getMessage() for record in caplog.records if "is served on port" not in record.msg]


@pytest.mark.parametrize("method", HELLOS)
async def test_who_comes_and_goes_is_named_without_line_breaks(lines, method):
    async with channel_to() as (server, channel):
        for _ in range(2):
            call = await introduced(channel, method)
            await call.done_writing()
            assert await call.code() is grpc.StatusCode.OK
        assert list(server.cache) == [], "a stranger's group was kept"
    name, told = NAMES[method], lines()
    assert all(WHO in line for line in told)
    assert sum("belongs to no gateway" in line for line in told) == (method == ADS), "a node is warned about once"
    opened = [line.removesuffix(" mode=sotw") for line in told if "opened" in line]
    assert opened == [f"{name} opened {WHO}"] * 2
    assert [line for line in told if "closed" in line] == [f"{name} closed {WHO}"] * 2


@pytest.mark.parametrize("method", HELLOS)
async def test_who_sends_garbage_is_named_once_it_has_said_who_it_is(lines, method):
    async with channel_to() as (_, channel):
        call = await introduced(channel, method)
        await call.write(b"\xff\xff\xff")
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
        stranger = call_of(channel, method)
        await stranger.write(b"\xff\xff\xff")
        assert await stranger.code() is grpc.StatusCode.INVALID_ARGUMENT
    known, unknown = [line for line in lines() if " closed " in line]
    assert known.startswith(f"{NAMES[method]} closed {WHO}: 3 bytes are not"), (
        "an operator cannot tell which Envoy it is"
    )
    assert unknown.startswith(f"{NAMES[method]} closed peer='ipv4:127.0.0.1:")


async def test_where_a_stream_too_many_came_from_is_told(lines):
    async with channel_to(Limits(streams_max=1)) as (_, channel):
        _first = await introduced(channel, LRS)
        assert await call_of(channel, LRS).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    [refused] = [line for line in lines() if "refused" in line]
    assert refused.startswith("load report stream refused peer='ipv4:127.0.0.1:")
