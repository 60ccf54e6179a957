"""What is counted elsewhere than at a gateway decides like everything else; and when it stops, that is no data."""

from dataclasses import replace

from controller.analysis.indicators import Counts
from controller.analysis.objectives import Objective
from controller.analysis.verdict import Judge, Verdict
from controller.metrics.outcomes import Outcome, Outcomes
from tests.sim.clock import now_s, passes, until
from tests.unit.controller.runtime.stage import AGENT, NEW, PROFILE, guided

TASKS = replace(PROFILE, judge=Judge((Objective("tasks", "task_failed", max=0.1),), 0.05, 3.0))


def pushing(stage):
    outcomes = Outcomes(now_s())
    stage.around = replace(stage.around, sources=lambda profile: [outcomes.source(profile.agent)])

    def push(key, bad, requests=100):
        outcome = Outcome(NEW.name, "task_failed", Counts(requests, bad))
        outcomes.take(AGENT, str(key), now_s(), [outcome], now_s())

    return push


async def test_what_agents_push_decides(stage, edge):
    push = pushing(stage)
    async with stage.driving(replace(TASKS, candidate=NEW)) as driver:
        await guided(driver, edge, 10)
        push("a", 50)
        await until(lambda: not driver.state.serves_candidate, within_s=4.0)
        assert driver.watch.assessment.verdict is Verdict.BREACH


async def test_agents_that_stop_pushing_are_no_data(stage, edge):
    push = pushing(stage)
    async with stage.driving(replace(TASKS, candidate=NEW)) as driver:
        await guided(driver, edge, 10)
        for key in range(5):
            push(key, 0)
            await passes(1.0)
        assert driver.state.verdict is Verdict.HEALTHY
        await until(lambda: driver.state.verdict is Verdict.NO_DATA, within_s=8.0)
