"""gRPC's own client as a foreign subscriber: of a snapshot made by hand, and of a gateway that has an Envoy too."""

import asyncio
import contextlib
from collections import Counter

from scipy.stats import binom

from tests.integration.envoy.grpc_stage import METHOD, grpc_acting, grpc_calling
from tests.integration.envoy.stage import agent, gateway, staged, version
from tests.integration.envoy.xds_stage import WAIT_S
from xds.resources import (
    ApiListener,
    Cluster,
    ClusterEndpoints,
    Endpoint,
    Health,
    Route,
    Share,
    Snapshot,
    VersionEndpoints,
    route_table,
    share_hosts,
)

PREFIX = METHOD.rpartition("/")[0]
CALLS = 400
FIRST_CALLS = 1
"""By which gRPC's own client subscribes; stable answers them."""

NEVER = 1e-6
"""How often a test may fail by chance."""


async def test_grpcs_own_client_follows_the_split_and_reports_its_load(server, reports, tmp_path):
    def group(candidate_bp):
        shares = (Share("a/stable", 10_000 - candidate_bp), Share("a/candidate", candidate_bp))
        return Snapshot.of(
            [
                ApiListener("agents", "agents").resource(),
                route_table("agents", share_hosts([(["*"], Route(PREFIX, shares, whole_segments=False))])),
                *(
                    resource
                    for name, version, draining in (("a/stable", "1", "2"), ("a/candidate", "2", "1"))
                    for resource in (
                        Cluster(name, http2=True, report_load=True).resource(),
                        ClusterEndpoints(name, members(version, draining)).resource(),
                    )
                ),
            ]
        )

    def members(version, draining):
        """One version that takes requests, and one that drains beside it."""
        return (
            VersionEndpoints(version, (Endpoint("127.0.0.1", ports[version]),)),
            VersionEndpoints(draining, (Endpoint("127.0.0.1", ports[draining], Health.DRAINING),)),
        )

    server.set_load_report_interval("direct", 0.1)
    async with grpc_acting("1") as old, grpc_acting("2") as new:
        ports = {"1": old, "2": new}
        generation = server.cache.set("direct", group(0))
        async with grpc_calling("xds:///agents", tmp_path, server.port, id="grpc-one", cluster="direct") as client:
            assert await client.ask() == {"1": 1}
            assert (await server.confirmed("direct", generation, WAIT_S)).is_confirmed
            generation = server.cache.set("direct", group(10_000))
            assert (await server.confirmed("direct", generation, WAIT_S)).is_confirmed
            async with asyncio.timeout(WAIT_S):
                while await client.ask() != {"2": 1}:
                    pass
            await reports.until(lambda sums: sums["a/stable", "1", "ok"] and sums["a/candidate", "2", "ok"])


@contextlib.asynccontextmanager
async def shared(folder, start_envoy, listen):
    """A gateway of one Envoy and of gRPC's own client: its controller, that client, and one that asks the Envoy."""
    node = {"id": "direct", "cluster": "edge"}
    async with contextlib.AsyncExitStack() as stack:
        old, new = [f"127.0.0.1:{await stack.enter_async_context(grpc_acting(name))}" for name in ("1.0", "1.1")]
        bot = agent(version("1.0", old, http2=True), version("1.1", new, http2=True), route={"pathPrefix": PREFIX})
        stage = await stack.enter_async_context(staged(folder, gateway(listen, apiListener="agents"), bot))
        await start_envoy(stage.port, node_id="one")
        callers = [
            await stack.enter_async_context(grpc_calling(target, folder, stage.port, **node))
            for target in ("xds:///agents", listen)
        ]
        await callers[0].ask(FIRST_CALLS)
        await stage.settled()
        assert {node.id for node in stage.app.xds.nodes("edge")} == {"direct", "one"}
        yield stage, *callers


async def followed(caller, percent) -> Counter[str]:
    """How its calls are divided; gRPC's client ACKs some moments before it goes by what it has ACKed."""
    old = {0: "1.1", 100: "1.0"}.get(percent)
    async with asyncio.timeout(WAIT_S):
        while old in await caller.ask():
            pass
    return await caller.ask(CALLS)


async def test_an_envoy_and_grpcs_own_client_follow_one_split(tmp_path, start_envoy, free_port):
    async with shared(tmp_path, start_envoy, f"127.0.0.1:{free_port()}") as (stage, *callers):
        for percent in (0, 100, 50, 0):
            await stage.split(percent)
            for caller in callers:
                found = await followed(caller, percent)
                least, most = binom.ppf([NEVER / 2, 1 - NEVER / 2], CALLS, percent / 100)
                assert least <= found["1.1"] <= most, f"at {percent} % the calls were divided {found}"


async def test_what_an_envoy_and_grpcs_own_client_report_is_summed(tmp_path, start_envoy, free_port):
    async with shared(tmp_path, start_envoy, f"127.0.0.1:{free_port()}") as (stage, direct, proxied):
        await stage.reported("one")
        await stage.split(50)
        called = Counter({"1.0": FIRST_CALLS}) + await direct.ask(CALLS) + await proxied.ask(CALLS)

        def counted():
            return Counter({name: stage.counted(name)[0] for name in ("1.0", "1.1")})

        await stage.until(lambda: counted().total() >= called.total(), "the last reports have come")
        assert counted() == called, "calls were lost or counted twice"
        assert stage.counted("1.0")[1] == stage.counted("1.1")[1] == 0
