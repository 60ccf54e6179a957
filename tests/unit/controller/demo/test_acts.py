"""The acts, with a controller that says what the script makes it say, and a clock that nobody waits for."""

from __future__ import annotations

import asyncio

import pytest

from controller.demo import acts, scene
from controller.demo.acts import SCRIPTS, Stage
from controller.demo.pipeline import all_back
from controller.demo.timeline import Moment

PORTS = {scene.FIRST: 3000, scene.GOOD: 3001, scene.BAD: 3002, scene.UNLUCKY: 3003}
PROMOTION, ROLLBACK, OUTAGE = SCRIPTS


class Controller:
    """Says its lines once a version is proposed; each look at the agent shows the next of its states."""

    def __init__(self, lines, states=()):
        self.lines = lines
        self.states = list(states)
        self.proposed = []
        self._proposed = asyncio.Event()

    async def propose(self, agent, version, *, score, summary):
        self.proposed.append((agent, version["version"]))
        self._proposed.set()
        return "p1"

    async def agent(self, name):
        return self.states.pop(0)

    async def news(self):
        await self._proposed.wait()
        for number, (what, percent) in enumerate(self.lines):
            yield Moment(float(number), float(number), what, "", percent)
        await asyncio.Event().wait()


class House:
    """A clock that moves when somebody waits, and what happened by it."""

    def __init__(self):
        self.now_s = 100.0
        self.said = []
        self.outages = []

    async def pause(self, delay_s):
        self.now_s += delay_s
        await asyncio.sleep(0)

    async def outage(self, ratio):
        self.outages.append((self.now_s, ratio))

    def stage(self, controller):
        return Stage(
            controller, PORTS, self.outage, all_back, self.said.append, now_s=lambda: self.now_s, pause=self.pause
        )


@pytest.fixture
async def house():
    return House()


async def play(stage, script):
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        listening = group.create_task(stage.listen(stage.controller.news()))
        played = await stage.play(script)
        listening.cancel()
    return played


async def test_a_promotion_is_followed_to_its_end(house):
    controller = Controller([("step", 1.0), ("confirmed", 1.0), ("promoted", 0.0)])
    played = await play(house.stage(controller), PROMOTION)
    assert controller.proposed == [("code-assistant", scene.GOOD)]
    assert [moment.what for moment in played.moments] == ["step", "confirmed", "promoted"]
    assert [moment.what for moment in house.said] == ["step", "confirmed", "promoted"], "nobody would see what happens"
    assert (played.begin_s, played.end_s) == (100.0, 100.0 + acts.TAIL_S)
    assert played.back_s is None
    assert house.outages == []


def state(percent):
    return {"phase": "rolling-back", "gateways": [{"confirmed": {"candidate_percent": percent}}]}


async def test_a_rollback_counts_once_it_is_confirmed(house):
    controller = Controller(
        [("confirmed", 10.0), ("rolling-back", 0.0), ("rolled-back", 0.0)], [state(10.0), state(10.0), state(0.0)]
    )
    played = await play(house.stage(controller), ROLLBACK)
    assert played.back_s == pytest.approx(100.0 + 2 * acts.LOOK_EVERY_S), "set would be taken for applied"


async def test_an_outage_comes_once_at_its_share_and_goes(house):
    lines = [("confirmed", 1.0), ("confirmed", 10.0), ("paused", 10.0), ("confirmed", 10.0), ("promoted", 0.0)]
    played = await play(house.stage(Controller(lines)), OUTAGE)
    assert house.outages == [(100.0, scene.OUTAGE_RATIO), (100.0 + scene.OUTAGE_S, 0.0)]
    assert played.outage == (100.0, 100.0 + scene.OUTAGE_S)


async def test_the_other_acts_have_no_outage(house):
    played = await play(house.stage(Controller([("confirmed", 10.0), ("promoted", 0.0)])), PROMOTION)
    assert played.outage is None


async def test_an_act_that_does_not_end_is_left(house, monkeypatch):
    monkeypatch.setattr(acts, "ACT_S_MAX", 0.0)
    played = await play(house.stage(Controller([])), PROMOTION)
    assert played.outcome == "under-way", "the demo would wait for ever"
    assert house.outages == [(100.0, 0.0)], "the next act would begin in an outage"
