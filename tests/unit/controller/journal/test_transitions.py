import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.port import Split
from controller.analysis.indicators import Block, Counts
from controller.analysis.verdict import Verdict
from controller.journal.errors import JournalAlteredError
from controller.journal.records import GENESIS, chain, draft
from controller.journal.transitions import (
    EVIDENCE,
    TRANSITION,
    checkpoint_body,
    event_of,
    evidence_body,
    recall,
    state_of,
    transition_body,
)
from controller.rollout import events as e
from controller.rollout.machine import step
from controller.rollout.refusal import Refusal
from controller.rollout.state import Timer, new_state
from tests.unit.controller.rollout.playbook import NEW, OLD, PLAN, submitted

AGENT = "code-assistant"
STATE = new_state(AGENT, OLD, frozenset({"edge"}))
GUIDED = replace(STATE, candidate=NEW, split=Split(1000))
LOOK = {"error": Block(Counts(100, 3), Counts(900, 9))}
JUDGE = {"objectives": {}, "clocks": {}}


class Shelf:
    """A journal in memory that counts what is read from it."""

    def __init__(self):
        self.records = []
        self.read_records = 0

    def write(self, kind, body, *, agent=AGENT, at_s=1.0):
        head = self.records[-1].head if self.records else GENESIS
        self.records.append(chain(head, draft(agent, kind, body, actor="controller", at_s=at_s)))
        return self.records[-1].seq

    def transition(self, state=STATE, *, judge_seq=0, event=None):
        event = event or e.Confirmed(now_s=1.0, gateway="edge", revision=0)
        return self.write(TRANSITION, transition_body(event, state, judge_seq=judge_seq))

    def look(self, judge_seq, found=None, at_s=1.0, *, stable_serves=True):
        body = evidence_body(found or LOOK, judge_seq=judge_seq, stable_serves=stable_serves)
        return self.write(EVIDENCE, body, at_s=at_s)

    async def read(self, agent=None, *, after_seq=0, limit=1000):
        page = [record for record in self.records[after_seq:] if agent in (None, record.agent)][:limit]
        self.read_records += len(page)
        return page

    async def last(self, agent=None):
        self.read_records += 1
        return next((record for record in reversed(self.records) if agent in (None, record.agent)), None)


@pytest.fixture
def shelf():
    return Shelf()


async def test_nothing_is_known_of_a_stranger(shelf):
    shelf.transition()
    assert await recall(shelf, "translator") is None


async def test_the_newest_transition_is_enough(shelf):
    for _ in range(50):
        shelf.transition()
    shelf.transition(GUIDED)
    recalled = await recall(shelf, AGENT)
    assert (recalled.state, recalled.judge, recalled.judge_seq, recalled.looks) == (GUIDED, None, 0, ())
    assert shelf.read_records == 1, "a restart would take the longer the older the agent is"


async def test_evidence_is_read_from_the_last_checkpoint_on(shelf):
    shelf.transition(GUIDED)
    shelf.write(EVIDENCE, checkpoint_body(GUIDED, {"objectives": {"old": 1}, "clocks": {}}))
    for _ in range(30):
        shelf.look(2)
    checkpoint = shelf.write(EVIDENCE, checkpoint_body(GUIDED, JUDGE))
    shelf.look(checkpoint, at_s=5.0)
    shelf.look(checkpoint, {"error": Block(Counts(1, 1))}, at_s=6.0, stable_serves=False)
    recalled = await recall(shelf, AGENT)
    assert recalled.state == GUIDED
    assert (recalled.judge, recalled.judge_seq) == (JUDGE, checkpoint)
    assert recalled.looks == ((5.0, LOOK, True), (6.0, {"error": Block(Counts(1, 1))}, False))
    assert shelf.read_records == 4


async def test_a_checkpoint_stands_on_its_own(shelf):
    shelf.write(EVIDENCE, checkpoint_body(GUIDED, JUDGE))
    recalled = await recall(shelf, AGENT)
    assert (recalled.state, recalled.judge, recalled.judge_seq, recalled.looks) == (GUIDED, JUDGE, 1, ())


async def test_a_transition_that_came_late_to_the_disk_is_not_overlooked(shelf):
    checkpoint = shelf.write(EVIDENCE, checkpoint_body(GUIDED, JUDGE))
    shelf.look(checkpoint)
    shelf.transition(STATE, judge_seq=checkpoint)
    shelf.look(checkpoint)
    recalled = await recall(shelf, AGENT)
    assert recalled.state == STATE, "a rollback would be undone by a restart"
    assert len(recalled.looks) == 2


async def test_other_agents_records_are_nobodys(shelf):
    checkpoint = shelf.write(EVIDENCE, checkpoint_body(GUIDED, JUDGE))
    shelf.write(TRANSITION, {"whatever": 1}, agent="translator")
    shelf.look(checkpoint)
    assert len((await recall(shelf, AGENT)).looks) == 1


async def test_more_looks_than_a_page_are_all_read(shelf):
    checkpoint = shelf.write(EVIDENCE, checkpoint_body(GUIDED, JUDGE))
    for at_s in range(1500):
        shelf.look(checkpoint, at_s=float(at_s))
    looks = (await recall(shelf, AGENT)).looks
    assert [at_s for at_s, *_ in looks] == [float(at_s) for at_s in range(1500)]


async def test_looks_from_before_they_said_whether_stable_serves_are_read(shelf):
    checkpoint = shelf.write(EVIDENCE, checkpoint_body(GUIDED, JUDGE))
    shelf.write(EVIDENCE, {"blocks": {"error": [[1, 1], [0, 0]]}, "judge_seq": checkpoint})
    assert (await recall(shelf, AGENT)).looks == ((1.0, {"error": Block(Counts(1, 1))}, True),)


async def test_a_checkpoint_that_is_gone_is_told(shelf):
    shelf.write(TRANSITION, {"whatever": 1}, agent="translator")
    shelf.look(7)
    with pytest.raises(JournalAlteredError, match="refers to it"):
        await recall(shelf, AGENT)


def test_a_state_that_cannot_be_is_not_gone_on_from(shelf):
    shelf.transition(GUIDED)
    body = json.loads(json.dumps(shelf.records[0].body))
    body["state"]["candidate"] = None
    shelf.write(TRANSITION, body)
    with pytest.raises(JournalAlteredError, match="cannot be"):
        state_of(shelf.records[1])


def test_an_event_that_cannot_be_is_told(shelf):
    shelf.transition()
    for change in ({"event": "Blessed"}, {"details": {}}):
        shelf.write(TRANSITION, {**shelf.records[0].body, **change})
        with pytest.raises(JournalAlteredError, match="cannot be"):
            event_of(shelf.records[-1])


def test_a_transition_tells_people_the_essence():
    body = transition_body(submitted(), step(STATE, submitted())[0], judge_seq=3)
    assert (body["event"], body["phase"], body["split"], body["judge_seq"]) == (
        "Submitted",
        "pending",
        "0 % candidate",
        3,
    )


def _events(now_s):
    asked = {"now_s": now_s, "actor": "alice"}
    by_hand = (e.PauseAsked, e.ResumeAsked, e.SkipAsked, e.PromoteAsked, e.RollbackAsked, e.Rejected, e.Superseded)
    return st.one_of(
        st.sampled_from([replace(submitted(plan=plan), now_s=now_s) for plan in (PLAN, replace(PLAN, steps=()))]),
        st.just(e.GatesPassed(now_s=now_s, rollout_id="p1")),
        st.just(e.Approved(**asked, digest="digest-of-p1")),
        st.just(e.CandidateReached(now_s=now_s, rollout_id="p1")),
        st.builds(e.Confirmed, now_s=st.just(now_s), gateway=st.just("edge"), revision=st.integers(0, 6)),
        st.builds(e.Judged, now_s=st.just(now_s), verdict=st.sampled_from(Verdict), detail=st.text(max_size=5)),
        st.builds(e.TimerFired, now_s=st.just(now_s + 1e6), timer=st.sampled_from(Timer)),
        st.sampled_from([kind(**asked) for kind in by_hand]),
        st.just(e.CandidateDeclared(**asked, candidate=NEW)),
        st.builds(
            e.SplitSet, now_s=st.just(now_s), actor=st.just("alice"), split=st.builds(Split, st.integers(0, 10_000))
        ),
    )


@given(st.lists(st.integers(1, 100).flatmap(lambda second: _events(float(second))), max_size=25))
def test_replaying_every_event_gives_every_state(happened):
    shelf, state = Shelf(), STATE
    for event in happened:
        try:
            after, _ = step(state, event)
        except Refusal:
            continue
        if after != state:
            shelf.transition(after, event=event)
        state = after
    replayed = STATE
    for record in shelf.records:
        replayed, _ = step(replayed, event_of(record))
        assert replayed == state_of(record), "the journal tells another story than the one that happened"
    assert replayed == state
    if shelf.records:
        assert state_of(shelf.records[-1]) == state, "a restart would go on from another state"


@pytest.mark.parametrize("name", ["credentials", "secret", "api_key", "token"])
async def test_an_objective_may_have_the_name_of_a_secret(shelf, name):
    """A guardrail against leaks is likely to be called so, and its evidence must survive a restart."""
    checkpoint = shelf.write(EVIDENCE, checkpoint_body(GUIDED, {name: {"evidence": 1.5}}))
    shelf.look(checkpoint, {name: LOOK["error"]})
    recalled = await recall(shelf, AGENT)
    assert recalled.judge == {name: {"evidence": 1.5}}
    assert recalled.looks == ((1.0, {name: LOOK["error"]}, True),)


async def test_evidence_of_earlier_days_is_read(shelf):
    checkpoint = shelf.write(EVIDENCE, {**checkpoint_body(GUIDED, {}), "judge": JUDGE})
    shelf.write(EVIDENCE, {"blocks": {"error": [[100, 3], [900, 9]]}, "judge_seq": checkpoint})
    recalled = await recall(shelf, AGENT)
    assert (recalled.judge, recalled.looks) == (JUDGE, ((1.0, LOOK, True),))


async def test_a_transition_that_was_written_late_hides_no_newer_evidence(shelf):
    old = shelf.write(EVIDENCE, checkpoint_body(GUIDED, JUDGE))
    shelf.look(old)
    new = shelf.write(EVIDENCE, checkpoint_body(GUIDED, {"errors": 1}))
    shelf.look(new, at_s=7.0)
    shelf.transition(GUIDED, judge_seq=old)
    recalled = await recall(shelf, AGENT)
    assert (recalled.judge, recalled.judge_seq) == ({"errors": 1}, new), "a restart would not come up"
    assert [at_s for at_s, *_ in recalled.looks] == [7.0]
