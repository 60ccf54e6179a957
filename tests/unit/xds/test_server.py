"""The server over real sockets, with a subscriber of the test's own: what only gRPC can show."""

import asyncio
import contextlib

import grpc
import grpc.aio
import pytest

from tests.unit.xds.playbook import CDS, GROUP, RDS, SOTW, agent, decode, routes
from xds import wire_pb2 as wire
from xds.errors import ListenError
from xds.limits import Limits
from xds.load_reports import LoadReport
from xds.server import XdsServer
from xds.snapshot import Snapshot

ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
LRS = "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats"
WAIT_S = 10.0


@contextlib.asynccontextmanager
async def serving(port=0, **options):
    server = XdsServer(f"127.0.0.1:{port}", **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
async def server():
    async with serving(limits=Limits(rejoin_grace_s=0.05)) as server:
        yield server


@contextlib.asynccontextmanager
async def channel_to(server):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield channel


class Subscriber:
    def __init__(self, channel, node_id="one", group=GROUP):
        self.call = channel.stream_stream(ADS)()
        node = wire.Node(id=node_id, cluster=group)
        self.introduction = wire.DiscoveryRequestNode(node=node).SerializeToString()

    async def asks(self, type_, *names, **fields):
        introduction, self.introduction = self.introduction, b""
        message = wire.DiscoveryRequest(type_url=type_.url, resource_names=names, **fields)
        await self.call.write(introduction + message.SerializeToString())

    async def hears(self):
        async with asyncio.timeout(WAIT_S):
            data = await self.call.read()
        assert isinstance(data, bytes), f"the stream ended: {await self.call.code()}"
        return decode(SOTW, data)

    async def takes(self, *names):
        heard = await self.hears()
        await self.asks(heard.type, *names, response_nonce=heard.nonce)
        return heard


def big(content):
    """A snapshot that does not fit into what a connection buffers for a stalled reader."""
    return Snapshot.of([routes("table", content * 1_000_000)])


async def test_a_node_is_waited_for_and_confirms(server):
    generation = server.cache.set(GROUP, Snapshot.of(agent("a")))
    async with channel_to(server) as channel, asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(server.confirmed(GROUP, generation, WAIT_S))
        subscriber = Subscriber(channel)
        await subscriber.asks(CDS)
        assert (await subscriber.takes()).names == ["a"]
        await subscriber.asks(next(t for t in type(CDS) if t.label == "eds"), "a")
        await subscriber.takes("a")
        confirmation = await waiting
        assert (confirmation.is_confirmed, confirmation.confirmed) == (True, ("one",))
        [node] = server.nodes(GROUP)
        assert (node.id, node.confirmed_generation, node.streams) == ("one", generation, 1)


async def test_a_refusal_ends_the_wait_with_the_nodes_words(server):
    generation = server.cache.set(GROUP, Snapshot.of([routes("table")]))
    async with channel_to(server) as channel:
        subscriber = Subscriber(channel)
        await subscriber.asks(RDS, "table")
        heard = await subscriber.hears()
        await subscriber.asks(RDS, "table", response_nonce=heard.nonce, error_detail=wire.Status(message="bad regex"))
        [refusal] = (await server.confirmed(GROUP, generation, WAIT_S)).refusals
        assert (refusal.node_id, refusal.group, refusal.type, refusal.error) == ("one", GROUP, "rds", "bad regex")


async def test_a_node_that_does_not_answer_is_named_when_the_time_is_up(server):
    generation = server.cache.set(GROUP, Snapshot.of([routes("table")]))
    async with channel_to(server) as channel:
        subscriber = Subscriber(channel, node_id="frozen")
        await subscriber.asks(RDS, "table")
        await subscriber.hears()
        assert (await server.confirmed(GROUP, generation, 0.05)).pending == ("frozen",)


async def test_nobody_there_is_not_confirmed(server):
    generation = server.cache.set(GROUP, Snapshot.of([routes("table")]))
    confirmation = await server.confirmed(GROUP, generation, 0.05)
    assert not confirmation.is_confirmed
    assert confirmation.pending == ()


async def test_a_node_that_left_is_waited_for_only_for_the_grace_time(server):
    generation = server.cache.set(GROUP, Snapshot.of([routes("table")]))
    async with channel_to(server) as channel:
        stays = Subscriber(channel, node_id="stays")
        await stays.asks(RDS, "table")
        await stays.takes("table")
        async with channel_to(server) as other:
            leaves = Subscriber(other, node_id="leaves")
            await leaves.asks(RDS, "table")
            await leaves.hears()
            assert not server.has_left(GROUP)
        confirmation = await server.confirmed(GROUP, generation, WAIT_S)
        assert (confirmation.is_confirmed, confirmation.confirmed) == (True, ("stays",))


async def test_21_stopping_ends_streams_with_unavailable_and_a_reconnect_works():
    async with serving() as first, channel_to(first) as channel:
        first.cache.set(GROUP, Snapshot.of(agent("a")))
        subscriber = Subscriber(channel)
        await subscriber.asks(CDS)
        heard = await subscriber.takes()
        port = first.port
        await first.stop()
        assert await subscriber.call.code() is grpc.StatusCode.UNAVAILABLE
    async with serving(port) as second, channel_to(second) as channel:
        second.cache.set(GROUP, Snapshot.of(agent("a")))
        subscriber = Subscriber(channel)
        await subscriber.asks(CDS, version_info=heard.version, response_nonce=heard.nonce)
        assert (await subscriber.hears()).names == ["a"]


async def test_20_half_closing_frees_the_stream(server):
    server.cache.set(GROUP, Snapshot.of([routes("table")]))
    async with channel_to(server) as channel:
        subscriber = Subscriber(channel)
        await subscriber.asks(RDS, "table")
        await subscriber.takes("table")
        await subscriber.call.done_writing()
        assert await subscriber.call.code() is grpc.StatusCode.OK
    assert server._streams == set()
    assert server.cache.group(GROUP).watchers == set()
    assert server._lines == set()
    assert not server._meter.streams


async def test_22_a_reader_that_stalls_delays_nobody_and_then_gets_the_newest(server):
    server.cache.set(GROUP, big("0"))
    async with channel_to(server) as first, channel_to(server) as second:
        stalled, brisk = Subscriber(first, "stalled"), Subscriber(second, "brisk")
        for subscriber in (stalled, brisk):
            await subscriber.asks(RDS, "table")
        await brisk.takes("table")
        for turn in range(1, 10):
            server.cache.set(GROUP, big(str(turn)))
            heard = await brisk.takes("table")
            assert str(turn).encode() in heard.resources[0][1][:20]
        assert b" 0" in (await stalled.takes("table")).resources[0][1][:20]
        assert b" 9" in (await stalled.takes("table")).resources[0][1][:20], "it was sent a backlog"


async def test_a_connect_storm_is_served_whole(server):
    server.cache.set(GROUP, Snapshot.of([routes("table")]))
    async with channel_to(server) as channel:
        subscribers = [Subscriber(channel, f"node-{index}") for index in range(300)]

        async def come(subscriber):
            await subscriber.asks(RDS, "table")
            await subscriber.takes("table")

        async with asyncio.TaskGroup() as tasks:
            for subscriber in subscribers:
                tasks.create_task(come(subscriber))
        generation = server.cache.set(GROUP, Snapshot.of([routes("table", "2")]))
        async with asyncio.TaskGroup() as tasks:
            for subscriber in subscribers:
                tasks.create_task(subscriber.takes("table"))
        confirmation = await server.confirmed(GROUP, generation, WAIT_S)
        assert len(confirmation.confirmed) == 300


async def test_requests_that_come_too_fast_are_read_later_and_none_is_lost():
    async with serving(limits=Limits(requests_per_s=50, requests_burst=1)) as server, channel_to(server) as channel:
        server.cache.set(GROUP, Snapshot.of([routes(name) for name in "abcdef"]))
        subscriber = Subscriber(channel)
        for count in range(1, 7):
            await subscriber.asks(RDS, *"abcdef"[:count])
        heard = set()
        while heard != set("abcdef"):
            heard |= set((await subscriber.takes(*"abcdef")).names)


async def test_nodes_of_groups_that_nobody_declared_are_listed(server):
    async with channel_to(server) as channel:
        known, stranger = Subscriber(channel, "one"), Subscriber(channel, "two", group="nowhere")
        server.cache.set(GROUP, Snapshot.of([routes("table")]))
        await stranger.asks(RDS, "table")
        await known.asks(RDS, "table")
        for turn in range(100):  # what was sent first is not always read first
            await known.takes("table")
            if held := server.held():
                break
            server.cache.set(GROUP, Snapshot.of([routes("table", str(turn))]))
        assert [(node.id, node.group) for node in held] == [("two", "nowhere")]


async def test_load_reports_reach_the_callback_and_the_interval_reaches_the_node():
    reports: asyncio.Queue[LoadReport] = asyncio.Queue(10)
    async with serving(on_load_report=reports.put_nowait) as server, channel_to(server) as channel:
        server.set_load_report_interval(GROUP, 0.1)
        call = channel.stream_stream(LRS)()
        node = wire.Node(id="one", cluster=GROUP)
        hello = wire.LoadStatsRequestNode(node=node).SerializeToString()
        await call.write(hello)

        async def told_s():
            return wire.LoadStatsResponse.FromString(await call.read()).load_reporting_interval.ToMilliseconds() / 1000

        assert await told_s() == 0.1
        server.set_load_report_interval(GROUP, 2.0)
        assert await told_s() == 2.0
        stats = wire.ClusterStats(cluster_name="a/stable")
        await call.write(hello + wire.LoadStatsRequest(cluster_stats=[stats]).SerializeToString())
        report = await reports.get()
        assert (report.node_id, report.group, report.clusters[0].cluster) == ("one", GROUP, "a/stable")


async def test_an_address_that_is_none_is_an_error_with_its_name():
    with pytest.raises(ListenError, match="nowhere:1"):
        await XdsServer("nowhere:1").start()


async def test_stopping_what_was_never_started_is_nothing():
    await XdsServer("127.0.0.1:0").stop()
