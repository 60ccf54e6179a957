"""The xDS server under a real Envoy, in both variants of the protocol: delivery, refusals, restarts, strangers."""

import asyncio
import logging
import socket
from collections import Counter

import grpc
import grpc.aio
import pytest

from tests.integration.envoy.xds_stage import WAIT_S, confirmed, edge, get, serving, split, track
from xds import wire_pb2 as wire
from xds.limits import Limits
from xds.resources import (
    Cluster,
    ClusterEndpoints,
    Resource,
    ResourceType,
    Route,
    Share,
    Snapshot,
    route_table,
    share_hosts,
)
from xds.server import XdsServer


@pytest.mark.parametrize("delta", [False, True])
async def test_a_split_is_served_once_it_is_confirmed(server, start_envoy, start_agent, free_port, delta):
    listen = free_port()
    tracks = [
        *track("a/stable", "1", await start_agent("1")),
        *track("a/candidate", "2", await start_agent("2")),
    ]
    await start_envoy(server.port, node_id="one", delta=delta)
    for candidate_bp, version in [(0, "1"), (10_000, "2"), (0, "1"), (10_000, "2")]:
        await confirmed(server, edge(listen, split(candidate_bp), *tracks))
        for _ in range(10):
            assert (await get(listen))[:2] == (200, version), "an answer came from the wrong version after the ACK"


@pytest.mark.parametrize("delta", [False, True])
async def test_a_candidate_comes_and_goes_without_a_failed_request(server, start_envoy, start_agent, free_port, delta):
    listen = free_port()
    stable = track("a/stable", "1", await start_agent("1"))
    await start_envoy(server.port, node_id="one", delta=delta)
    alone = Route("/", (Share("a/stable", 10_000),))
    await confirmed(server, edge(listen, alone, *stable))
    stopping = asyncio.Event()
    answers: Counter[tuple[int, str]] = Counter()

    async def load() -> None:
        while not stopping.is_set():
            status, body, _ = await get(listen)
            answers[status, body] += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(load())
        for turn in range(10):
            candidate = track("a/candidate", f"2.{turn}", await start_agent("2"))
            # Cluster, endpoints and the share come at once, and go at once: the order is the server's to keep.
            await confirmed(server, edge(listen, split(5_000), *stable, *candidate))
            await confirmed(server, edge(listen, alone, *stable))
        stopping.set()
    assert {status for status, _ in answers} == {200}, f"requests failed: {answers}"


@pytest.mark.parametrize("delta", [False, True])
async def test_a_refusal_is_told_in_envoys_words_and_the_next_good_push_recovers(
    server, start_envoy, start_agent, free_port, delta
):
    listen = free_port()
    tracks = track("a/stable", "1", await start_agent("1"))
    route = Route("/", (Share("a/stable", 10_000),))
    await start_envoy(server.port, node_id="one", delta=delta)
    await confirmed(server, edge(listen, route, *tracks))
    bad = Resource.of(ResourceType.ROUTES, "edge", route_table("edge", share_hosts([(["*"], route)])).body * 2)
    generation = server.cache.set("edge", edge(listen, route, *tracks).replace(bad))
    confirmation = await server.confirmed("edge", generation, WAIT_S)
    [refusal] = confirmation.refusals
    assert (refusal.node_id, refusal.type) == ("one", "rds")
    assert "Only a single wildcard domain is permitted" in refusal.error, f"not Envoy's words: {refusal.error}"
    assert (await get(listen))[0] == 200, "a refused table broke what was served"
    await confirmed(server, edge(listen, route, *tracks))
    assert server.nodes("edge")[0].types[0].error is None


async def test_envoy_outlives_a_restart_of_the_server_and_confirms_to_the_new_one(start_envoy, start_agent, free_port):
    listen, port = free_port(), free_port()
    tracks = track("a/stable", "1", await start_agent("1"))
    snapshot = edge(listen, Route("/", (Share("a/stable", 10_000),)), *tracks)
    async with serving(port) as first:
        await start_envoy(port, node_id="one")
        await confirmed(first, snapshot)
    assert (await get(listen))[0] == 200
    async with serving(port) as second:
        generation = second.cache.set("edge", Snapshot.of([]))
        confirmation = await second.confirmed("edge", generation, WAIT_S)
        assert confirmation.confirmed == ("one",)
        assert (await get(listen))[0] == 200, "an empty start took the listener away"
        await confirmed(second, snapshot)
        assert (await get(listen))[0] == 200


class Heard(logging.Handler):
    """Lines of the server's log, and an event for the first that has a text."""

    def __init__(self, text):
        super().__init__()
        self.lines = []
        self.text = text
        self.event = asyncio.Event()

    def emit(self, record):
        if self.text in record.getMessage():
            self.lines.append(record.getMessage())
            self.event.set()


async def test_an_envoy_of_an_unknown_group_is_held_until_the_group_is_served(
    server, start_envoy, start_agent, free_port
):
    heard = Heard("belongs to no gateway")
    logging.getLogger("xds.server").addHandler(heard)
    try:
        await start_envoy(server.port, node_id="stray", cluster="nowhere")
        async with asyncio.timeout(WAIT_S):
            await heard.event.wait()
    finally:
        logging.getLogger("xds.server").removeHandler(heard)
    assert [(node.id, node.group) for node in server.held()] == [("stray", "nowhere")]
    listen = free_port()
    tracks = track("a/stable", "1", await start_agent("1"))
    await confirmed(server, edge(listen, Route("/", (Share("a/stable", 10_000),)), *tracks), group="nowhere")
    assert (await get(listen))[0] == 200
    [warning] = heard.lines
    assert "'stray'" in warning
    assert "'nowhere'" in warning


async def test_of_two_envoys_the_frozen_one_is_pending_and_catches_up(server, start_envoy, start_agent, free_port):
    tracks = [
        *track("a/stable", "1", await start_agent("1")),
        *track("a/candidate", "2", await start_agent("2")),
    ]
    awake = await start_envoy(server.port, node_id="awake")
    frozen = await start_envoy(server.port, node_id="frozen")
    # Both listen on one port of their machine, as Envoys of one group do; the kernel shares it out.
    listen = free_port()
    first = await confirmed(server, edge(listen, split(0), *tracks))
    if len(first.confirmed) < 2:
        async with asyncio.timeout(WAIT_S):
            await frozen.logged("starting workers")
        first = await confirmed(server, edge(listen, split(0), *tracks))
    assert first.confirmed == ("awake", "frozen")
    frozen.freeze()
    for candidate_bp in range(1, 50):
        generation = server.cache.set("edge", edge(listen, split(candidate_bp), *tracks))
    confirmation = await server.confirmed("edge", generation, 0.5)
    assert (confirmation.confirmed, confirmation.pending) == (("awake",), ("frozen",))
    frozen.thaw()
    confirmation = await server.confirmed("edge", generation, WAIT_S)
    assert confirmation.confirmed == ("awake", "frozen")
    awake.kill()
    pushes = server._meter.pushes["rds"]
    assert pushes <= 2 * (1 + 49), "a stalled stream was sent a backlog"


async def test_two_programs_cannot_have_one_address():
    from xds.errors import ListenError

    async with serving() as server:
        with pytest.raises(ListenError, match=str(server.port)):
            await XdsServer(f"127.0.0.1:{server.port}").start()


async def test_garbage_closes_its_own_stream_only(server, start_envoy, start_agent, free_port):
    listen = free_port()
    tracks = track("a/stable", "1", await start_agent("1"))
    await start_envoy(server.port, node_id="one")
    await confirmed(server, edge(listen, split_to_stable(), *tracks))
    with socket.create_connection(("127.0.0.1", server.port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 100)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        for method in (
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
            "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats",
            "/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus",
        ):
            call = channel.stream_stream(method)()
            await call.write(b"\xff\xff\xff")
            assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT, f"{method} took garbage"
    await confirmed(server, edge(listen, split_to_stable("/v2"), *tracks))


def split_to_stable(prefix="/"):
    return Route(prefix, (Share("a/stable", 10_000),))


async def test_a_stream_too_many_is_refused_and_a_message_too_large_too():
    async with (
        serving(limits=Limits(streams_max=1, request_bytes_max=10_000)) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        method = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
        hello = wire.DiscoveryRequestNode(node=wire.Node(id="one", cluster="edge")).SerializeToString()
        first = channel.stream_stream(method)()
        server.cache.set("edge", Snapshot.of([Cluster("a").resource(), ClusterEndpoints("a", ()).resource()]))
        await first.write(hello + wire.DiscoveryRequest(type_url=ResourceType.CLUSTER.url).SerializeToString())
        assert await first.read()
        second = channel.stream_stream(method)()
        assert await second.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await first.write(wire.DiscoveryRequest(resource_names=["x" * 10_001]).SerializeToString())
        assert await first.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        third = channel.stream_stream(method)()
        await third.write(hello + wire.DiscoveryRequest(type_url=ResourceType.CLUSTER.url).SerializeToString())
        assert await third.read(), "a refused stream kept its place"
