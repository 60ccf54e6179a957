"""Access logs over gRPC: taken, bounded, and never in the way of discovery."""

import asyncio

import grpc
import grpc.aio
import pytest

from xds import wire_pb2 as wire
from xds.limits import Limits
from xds.server import XdsServer
from xds.snapshot import Resource, ResourceType, Snapshot

METHOD = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
HELLO = wire.AccessLogsNode(
    identifier=wire.AccessLogsIdentifier(node=wire.Node(id="one", cluster="edge"))
).SerializeToString()
ENTRIES = wire.AccessLogs(
    http_logs=wire.HttpAccessLogEntries(log_entry=[wire.HttpAccessLogEntry()])
).SerializeToString()


@pytest.fixture
def logs():
    return asyncio.Queue(100)


@pytest.fixture
async def server(logs):
    server = XdsServer(
        "127.0.0.1:0", limits=Limits(streams_max=3, access_log_streams_max=2), on_access_log=logs.put_nowait
    )
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def channel(server):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield channel


async def test_a_stream_of_access_logs_is_taken_message_by_message_and_ended_in_peace(channel, logs):
    call = channel.stream_unary(METHOD)()
    await call.write(HELLO + ENTRIES)
    await call.write(ENTRIES)
    assert [(log.node_id, log.group, len(log.entries)) for log in (await logs.get(), await logs.get())] == [
        ("one", "edge", 1),
        ("one", "edge", 1),
    ]
    await call.done_writing()
    assert await call == b"", "an Envoy that ends its log in peace would be told of an error"


async def test_garbage_closes_its_own_stream_only(channel, logs):
    good, bad = channel.stream_unary(METHOD)(), channel.stream_unary(METHOD)()
    await good.write(HELLO + ENTRIES)
    await logs.get()
    await bad.write(b"\xff\xff\xff")
    assert await bad.code() is grpc.StatusCode.INVALID_ARGUMENT
    await good.write(ENTRIES)
    assert (await logs.get()).node_id == "one"


async def test_access_logs_leave_room_for_discovery(server, channel, logs):
    calls = [channel.stream_unary(METHOD)() for _ in range(2)]
    for call in calls:
        await call.write(HELLO + ENTRIES)
        await logs.get()
    assert await channel.stream_unary(METHOD)().code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    cluster = Resource.of(ResourceType.CLUSTER, "a", b"a")
    server.cache.set("edge", Snapshot.of([cluster]))
    ads = channel.stream_stream(ADS)()
    hello = wire.DiscoveryRequestNode(node=wire.Node(id="one", cluster="edge")).SerializeToString()
    await ads.write(hello + wire.DiscoveryRequest(type_url=ResourceType.CLUSTER.url).SerializeToString())
    assert await ads.read(), "an Envoy with many workers would keep others from their configuration"


async def test_a_server_that_stops_says_come_back_later(server, channel, logs):
    call = channel.stream_unary(METHOD)()
    await call.write(HELLO + ENTRIES)
    await logs.get()
    await server.stop()
    assert await call.code() is grpc.StatusCode.UNAVAILABLE
