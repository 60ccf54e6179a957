"""What tests of the xDS server alone play with: a server, agents, reports that are summed, resources by the handful."""

import asyncio
import contextlib
import http.client
from collections import Counter

import pytest
from aiohttp import web

from xds.load_reports import LoadReport
from xds.resources import (
    Cluster,
    ClusterEndpoints,
    Endpoint,
    Health,
    Listener,
    Route,
    Share,
    Snapshot,
    VersionEndpoints,
    route_table,
    share_hosts,
)
from xds.server import XdsServer

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
