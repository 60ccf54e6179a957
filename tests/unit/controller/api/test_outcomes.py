from __future__ import annotations

from dataclasses import replace

import pytest

from controller.analysis.counters import Series
from controller.analysis.indicators import Counts
from controller.analysis.objectives import Objective
from controller.analysis.verdict import Judge
from controller.metrics.outcomes import KEYS_MAX, WINDOW_S
from tests.unit.controller.api.world import AGENT, BEGAN_S, STABLE, TOKENS, access, world

JUDGE = Judge((Objective("tasks", "task_failed", max=0.2), Objective("safety", "unsafe", max=0.01)), 0.05, 10.0)


def outcome(**changes):
    return {"version": STABLE.name, "metric": "task_failed", "requests": 10, "bad": 2} | changes


def batch(*outcomes, **changes):
    return {"agent": AGENT, "key": "pod-7/1", "at_s": BEGAN_S, "outcomes": list(outcomes)} | changes


async def judged(at):
    """The agent gets objectives."""
    at.driver.profile = replace(at.driver.profile, judge=JUDGE)


def counted(at):
    return at.context.outcomes._books[AGENT].counted


async def test_what_is_pushed_is_counted_once(tmp_path):
    async with world(tmp_path) as at:
        await judged(at)
        assert await at.ask("POST", "/v1/outcomes", batch(outcome())) == (200, {"result": "counted", "ignored": []})
        assert await at.ask("POST", "/v1/outcomes", batch(outcome())) == (200, {"result": "known", "ignored": []})
        assert counted(at) == {Series(STABLE.name, "task_failed"): Counts(10, 2)}


async def test_what_nobody_will_ever_look_at_is_said(tmp_path):
    async with world(tmp_path) as at:
        await judged(at)
        _, told = await at.ask("POST", "/v1/outcomes", batch(outcome(version="9.9"), outcome(metric="taks_failed")))
        assert told["ignored"] == ["version 9.9 plays no track", "metric taks_failed is no objective's indicator"]
        assert counted(at) == {}, "counters of anything that anybody names would fill the memory"


async def test_one_that_comes_too_late_is_left_out(tmp_path):
    async with world(tmp_path) as at:
        await judged(at)
        _, told = await at.ask("POST", "/v1/outcomes", batch(outcome(), at_s=BEGAN_S - WINDOW_S - 1))
        assert told["result"] == "late"
        assert not counted(at)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (batch(outcome(bad=11)), 409, "is more than requests"),
        (batch(outcome(requests=-1)), 422, "greater than or equal"),
        (batch(outcome(), key=""), 422, "key"),
        (batch(outcome(), agent="nobody"), 404, "no agent"),
        (batch(outcome(), at_s=BEGAN_S + 3600), 422, "ahead of this clock"),
        (batch(*[outcome()] * 257), 422, "outcomes"),
    ],
)
async def test_what_cannot_be_meant_is_refused(tmp_path, body, status, words):
    async with world(tmp_path) as at:
        await judged(at)
        found, told = await at.ask("POST", "/v1/outcomes", body)
        assert found == status
        assert words in str(told)


async def test_a_reporter_may_push_and_nothing_else(tmp_path):
    async with world(tmp_path, tokens=access()) as at:
        held = {"Authorization": f"Bearer {TOKENS['reporter']}"}
        assert (await at.ask("POST", "/v1/outcomes", batch(), **held))[0] == 200
        assert (await at.ask("GET", "/v1/agents", **held))[0] == 403, "an agent's machine would read every route"
        assert (await at.ask("POST", f"/v1/agents/{AGENT}/rollback", {}, **held))[0] == 403
        held = {"Authorization": f"Bearer {TOKENS['operator']}"}
        assert (await at.ask("POST", "/v1/outcomes", batch(), **held))[0] == 403


async def test_too_many_batches_are_to_be_sent_again(tmp_path):
    async with world(tmp_path) as at:
        await judged(at)
        await at.ask("POST", "/v1/outcomes", batch(outcome()))
        at.context.outcomes._books[AGENT].keys |= {str(index): BEGAN_S for index in range(KEYS_MAX)}
        status, told = await at.ask("POST", "/v1/outcomes", batch(outcome(), key="one-more"))
        assert (status, told["retryable"]) == (503, True)
