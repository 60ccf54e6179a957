"""Client status over gRPC: admitted as any stream, in its turn, and never large enough to hold up a push."""

import asyncio
import contextlib

import grpc
import grpc.aio
import pytest

from tests.unit.xds.playbook import CDS
from xds import wire_pb2 as wire
from xds.limits import Limits
from xds.server import XdsServer
from xds.snapshot import Resource, Snapshot

SERVICE = "/envoy.service.status.v3.ClientStatusDiscoveryService/"
ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
HELLO = wire.DiscoveryRequestNode(node=wire.Node(id="one", cluster="edge")).SerializeToString()
WAIT_S = 10.0


@contextlib.asynccontextmanager
async def asked(**limits):
    """A server with one subscriber, and both ways to ask it."""
    server = XdsServer("127.0.0.1:0", limits=Limits(**limits))
    await server.start()
    try:
        async with asyncio.timeout(WAIT_S), grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            server.cache.set("edge", Snapshot.of([Resource.of(CDS, "a", b"a" * 1_000)]))
            ads = channel.stream_stream(ADS)()
            await ads.write(HELLO + wire.DiscoveryRequest(type_url=CDS.url).SerializeToString())
            assert await ads.read()
            yield (
                server,
                channel.unary_unary(f"{SERVICE}FetchClientStatus"),
                channel.stream_stream(f"{SERVICE}StreamClientStatus"),
            )
    finally:
        await server.stop()


async def code_of(call):
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code(), error.value.details()


async def test_an_answer_that_is_too_large_is_refused_either_way():
    async with asked(status_bytes_max=500) as (_, fetch, stream):
        code, details = await code_of(fetch(b""))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "node_matchers" in details
        call = stream()
        await call.write(b"")
        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        brief = wire.ClientStatusRequest(exclude_resource_contents=True).SerializeToString()
        assert wire.ClientStatusResponse.FromString(await fetch(brief)).config


async def test_a_question_counts_among_the_streams_that_may_be_open():
    async with asked(streams_max=1) as (_, fetch, _stream):
        code, _ = await code_of(fetch(b""))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED, "questions would be answered without a limit"


async def test_all_who_ask_take_turns():
    async with asked(status_per_s=20, status_burst=1) as (server, fetch, stream):
        began_s = asyncio.get_running_loop().time()
        call = stream()
        await call.write(b"")
        assert await call.read()
        for _ in range(4):
            assert await fetch(b"")
        took_s = asyncio.get_running_loop().time() - began_s
        assert took_s >= 4 / 20 - 0.01, "whoever asks often enough keeps the server from everything else"
        assert len(server._lines) == 2, "a question that was answered kept its place"


async def test_garbage_is_told_as_such():
    async with asked() as (_, fetch, _stream):
        assert (await code_of(fetch(b"\xff")))[0] is grpc.StatusCode.INVALID_ARGUMENT
