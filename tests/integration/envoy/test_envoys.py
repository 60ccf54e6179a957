"""Envoys that restart, join late, freeze, and come in pairs."""

import asyncio

import aiohttp

from adapters.port import Applied
from controller.rollout import events
from controller.rollout.state import Phase
from controller.runtime import link
from tests.integration.envoy.stage import WAIT_S, acting, agent, gateway, loading, staged

TOO_LATE_S = link.APPLY_TIMEOUT_S / 2
"""A rollback that waits for a frozen Envoy takes longer: until the attempt to tell it is given up."""


async def test_an_envoy_that_restarts_serves_the_present_split_from_its_first_request(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    async with (
        acting("1.0") as stable,
        acting("1.1") as candidate,
        staged(tmp_path, gateway(listen), agent(stable.spec(), candidate.spec())) as stage,
    ):
        first = await start_envoy(stage.port, node_id="one")
        await stage.settled()
        await stage.split(100)
        asked = len(stable.seen)
        first.kill()
        await start_envoy(stage.port, node_id="one")
        async with aiohttp.ClientSession() as client:
            answers = await first_answers(client, f"http://{listen}/", 20)
        assert answers == ["1.1"] * 20, "a restarted Envoy served another split than the present one"
        assert len(stable.seen) == asked
        await stage.split(0)
        assert len(stage.app.xds.nodes("edge")) == 1


async def first_answers(client: aiohttp.ClientSession, url: str, count: int) -> list[str]:
    """The first answers of an Envoy that may not listen yet."""
    answers: list[str] = []
    async with asyncio.timeout(WAIT_S):
        while len(answers) < count:
            try:
                async with client.get(url) as response:
                    answers.append(await response.text())
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0)
    return answers


async def test_an_envoy_that_joins_late_is_brought_to_the_split_and_waited_for(
    tmp_path, start_envoy, free_port, monkeypatch
):
    monkeypatch.setattr(link, "APPLY_TIMEOUT_S", 0.5)
    listen = f"127.0.0.1:{free_port()}"
    async with (
        acting("1.0") as stable,
        acting("1.1") as candidate,
        staged(tmp_path, gateway(listen), agent(stable.spec(), candidate.spec())) as stage,
    ):
        await stage.until(stage.receipts, "an attempt without any Envoy has ended")
        assert stage.receipts()[0].outcome is Applied.UNREACHABLE
        assert "node.cluster 'edge'" in stage.receipts()[0].detail
        await start_envoy(stage.port, node_id="early")
        await stage.settled()
        await stage.split(25)
        late = await start_envoy(stage.port, node_id="late")
        await stage.until(lambda: len(confirmed(stage)) == 2, "both have confirmed")
        assert '"weight": 2500' in await late.admin("/config_dump?resource=dynamic_route_configs")
        await stage.split(0)
        assert confirmed(stage) == {"early", "late"}
        (program,) = stage.app.xds.programs("edge")
        told = program.removeprefix("Envoy ")
        assert f"/{told}/" in await late.admin("/server_info"), (
            "turnout gateways tells another version than Envoy itself"
        )


def confirmed(stage) -> set[str]:
    generation = stage.app.xds.cache.group("edge").generation
    return {node.id for node in stage.app.xds.nodes("edge") if node.confirmed_generation >= generation}


async def test_a_frozen_envoy_holds_a_step_and_no_rollback(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    strategy = {"steps": [{"weight": 20, "hold": "10m"}, {"weight": 60, "hold": "10m"}]}
    async with (
        acting("1.0") as stable,
        acting("1.1") as candidate,
        staged(tmp_path, gateway(listen), agent(stable.spec(), strategy=strategy)) as stage,
    ):
        awake = await start_envoy(stage.port, node_id="awake")
        frozen = await start_envoy(stage.port, node_id="frozen")
        await stage.until(lambda: len(confirmed(stage)) == 2, "both are there")
        await stage.propose(candidate.version())
        await stage.phase(Phase.HEALTH_CHECK)
        await stage.settled()
        frozen.freeze()
        await stage.ask(events.SkipAsked)
        await stage.until(lambda: confirmed(stage) == {"awake"}, "the one that is awake has the next step")
        await stage.reported("awake", 10)
        assert not stage.state().all_confirmed, "a step was called done while an Envoy had not taken it"
        await stage.ask(events.RollbackAsked)
        assert stage.state().split.candidate_bp == 0
        await stage.until(lambda: confirmed(stage) == {"awake"}, "the one that is awake is back", TOO_LATE_S)
        routes = await awake.admin("/config_dump?resource=dynamic_route_configs")
        assert '"weight": 10000' in routes, "the rollback waited for the frozen Envoy"
        assert not stage.state().all_confirmed, "a rollback was called confirmed that one Envoy had not heard of"
        frozen.thaw()
        await stage.settled()
        assert confirmed(stage) == {"awake", "frozen"}
        await stage.phase(Phase.ROLLED_BACK)


async def test_what_two_envoys_count_is_summed(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    async with (
        acting("1.0") as stable,
        acting("1.1", status=500) as candidate,
        staged(tmp_path, gateway(listen), agent(stable.spec(), candidate.spec())) as stage,
    ):
        envoys = [await start_envoy(stage.port, node_id=name) for name in ("one", "two")]
        await stage.until(lambda: len(confirmed(stage)) == 2, "both are there")
        await stage.split(50)
        for name in ("one", "two"):
            await stage.reported(name)
        # Each request has a connection of its own, and the kernel shares these out.
        async with loading(listen, stage.app.pulse, 2, connection="close") as load:
            await load.more(300)
        seen = load.by_version()
        await stage.until(
            lambda: stage.counted("1.0")[0] + stage.counted("1.1")[0] >= seen.total(), "the last reports have come"
        )
        assert stage.counted("1.0") == (seen["1.0"], 0)
        assert stage.counted("1.1") == (seen["1.1"], seen["1.1"])
        shares = [await envoy.stats("cluster.bot/stable.upstream_rq_total") for envoy in envoys]
        assert all(sum(share.values()) > 0 for share in shares), "the stage was not set: one Envoy had no request"
