"""`kill -9` of the real controller, in the middle of a rollout and under load."""

import asyncio
import time

import aiohttp

from tests.integration.envoy.program import Program, running
from tests.integration.envoy.stage import WAIT_S, Load, Pulse, acting, agent, gateway, loading

ERRORS = {"name": "errors", "indicator": "error", "max": "20%", "margin": "10%"}
STEPS = [{"weight": 30, "hold": "200ms", "approval": "required"}, {"weight": 60, "hold": "200ms"}]


async def until(program: Program, condition, what: str) -> dict:
    """Ask for the agent's state until it fits."""
    told = {}
    try:
        async with asyncio.timeout(WAIT_S):
            while not condition(told := await program.agent()):
                pass
    except TimeoutError:
        raise AssertionError(f"{what} did not happen: {told}") from None
    return told


def place(told: dict) -> tuple:
    """Where a rollout is."""
    return told["phase"], told["rollout"]["step"], told["wanted"], told["stable"], told["candidate"]


async def test_a_rollout_goes_on_where_it_was(tmp_path, start_envoy, free_port):
    listen, pulse = f"127.0.0.1:{free_port()}", Pulse()
    strategy = {"steps": STEPS, "bake": "200ms", "keep": "1m"}
    async with acting("1.0") as stable, acting("1.1") as candidate:
        bot = agent(stable.spec(), strategy=strategy, objectives=[ERRORS])
        async with running(tmp_path, free_port(), gateway(listen), bot) as program:
            await start_envoy(program.xds_port, node_id="one")
            await until(program, program.is_confirmed, "the first confirmation")
            asked = {"agent": "bot", "version": "1.1", "endpoints": [candidate.endpoint]}
            await program.ask("POST", "/v1/proposals", **asked)
            async with loading(listen, pulse, clients=2) as load:
                noted = requests(await until(program, judged, "evidence of the first step"))
                # A look is judged first and written down right after; the next one says that it has been.
                before = await until(program, lambda told: requests(told) > noted, "more evidence")
                await program.kill()
                await load.more(100)
                await program.start()
                after = await until(program, program.is_confirmed, "the confirmation after the restart")
                assert place(after) == place(before), "the controller forgot where it was"
                assert requests(after) >= noted, "evidence was lost"
                await load.more(100)
            assert load.failed == [], "the controller's death cost requests"
            still = await settled_evidence(program, listen)
            await program.kill()
            await program.start()
            again = await until(program, lambda told: told["findings"], "the findings after the restart")
            assert place(again) == place(still)
            assert evidence(again) == evidence(still), "the e-values are not what they were"
            async with loading(listen, pulse, clients=2) as load:
                rollout = again["rollout"]
                await program.ask("POST", f"/v1/proposals/{rollout['id']}/approve", digest=rollout["digest"])
                await until(program, lambda told: told["phase"] == "promoted", "the promotion")
                await load.more(50)
            assert load.failed == []
            assert load.answers[-1].version == "1.1"


def judged(told: dict) -> bool:
    return told["phase"] == "health-check" and requests(told) > 50


def requests(told: dict) -> int:
    return sum(finding["candidate"]["valid"] for finding in told["findings"])


def evidence(told: dict) -> list:
    """All but the verdict, which a pause between two looks may turn to ``no-data`` until the next request."""
    return [{key: value for key, value in finding.items() if key != "verdict"} for finding in told["findings"]]


async def settled_evidence(program: Program, listen: str) -> dict:
    """The state once all of the last requests have been reported, judged and written down.

    Envoy reports in order. A request without an answer is seen in flight in a report of after them, and counts for
    nothing when its client leaves; the look that finds it gone comes when the one before has been written down.
    """
    async with asyncio.TaskGroup() as tasks, aiohttp.ClientSession() as client:
        silent = tasks.create_task(client.post(f"http://{listen}/silence"))
        await until(program, lambda told: in_flight(told) == 1, "a look at a request in flight")
        silent.cancel()
        return await until(program, lambda told: in_flight(told) == 0, "a look without it")


def in_flight(told: dict) -> int:
    return sum(count for gateway in told["gateways"] for count in gateway["in_flight"].values())


async def test_without_its_controller_the_candidate_loses_its_traffic_and_gets_it_back(
    tmp_path, start_envoy, free_port
):
    listen, pulse = f"127.0.0.1:{free_port()}", Pulse()
    async with acting("1.0") as stable, acting("1.1") as candidate:
        bot = agent(stable.spec(), candidate.spec(), deadMan="2s")
        async with running(tmp_path, free_port(), gateway(listen), bot) as program:
            await start_envoy(program.xds_port, node_id="one")
            await until(program, program.is_confirmed, "the first confirmation")
            await program.ask("PUT", "/v1/agents/bot/split", candidate_percent=50, reason="try it")
            await until(program, program.is_confirmed, "the split")
            async with loading(listen, pulse, clients=2) as load:
                # Endpoints that nobody refreshed would have gone stale after two seconds.
                lives_until_s = time.monotonic() + 3
                await pulse.until(lambda: time.monotonic() > lives_until_s, "time passes")
                await load.more(20)
                assert recent(load, 100) == {"1.0", "1.1"}, "the candidate went stale although the controller lives"
                await program.kill()
                killed_s = time.monotonic()
                await pulse.until(
                    lambda: load.answers[-1].sent_s > killed_s + 1 and recent(load, 100) == {"1.0"}, "stable"
                )
                took_s = time.monotonic() - killed_s
                assert took_s < 2 + 2, f"the candidate kept its traffic for {took_s:.1f} s without a controller"
                await program.start()
                await pulse.until(lambda: recent(load, 100) == {"1.0", "1.1"}, "the candidate has its share again")
            assert load.failed == [], "the switch cost requests"


def recent(load: Load, count: int) -> set[str]:
    """The versions of the last answers."""
    return {answer.version for answer in load.answers[-count:]}
