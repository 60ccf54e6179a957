"""What the gateway counts and what agents say of themselves: exact, private, and acted upon."""

import asyncio

import pytest

from controller.rollout.state import Phase
from tests.integration.envoy.stage import acting, agent, gateway, loading, staged

FAILED = 'JSON {"named_metrics": {"task_failed": 1}}'
DONE = "TEXT named_metrics.task_failed=0"
HEADER = "endpoint-load-metrics"
TASKS = {"name": "tasks", "indicator": "task_failed", "max": "20%", "margin": "5%"}
ERRORS = {"name": "errors", "indicator": "error", "max": "20%", "margin": "10%"}


async def test_counts_agree_with_what_clients_saw(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    async with (
        acting("1.0") as stable,
        acting("1.1", status=500) as candidate,
        staged(tmp_path, gateway(listen), agent(stable.spec(), candidate.spec())) as stage,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        await stage.reported("one")
        async with loading(listen, stage.app.pulse) as load:
            await stage.split(30)
            await load.more(300)
            await stage.split(0)
            await load.more(100)
        seen = load.by_version()
        sums = lambda: (stage.counted("1.0")[0], stage.counted("1.1")[0])  # noqa: E731 - the two figures at this moment
        await stage.until(lambda: sum(sums()) >= seen.total(), "the last report has come")
        assert sums() == (seen["1.0"], seen["1.1"]), "requests were lost or counted twice"
        assert stage.counted("1.0")[1] == 0
        assert stage.counted("1.1")[1] == seen["1.1"], "errors were not all laid at the candidate's door"
        assert stage.newest().in_flight == {"1.0": 0, "1.1": 0}


async def test_outcomes_come_by_header_and_by_trailer_and_clients_see_neither(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    async with (
        acting("1.0", headers={HEADER: DONE}) as stable,
        acting("1.1", trailer={HEADER: FAILED}) as candidate,
        staged(tmp_path, gateway(listen), agent(stable.spec(), candidate.spec(), objectives=[TASKS])) as stage,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        await stage.reported("one")

        async def ask_bare() -> str:
            """One request over a bare socket: trailers are what a client's library may hide."""
            reader, writer = await asyncio.open_connection(*listen.split(":"))
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nte: trailers\r\nconnection: close\r\n\r\n")
            answer = (await reader.read()).decode()
            writer.close()
            await writer.wait_closed()
            return answer

        for _ in range(20):
            assert HEADER not in (await ask_bare()).lower(), "a client saw what is meant for the controller"
        await stage.split(100)
        for _ in range(20):
            answer = await ask_bare()
            assert "1.1" in answer
            assert HEADER not in answer.lower(), "a client saw a trailer that is meant for the controller"

        def told(version: str):
            return stage.newest().tallies[version].indicators.get("task_failed")

        await stage.until(lambda: told("1.0") and told("1.1") and told("1.1")[0] >= 20, "the outcomes have come")
        assert told("1.0") == (20, 0.0)
        assert told("1.1") == (20, 20.0)


@pytest.mark.parametrize("way", ["headers", "trailer"])
async def test_a_candidate_that_fails_its_tasks_is_rolled_back(tmp_path, start_envoy, free_port, way):
    listen = f"127.0.0.1:{free_port()}"
    strategy = {"steps": [{"weight": 50, "hold": "1m"}]}
    async with (
        acting("1.0", headers={HEADER: DONE}) as stable,
        acting("1.1", **{way: {HEADER: FAILED}}) as candidate,
        staged(tmp_path, gateway(listen), agent(stable.spec(), strategy=strategy, objectives=[TASKS])) as stage,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        async with loading(listen, stage.app.pulse, clients=2) as load:
            await stage.propose(candidate.version())
            await stage.phase(Phase.ROLLED_BACK)
            asked = len(candidate.seen)
            await load.more(50)
            assert len(candidate.seen) == asked, "the candidate was asked after it had been rolled back"
        assert load.failed == [], "clients saw a failure although every answer was 200"
        assert "tasks" in stage.state().rollout.reason


async def test_a_candidate_that_answers_with_errors_is_rolled_back_and_exposed_to_few(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    strategy = {"steps": [{"weight": 10, "hold": "1m"}]}
    async with (
        acting("1.0") as stable,
        acting("1.1", status=500) as candidate,
        staged(tmp_path, gateway(listen), agent(stable.spec(), strategy=strategy, objectives=[ERRORS])) as stage,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        async with loading(listen, stage.app.pulse, clients=2) as load:
            await stage.propose(candidate.version())
            await stage.phase(Phase.ROLLED_BACK)
        assert {answer.version for answer in load.failed} == {"1.1"}
        assert "errors" in stage.state().rollout.reason
