"""What cannot be seen: an Envoy that reports nothing, a version that has no place in a cluster any more."""

import contextlib

import aiohttp

from adapters.envoy import counting
from controller.rollout import events
from controller.rollout.state import Phase
from tests.integration.envoy.stage import acting, agent, gateway, loading, staged, version

ERRORS = {"name": "errors", "indicator": "error", "max": "20%", "margin": "10%"}


async def test_a_breach_is_seen_although_one_envoy_never_reports(tmp_path, start_envoy, free_port, monkeypatch):
    monkeypatch.setattr(counting, "SILENT_AFTER_S", 0.0)
    listen = f"127.0.0.1:{free_port()}"
    strategy = {"steps": [{"weight": 50, "hold": "10m"}]}
    async with (
        acting("1.0") as stable,
        acting("1.1", status=500) as candidate,
        staged(
            tmp_path,
            gateway(listen),
            agent(stable.spec(), strategy=strategy, objectives=[ERRORS], drain={"deadline": "1s"}),
        ) as stage,
    ):
        for node, reports in (("talks", True), ("mute", False)):
            await start_envoy(stage.port, node_id=node, reports=reports)
        await stage.until(lambda: len(stage.app.xds.connected("edge")) == 2, "both are there")
        await stage.settled()
        # Each request has a connection of its own, and the kernel shares these out.
        async with loading(listen, stage.app.pulse, clients=2, connection="close"):
            await stage.propose(candidate.version())
            await stage.phase(Phase.ROLLED_BACK)
        assert "errors" in stage.state().rollout.reason, "a failing candidate lived on because one Envoy says nothing"
        assert stage.in_flight("1.1") is None, "what the silent Envoy has in flight was taken for nothing"
        assert "no load report from mute" in (await stage.app.fleet.adapters["edge"].status()).detail


async def test_a_stream_that_began_before_a_promotion_is_seen_after_it_and_on_the_way_back(
    tmp_path, start_envoy, free_port
):
    listen = f"127.0.0.1:{free_port()}"
    strategy = {"steps": [{"weight": 100, "hold": "10m"}], "bake": "100ms", "keep": "10m"}
    async with (
        acting("1.0") as old,
        acting("1.1") as new,
        staged(tmp_path, gateway(listen), agent(old.spec(), strategy=strategy)) as stage,
        aiohttp.ClientSession() as client,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        await stage.propose(new.version())
        await stage.phase(Phase.HEALTH_CHECK)
        await stage.settled()
        async with client.get(f"http://{listen}/stream") as stream:
            assert await stream.content.readuntil(b"\n\n") == b"data: 1.1\n\n"
            await stage.until(lambda: stage.in_flight("1.1") == 1, "the stream is seen in flight")
            await stage.ask(events.SkipAsked)
            await stage.phase(Phase.PROMOTED)
            await stage.settled()
            await stage.reported("one", 5)
            assert stage.in_flight("1.1") == 1, "the promotion lost sight of a stream"
            await stage.ask(events.RollbackAsked)
            await stage.settled()
            await stage.reported("one", 5)
            assert stage.in_flight("1.1") == 1
            assert [drain.version.name for drain in stage.state().drains] == ["1.1"], "its drain was called done"
            assert new.streams == 1
            new.finish.set()
            await stage.phase(Phase.ROLLED_BACK)


async def test_what_drains_takes_nothing_from_a_candidate_behind_the_dead_man_switch(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    async with contextlib.AsyncExitStack() as stack:
        stables = [await stack.enter_async_context(acting("1.0")) for _ in range(4)]
        candidate = await stack.enter_async_context(acting("1.1"))
        stable = version("1.0", *(each.endpoint for each in stables))
        documents = gateway(listen), agent(stable, candidate.spec(), deadMan="1m")
        stage = await stack.enter_async_context(staged(tmp_path, *documents))
        envoy = await start_envoy(stage.port, node_id="one")
        await stage.settled()
        await stage.split(100)
        assert (await envoy.admin("/clusters")).count("eds_status_draining") == 4, "the stage was not set"
        async with loading(listen, stage.app.pulse) as load:
            await load.more(100)
        assert set(load.by_version()) == {"1.1"}, "an Envoy takes the candidate's cluster for mostly broken"


async def test_a_drain_is_not_over_when_the_new_version_speaks_another_protocol(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    strategy = {"steps": [{"weight": 100, "hold": "100ms"}], "bake": "100ms"}
    async with (
        acting("1.0") as old,
        acting("2.0") as new,
        staged(tmp_path, gateway(listen), agent(old.spec(), strategy=strategy)) as stage,
        aiohttp.ClientSession() as client,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        async with client.get(f"http://{listen}/stream") as stream:
            assert await stream.content.readuntil(b"\n\n") == b"data: 1.0\n\n"
            await stage.until(lambda: stage.in_flight("1.0") == 1, "the stream is seen in flight")
            await stage.propose(new.version(http2=True))
            await stage.phase(Phase.PROMOTED)
            await stage.settled()
            await stage.reported("one", 5)
            assert stage.in_flight("1.0") is None, "a stream that goes on is said to have ended"
            assert [drain.version.name for drain in stage.state().drains] == ["1.0"], "its drain was called done"
            assert old.streams == 1
