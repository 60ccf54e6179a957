from dataclasses import replace

import pytest

from controller.runtime.drains import CALL_TIMEOUT_S, tell_to_drain, watch_drain
from tests.sim.clock import now_s
from tests.unit.controller.runtime.stage import OLD, never

TOLD = replace(OLD, drain_url="http://10.0.0.11:3000/drain")


class Agent:
    def __init__(self, in_flight, call=None):
        self.calls = []
        self._in_flight = in_flight
        self._answer = call

    async def call(self, version, deadline_s):
        self.calls.append((version.name, deadline_s))
        if self._answer is not None:
            await self._answer()

    def in_flight(self, version):
        return self._in_flight(now_s())

    async def drained(self, deadline_s=10.0):
        """How many were cut, and how long it took."""
        began_s = now_s()
        cut = await watch_drain(TOLD, began_s + deadline_s, in_flight=self.in_flight, now_s=now_s)
        return cut, now_s() - began_s


async def test_the_version_is_told_once_with_the_time_it_has():
    agent = Agent(lambda _: 0)
    await tell_to_drain(TOLD, 10.0, agent.call)
    assert agent.calls == [(OLD.name, 10.0)]


async def test_one_that_does_not_want_to_be_told_is_not():
    agent = Agent(lambda _: 0)
    await tell_to_drain(OLD, 10.0, agent.call)
    assert not agent.calls


async def test_it_waits_until_nothing_is_in_flight():
    began_s = now_s()
    cut, took_s = await Agent(lambda at_s: max(0, 3 - int(at_s - began_s))).drained()
    assert cut == 0
    assert took_s == pytest.approx(3.0, abs=0.3), "streams were cut that would have ended in time"


async def test_the_deadline_says_how_many_are_cut():
    cut, took_s = await Agent(lambda _: 4).drained()
    assert cut == 4
    assert took_s == pytest.approx(10.0, abs=0.3)


async def test_where_nobody_can_say_the_whole_deadline_is_waited_for():
    cut, took_s = await Agent(lambda _: None).drained()
    assert cut is None, "absent was taken for zero"
    assert took_s == pytest.approx(10.0, abs=0.3)


async def refuse():
    raise ConnectionRefusedError("nobody there")


async def fail():
    raise UnicodeError("a..b cannot be a host")


@pytest.mark.parametrize(("answer", "why"), [(refuse, "nobody there"), (never, "no answer within 5 s"), (fail, "a..b")])
async def test_that_a_version_cannot_be_told_is_said_with_the_reason(caplog, answer, why):
    began_s = now_s()
    await tell_to_drain(TOLD, 10.0, Agent(lambda _: 0, answer).call)
    assert why in caplog.text, "nobody would know why its streams were cut"
    assert now_s() - began_s <= CALL_TIMEOUT_S
