from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from adapters.port import GatewayError, Split
from controller.evolution.gates import Gate
from controller.metrics.sources import Looked, SourceError
from controller.rollout import commands as do
from controller.rollout import events as e
from controller.rollout.state import Drain, Phase, Rollout
from controller.runtime.hands import OBSERVE_TIMEOUT_S, Hands
from controller.runtime.leave import RETRY_S
from tests.sim.clock import now_s, passes, until
from tests.unit.controller.runtime.stage import AGENT, NEW, OLD, PLAN, PROFILE, STATE, Gateway, never

ROLLOUT = Rollout("p1", NEW, PLAN, "digest", 1.0, score=0.9)
PENDING = replace(STATE, phase=Phase.PENDING, rollout=ROLLOUT)
DEPLOYING = replace(STATE, phase=Phase.DEPLOYING, rollout=ROLLOUT, candidate=NEW)


@asynccontextmanager
async def handing(stage, profile=PROFILE, in_flight=0):
    told = []

    async def tell(event):
        told.append(event)

    hands = Hands(profile, stage.around, tell, lambda _: in_flight)
    hands.told = told
    async with hands.tasks:
        yield hands


def of(kind, hands):
    return [event for event in hands.told if isinstance(event, kind)]


async def test_every_gateway_is_told_at_once(stage, edge, inner):
    edge.answers.append(never)
    state = replace(STATE, gateways=frozenset({"edge", "inner"}))
    async with handing(stage) as hands:
        hands.carry_out([do.Apply(0)], state)
        await until(lambda: of(e.Confirmed, hands), within_s=0.1)
        assert of(e.Confirmed, hands)[0].gateway == "inner", "one gateway waited for another"
        assert stage.receipts[0][0] == AGENT


async def test_a_gateway_is_looked_at_again_and_again(stage, edge):
    async with handing(stage) as hands:
        hands.apply(STATE)
        await passes(3.5)
        assert [(look.source, look.observation.agent) for look in of(Looked, hands)] == [("edge", AGENT)] * 4


async def test_a_look_that_fails_is_a_look_all_the_same(stage, edge):
    edge.observation = GatewayError("edge", "unreachable", "no answer", retryable=True)
    async with handing(stage) as hands:
        hands.apply(STATE)
        await until(lambda: of(Looked, hands))
        assert [(look.source, look.observation) for look in of(Looked, hands)] == [("edge", None)], (
            "silence would never be noticed"
        )


async def test_a_look_that_hangs_ends(stage, edge):
    edge.observe = lambda _agent: never()
    async with handing(stage) as hands:
        hands.apply(STATE)
        await until(lambda: of(Looked, hands), within_s=OBSERVE_TIMEOUT_S + 0.1)


class Counter:
    """A source that says what it is given."""

    def __init__(self, *answers, name="pushed/outcomes"):
        self.name, self.every_s, self.answers, self.judged = name, 1.0, list(answers), []

    async def look(self, judged):
        self.judged.append(judged)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_source_is_looked_at_beside_the_gateways(stage):
    source = Counter(None, Looked("pushed/outcomes"), SourceError("p", "unreachable", "gone"))
    stage.around = replace(stage.around, sources=lambda profile: [source])
    async with handing(stage) as hands:
        hands.look_elsewhere()
        await passes(0.5)
        assert of(Looked, hands) == [], "nothing new was told as a look"
        await passes(1.0)
        assert of(Looked, hands) == [Looked("pushed/outcomes")]
        assert hands.troubles == {"pushed/outcomes": ""}
        await passes(1.0)
        assert of(Looked, hands)[1].readings == ()
        assert hands.troubles == {"pushed/outcomes": "p: gone"}, "nobody is told which source has stopped"
        assert source.judged == [{}] * 3


async def test_a_source_that_the_settings_drop_is_not_looked_at_any_more(stage):
    found = [Counter(), Counter(SourceError("p", "unreachable", "gone"), name="prometheus/p every 15 s")]
    stage.around = replace(stage.around, sources=lambda profile: found)
    async with handing(stage) as hands:
        hands.look_elsewhere()
        await passes(0.5)
        gone = found.pop()
        hands.look_elsewhere()
        await passes(3.0)
        assert (len(gone.judged), hands.sources.keys()) == (1, {"pushed/outcomes"})
        assert not hands.troubles.get(gone.name)


async def test_a_gateway_that_is_replaced_gets_a_link_of_its_own(stage, edge):
    async with handing(stage) as hands:
        hands.apply(STATE)
        await passes(1.0)
        stage.gateways["edge"] = again = Gateway("edge")
        assert hands.is_behind(STATE)
        hands.apply(STATE)
        await until(lambda: again.asked)
        assert not edge.removed, "the agent was taken off a gateway that still carries it"
        assert not hands.is_behind(STATE)


async def test_a_gateway_that_was_away_while_it_was_told_gets_a_link_when_it_is_back(stage, edge):
    async with handing(stage) as hands:
        hands.apply(STATE)
        del stage.gateways["edge"]
        hands.apply(STATE)
        assert not hands.is_behind(STATE)
        stage.gateways["edge"] = edge
        assert hands.is_behind(STATE), "nothing would ever be applied there again"


async def test_a_gateway_that_is_gone_is_not_spoken_to(stage, edge):
    async with handing(stage) as hands:
        hands.apply(replace(STATE, gateways=frozenset({"edge", "unheard-of"})))
        await until(lambda: of(e.Confirmed, hands))
        assert set(hands.links) == {"edge"}


async def test_a_gateway_that_is_left_forgets_the_agent_however_long_it_takes(stage, edge, inner):
    async with handing(stage) as hands:
        hands.apply(replace(STATE, gateways=frozenset({"edge", "inner"})))
        await passes(1.0)
        inner.answers += [GatewayError("inner", "unreachable", "no answer", retryable=True)] * 2
        hands.apply(replace(STATE, leaving=frozenset({"inner"})))
        await passes(1.5 * RETRY_S)
        assert not of(e.Left, hands)
        await passes(RETRY_S)
        assert inner.removed == [AGENT]
        assert [event.gateway for event in of(e.Left, hands)] == ["inner"]


async def test_a_gateway_that_is_let_go_of_is_told_nothing_more(stage, edge, inner):
    both = replace(STATE, gateways=frozenset({"edge", "inner"}))
    async with handing(stage) as hands:
        hands.apply(both)
        await passes(1.0)
        del stage.gateways["inner"]
        hands.let_go({"inner"})
        asked = len(inner.asked)
        hands.apply(replace(both, split=Split(5_000), candidate=NEW))
        await passes(10.0)
        assert len(inner.asked) == asked, "a candidate was given traffic where nobody watches it"
        assert edge.shares[-1] == 50


async def test_one_that_is_taken_up_again_is_not_left(stage, edge, inner):
    both = replace(STATE, gateways=frozenset({"edge", "inner"}))
    async with handing(stage) as hands:
        hands.apply(both)
        await passes(1.0)
        hands.apply(replace(STATE, leaving=frozenset({"inner"})))
        hands.apply(both)
        await passes(20.0)
        assert not inner.removed, "the agent's traffic was dropped at a gateway that carries it"


@pytest.mark.parametrize(("score", "answer"), [(0.95, e.GatesPassed), (0.5, e.GatesRefused)])
async def test_gates_are_checked(stage, score, answer):
    profile = replace(PROFILE, gate=Gate(score_min=0.9))
    state = replace(PENDING, rollout=replace(ROLLOUT, score=score))
    async with handing(stage, profile) as hands:
        hands.carry_out([do.CheckGates("p1")], state)
        await until(lambda: hands.told)
        assert [(type(event), event.rollout_id) for event in hands.told] == [(answer, "p1")]


async def test_a_candidate_is_reached_when_all_of_it_answers(stage):
    stage.dead.add("10.0.0.22:3000")
    async with handing(stage) as hands:
        hands.carry_out([do.Probe("p1")], DEPLOYING)
        await passes(2.0)
        assert not of(e.CandidateReached, hands)
        stage.dead.clear()
        await until(lambda: of(e.CandidateReached, hands))


async def test_a_probe_ends_with_the_phase_that_wanted_it(stage):
    stage.dead.add("10.0.0.22:3000")
    async with handing(stage) as hands:
        hands.carry_out([do.Probe("p1")], DEPLOYING)
        await passes(1.0)
        hands.carry_out([], STATE)
        assert "probe" not in hands.tasks
        stage.dead.clear()
        await passes(5.0)
        assert not of(e.CandidateReached, hands)


async def test_a_drain_is_told_watched_and_reported(stage):
    version = replace(OLD, drain_url="http://10.0.0.11/drain")
    deadline_s = now_s() + 5.0
    state = replace(STATE, stable=NEW, drains=(Drain(version, deadline_s),))
    async with handing(stage, in_flight=2) as hands:
        hands.carry_out([do.DrainVersion(version, deadline_s)], state)
        await until(lambda: of(e.Drained, hands))
        assert stage.told_to_drain == [(OLD.name, 5.0)]
        drained = of(e.Drained, hands)[0]
        assert (drained.version_name, drained.deadline_at_s, drained.cut) == (OLD.name, deadline_s, 2)


@pytest.mark.parametrize(("in_flight", "ends_after_s"), [(0, 0.1), (2, 1.1)])
async def test_a_version_that_never_answers_holds_no_drain_up(stage, in_flight, ends_after_s):
    calls = []

    async def hang(version, deadline_s):
        calls.append((version.name, deadline_s))
        await never()

    stage.around = replace(stage.around, call_drain_url=hang)
    version = replace(OLD, drain_url="http://10.0.0.11/drain")
    deadline_s = now_s() + 1.0
    state = replace(STATE, stable=NEW, drains=(Drain(version, deadline_s),))
    async with handing(stage, in_flight=in_flight) as hands:
        hands.carry_out([do.DrainVersion(version, deadline_s)], state)
        await until(lambda: of(e.Drained, hands), within_s=ends_after_s)
        hands.carry_out([], replace(state, drains=()))
        await passes(0.1)
        assert calls == [(OLD.name, 1.0)]
        assert f"tell {OLD.name}" in hands.tasks, "a version with no streams in sight was told of its drain only half"
        hands.carry_out([do.DrainVersion(version, deadline_s)], state)
        hands.carry_out([], replace(STATE, stable=version))
        assert f"tell {OLD.name}" not in hands.tasks, "a version that serves again would end its streams"


async def test_a_drain_that_is_void_says_nothing(stage):
    deadline_s = now_s() + 5.0
    state = replace(STATE, stable=NEW, drains=(Drain(OLD, deadline_s),))
    async with handing(stage, in_flight=2) as hands:
        hands.carry_out([do.DrainVersion(OLD, deadline_s)], state)
        await passes(1.0)
        hands.carry_out([], STATE)
        await passes(10.0)
        assert not of(e.Drained, hands), "a version that serves again would be called drained"


async def test_what_is_announced_is_heard(stage):
    state = replace(STATE, candidate=NEW, split=Split(1000))
    async with handing(stage) as hands:
        with stage.around.broadcast.listen() as news:
            hands.carry_out([do.Announce("split", "alice set 10 %")], state)
            heard = await anext(news)
    assert (heard.agent, heard.what, heard.text) == (AGENT, "split", "alice set 10 %")
    assert heard.facts == {"phase": "idle", "candidate_percent": 10.0}
