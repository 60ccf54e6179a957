"""The xDS server under real subscribers: Envoy in both variants of the protocol, and gRPC's own client."""

import asyncio
import contextlib
import http.client
import json
import logging
import socket
import subprocess
import sys
from collections import Counter

import grpc
import grpc.aio
import pytest
from aiohttp import web

from xds import wire_pb2 as wire
from xds.load_reports import LoadReport
from xds.resources import (
    ApiListener,
    Cluster,
    ClusterEndpoints,
    Endpoint,
    FallbackCluster,
    HashByCookie,
    HashByHeader,
    Health,
    Listener,
    Mirror,
    Resource,
    ResourceType,
    Retry,
    Route,
    Share,
    Snapshot,
    VersionEndpoints,
    route_table,
    share_hosts,
)
from xds.server import Limits, XdsServer

WAIT_S = 20.0


class Reports:
    """Load reports, summed, and a wait for a sum."""

    def __init__(self) -> None:
        self.sums: Counter[tuple[str, str, str]] = Counter()
        self.received: asyncio.Queue[LoadReport] = asyncio.Queue(10_000)

    def take(self, report: LoadReport) -> None:
        for cluster in report.clusters:
            for load in cluster.versions:
                key = (cluster.cluster, load.version)
                self.sums[*key, "ok"] += load.successes
                self.sums[*key, "error"] += load.errors
                for name, outcome in load.outcomes.items():
                    self.sums[*key, name] += outcome.total
                    self.sums[*key, name + ".requests"] += outcome.requests
        self.received.put_nowait(report)

    async def until(self, enough) -> None:
        async with asyncio.timeout(WAIT_S):
            while not enough(self.sums):
                await self.received.get()


@contextlib.asynccontextmanager
async def serving(port=0, **options):
    server = XdsServer(f"127.0.0.1:{port}", **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
def reports():
    return Reports()


@pytest.fixture
async def server(reports):
    async with serving(on_load_report=reports.take) as server:
        server.set_load_report_interval("edge", 0.1)
        yield server


@pytest.fixture
async def start_agent():
    """Start an agent that answers with its version: `await start_agent("1.2.3", status=200)` returns its port."""
    runners = []

    async def start(version, status=200, headers=None):
        seen = []

        async def answer(request):
            seen.append(request.path)
            return web.Response(text=version, status=status, headers=headers or {})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        ports[version] = seen
        return port

    ports = {}
    start.seen = ports
    yield start
    for runner in runners:
        await runner.cleanup()


def track(name, version, port, health=Health.HEALTHY, stale_after_s=None):
    endpoint = VersionEndpoints(version, (Endpoint("127.0.0.1", port, health),))
    return Cluster(name).resource(), ClusterEndpoints(name, (endpoint,), stale_after_s).resource()


def edge(listen_port, route, *resources, hosts=("*",)):
    return Snapshot.of(
        [
            Listener("edge", "127.0.0.1", listen_port, "edge").resource(),
            route_table("edge", share_hosts([(hosts, route)])),
            *resources,
        ]
    )


def split(candidate_bp, **route):
    shares = (Share("a/stable", 10_000 - candidate_bp), Share("a/candidate", candidate_bp))
    return Route("/", shares, **route)


def _get(port, path, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers
    finally:
        connection.close()


async def get(port, path="/", **headers):
    return await asyncio.to_thread(_get, port, path, {k.replace("_", "-"): v for k, v in headers.items()})


async def confirmed(server, snapshot, group="edge"):
    confirmation = await server.confirmed(group, server.cache.set(group, snapshot), WAIT_S)
    assert confirmation.is_confirmed, f"the group did not take it: {confirmation}"
    return confirmation


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
    assert server.unknown_groups() == ("nowhere",)
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


async def test_load_reports_count_exactly_by_cluster_and_version(server, reports, start_envoy, start_agent, free_port):
    listen = free_port()
    outcome = {"endpoint-load-metrics": 'JSON {"named_metrics": {"task_failed": 1, "cost_usd": 0.5}}'}
    tracks = [
        *track("a/stable", "1", await start_agent("1", headers=outcome)),
        *track("a/candidate", "2", await start_agent("2", status=500)),
    ]
    await start_envoy(server.port, node_id="one")
    await confirmed(server, edge(listen, split(0), *tracks))
    # The first interval of a new cluster is dropped, so its first report comes before its first request.
    await reports.received.get()
    for _ in range(40):
        _, _, headers = await get(listen)
        assert "endpoint-load-metrics" not in headers, "a client saw what is meant for the controller"
    await confirmed(server, edge(listen, split(10_000), *tracks))
    for _ in range(30):
        assert (await get(listen))[0] == 500
    await reports.until(lambda sums: sums["a/stable", "1", "ok"] >= 40 and sums["a/candidate", "2", "error"] >= 30)
    # Envoy reports the clusters of its own bootstrap as well.
    assert {key: count for key, count in reports.sums.items() if key[0] != "turnout"} == {
        ("a/stable", "1", "ok"): 40,
        ("a/stable", "1", "error"): 0,
        ("a/stable", "1", "named_metrics.task_failed"): 40,
        ("a/stable", "1", "named_metrics.task_failed.requests"): 40,
        ("a/stable", "1", "named_metrics.cost_usd"): 20,
        ("a/stable", "1", "named_metrics.cost_usd.requests"): 40,
        ("a/candidate", "2", "ok"): 0,
        ("a/candidate", "2", "error"): 30,
    }


async def test_the_interval_of_load_reports_changes_live(server, reports, start_envoy, start_agent, free_port):
    listen = free_port()
    tracks = track("a/stable", "1", await start_agent("1"))
    await start_envoy(server.port, node_id="one")
    await confirmed(server, edge(listen, Route("/", (Share("a/stable", 10_000),)), *tracks))

    async def reported_interval_s(minimum, maximum):
        async with asyncio.timeout(WAIT_S):
            while True:
                report = await reports.received.get()
                if any(minimum < cluster.interval_s < maximum for cluster in report.clusters):
                    return

    await reported_interval_s(0.05, 0.2)
    server.set_load_report_interval("edge", 0.5)
    await reported_interval_s(0.4, 0.7)


async def test_retries_hide_a_broken_candidate_and_count_its_errors(
    server, reports, start_envoy, start_agent, free_port
):
    listen = free_port()
    tracks = [
        *track("a/stable", "1", await start_agent("1")),
        *track("a/candidate", "2", await start_agent("2", status=503)),
    ]
    await start_envoy(server.port, node_id="one")
    await confirmed(server, edge(listen, split(500, retry=Retry(retries_max=3)), *tracks))
    await reports.received.get()
    statuses = Counter([(await get(listen))[0] for _ in range(200)])
    assert statuses == {200: 200}, "clients saw the broken candidate"
    await reports.until(lambda sums: sums["a/candidate", "2", "error"] > 0)


async def test_mirrored_requests_reach_the_candidate_and_not_the_client(
    server, reports, start_envoy, start_agent, free_port
):
    listen = free_port()
    tracks = [
        *track("a/stable", "1", await start_agent("1")),
        *track("a/candidate", "2", await start_agent("2", status=500)),
    ]
    await start_envoy(server.port, node_id="one")
    await confirmed(server, edge(listen, split(0, mirrors=(Mirror("a/candidate"),)), *tracks))
    await reports.received.get()
    assert [(await get(listen))[:2] for _ in range(20)] == [(200, "1")] * 20
    await reports.until(lambda sums: sums["a/candidate", "2", "error"] == 20)


async def test_a_session_hashed_by_header_only_moves_to_the_track_that_grows(
    server, start_envoy, start_agent, free_port
):
    listen = free_port()
    tracks = [
        *track("a/stable", "1", await start_agent("1")),
        *track("a/candidate", "2", await start_agent("2")),
    ]
    await start_envoy(server.port, node_id="one")
    sessions = [f"session-{i}" for i in range(60)]
    before = dict.fromkeys(sessions, "1")
    for candidate_bp in (1_000, 5_000, 10_000):
        await confirmed(server, edge(listen, split(candidate_bp, hash_by=HashByHeader("x-session-id")), *tracks))
        now = {session: (await get(listen, x_session_id=session))[1] for session in sessions}
        assert all(now[s] == "2" for s in sessions if before[s] == "2"), "a session moved back on a ramp"
        before = now
    assert set(before.values()) == {"2"}


async def test_a_session_hashed_by_cookie_stays_from_its_first_request_on(server, start_envoy, start_agent, free_port):
    listen = free_port()
    tracks = [
        *track("a/stable", "1", await start_agent("1")),
        *track("a/candidate", "2", await start_agent("2")),
    ]
    await start_envoy(server.port, node_id="one")
    await confirmed(server, edge(listen, split(5_000, hash_by=HashByCookie("turnout")), *tracks))
    seen = set()
    for _ in range(20):
        _, version, headers = await get(listen)
        assert headers["set-cookie"], "no cookie was made, so nobody can stay anywhere"
        cookie = f"other=1; {headers['set-cookie'].partition(';')[0]}; more=2"
        for _ in range(5):
            _, again, headers = await get(listen, cookie=cookie)
            assert again == version, "a session with a cookie was moved"
            assert headers["set-cookie"] is None, "a session was given a second cookie"
        seen.add(version)
    assert seen == {"1", "2"}


async def test_a_candidate_whose_endpoints_go_stale_falls_back_to_stable(server, start_envoy, start_agent, free_port):
    listen = free_port()
    stable = track("a/stable", "1", await start_agent("1"))
    cluster, endpoints = track("a/candidate", "2", await start_agent("2"), stale_after_s=1.0)
    slot = FallbackCluster("a/slot", ("a/candidate", "a/stable")).resource()
    route = Route("/", (Share("a/stable", 0), Share("a/slot", 10_000)))
    await start_envoy(server.port, node_id="one")
    snapshot = edge(listen, route, *stable, cluster, endpoints, slot)
    await confirmed(server, snapshot)
    assert (await get(listen))[1] == "2"
    async with asyncio.timeout(WAIT_S):
        while (answer := await get(listen))[1] == "2":
            assert answer[0] == 200, "the dead-man switch failed a request"
    assert answer[:2] == (200, "1")
    await confirmed(server, snapshot.replace(endpoints.refreshed(1)))
    assert (await get(listen))[1] == "2", "a refresh did not bring the candidate back"


async def test_an_endpoint_that_drains_gets_no_more_requests(server, start_envoy, start_agent, free_port):
    listen = free_port()
    port = await start_agent("1")
    await start_envoy(server.port, node_id="one")
    route = Route("/", (Share("a/stable", 10_000),))
    await confirmed(server, edge(listen, route, *track("a/stable", "1", port)))
    assert (await get(listen))[0] == 200
    await confirmed(server, edge(listen, route, *track("a/stable", "1", port, Health.DRAINING)))
    assert (await get(listen))[0] == 503, "a draining endpoint was used for want of others"


async def test_hosts_are_shared_longest_prefix_first(server, start_envoy, start_agent, free_port):
    listen = free_port()
    tracks = [
        *track("a/stable", "a", await start_agent("a")),
        *track("b/stable", "b", await start_agent("b")),
    ]
    claims = [
        (["agents.test"], Route("/v1", (Share("a/stable", 10_000),))),
        (["agents.test", "other.test"], Route("/v1/b", (Share("b/stable", 10_000),))),
    ]
    await start_envoy(server.port, node_id="one")
    snapshot = Snapshot.of(
        [
            Listener("edge", "127.0.0.1", listen, "edge").resource(),
            route_table("edge", share_hosts(claims), validate_clusters=True),
            *tracks,
        ]
    )
    await confirmed(server, snapshot)

    async def answer(path, host):
        status, body, _ = await get(listen, path, host=host)
        return body if status == 200 else status

    assert await answer("/v1/b/x?y=1", "agents.test") == "b"
    assert await answer("/v1/bother", "agents.test") == "a", "a prefix matched half a segment"
    assert await answer("/v1", "agents.test") == "a"
    assert await answer("/v1/b", "other.test") == "b"
    assert await answer("/v1", "other.test") == 404
    assert await answer("/v1", "unknown.test") == 404


async def test_client_status_tells_who_has_what(server, start_envoy, start_agent, free_port):
    listen = free_port()
    tracks = track("a/stable", "1", await start_agent("1"))
    await start_envoy(server.port, node_id="one")
    snapshot = edge(listen, Route("/", (Share("a/stable", 10_000),)), *tracks)
    await confirmed(server, snapshot)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        fetch = channel.unary_unary("/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus")
        response = wire.ClientStatusResponse.FromString(await fetch(b""))
        stream = channel.stream_stream("/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus")()
        await stream.write(b"")
        streamed = wire.ClientStatusResponse.FromString(await stream.read())
        await stream.done_writing()
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await fetch(b"\xff")
        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert streamed == response
    [config] = response.config
    assert (config.node.id, config.node.cluster) == ("one", "edge")
    told = {(c.type_url, c.name): (c.client_status, c.version_info) for c in config.generic_xds_configs}
    assert told == {
        (resource.type.url, resource.name): (wire.ACKED, resource.version)
        for of_type in snapshot.sets.values()
        for resource in of_type.resources.values()
    }


GRPC_CLIENT = """
import sys, grpc
channel = grpc.insecure_channel("xds:///agents")
call = channel.unary_unary("/agent.Agent/Ask")
for line in sys.stdin:
    print(call(b"", timeout=20).decode(), flush=True)
"""


class _Answer(grpc.GenericRpcHandler):
    def __init__(self, version):
        self._version = version

    def service(self, handler_call_details):
        return grpc.unary_unary_rpc_method_handler(self._ask)

    async def _ask(self, request, context):
        return self._version.encode()


@pytest.fixture
async def start_grpc_agent():
    servers = []

    async def start(version):
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((_Answer(version),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        servers.append(server)
        return port

    yield start
    for server in servers:
        await server.stop(None)


async def test_grpcs_own_client_follows_the_split_and_reports_its_load(server, reports, start_grpc_agent, tmp_path):
    def group(candidate_bp):
        shares = (Share("a/stable", 10_000 - candidate_bp), Share("a/candidate", candidate_bp))
        return Snapshot.of(
            [
                ApiListener("agents", "agents").resource(),
                route_table("agents", share_hosts([(["*"], Route("/agent.Agent/", shares, whole_segments=False))])),
                *(
                    resource
                    for name, version in (("a/stable", "1"), ("a/candidate", "2"))
                    for resource in (
                        Cluster(name, http2=True, report_load=True).resource(),
                        ClusterEndpoints(
                            name, (VersionEndpoints(version, (Endpoint("127.0.0.1", ports[version]),)),)
                        ).resource(),
                    )
                ),
            ]
        )

    ports = {version: await start_grpc_agent(version) for version in ("1", "2")}
    bootstrap = {
        "node": {"id": "grpc-one", "cluster": "direct"},
        "xds_servers": [
            {
                "server_uri": f"127.0.0.1:{server.port}",
                "channel_creds": [{"type": "insecure"}],
                "server_features": ["xds_v3"],
            }
        ],
    }
    path = tmp_path / "grpc.json"
    path.write_text(json.dumps(bootstrap))
    server.set_load_report_interval("direct", 0.1)
    generation = server.cache.set("direct", group(0))
    process = subprocess.Popen(  # noqa: ASYNC220 -- only its start is waited for here
        [sys.executable, "-c", GRPC_CLIENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"GRPC_XDS_BOOTSTRAP": str(path), "PATH": ""},
    )

    def ask():
        process.stdin.write("\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    try:
        assert await asyncio.to_thread(ask) == "1"
        assert (await server.confirmed("direct", generation, WAIT_S)).is_confirmed
        generation = server.cache.set("direct", group(10_000))
        assert (await server.confirmed("direct", generation, WAIT_S)).is_confirmed
        async with asyncio.timeout(WAIT_S):
            while await asyncio.to_thread(ask) != "2":
                pass
        await reports.until(lambda sums: sums["a/stable", "1", "ok"] and sums["a/candidate", "2", "ok"])
    finally:
        process.stdin.close()
        process.wait(WAIT_S)
        process.stdout.close()


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
