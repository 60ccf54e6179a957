"""The way back, as scripts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.port import ALL_STABLE, Split
from controller.analysis.verdict import Verdict
from controller.rollout import events as e
from controller.rollout.commands import Announce, Apply, CheckGates, DrainVersion
from controller.rollout.state import SERVING, UNSERVED, Phase, Timer
from tests.unit.controller.rollout.playbook import NEW, NEXT, OLD, PLAN, Playbook, asked, play_to, settings, submitted


def test_a_breach_takes_everything_back_at_once():
    play = play_to(Phase.HEALTH_CHECK)
    play.judge(Verdict.BREACH, "errors") << Apply(play.state.revision) << DrainVersion(NEW, play.now_s + 60)
    play << Announce("rolling-back", "breach: errors")
    assert play.state.split == ALL_STABLE
    assert not play.state.timers, "a rollback waits for nothing but its gateways and its drain"
    play.confirm()
    assert play.phase is Phase.ROLLING_BACK, "said to be rolled back with requests still in flight"
    play.drained() << "drained" << Apply << Announce("rolled-back", "breach: errors")
    assert play.state.candidate is None


def test_a_rollback_is_over_only_when_every_gateway_has_confirmed_it():
    play = play_to(Phase.ROLLING_BACK).confirm("edge").drained()
    assert play.phase is Phase.ROLLING_BACK
    play.confirm("inner")
    assert play.phase is Phase.ROLLED_BACK


def test_it_is_said_once_when_the_last_gateway_has_confirmed_the_way_back():
    play = play_to(Phase.ROLLING_BACK).confirm("edge")
    last = e.Confirmed(now_s=play.now_s, gateway="inner", revision=play.state.revision)
    play >> last
    play << Announce("confirmed", "every gateway follows 0 % candidate")
    play.ignores(last)


def test_a_gateway_that_is_gone_for_good_can_be_taken_out_of_a_rollback():
    play = play_to(Phase.ROLLING_BACK).confirm("edge").drained() >> settings(OLD, "edge")
    play.confirm()
    assert play.phase is Phase.ROLLED_BACK


def test_a_stale_confirmation_of_the_step_does_not_confirm_the_rollback():
    play = play_to(Phase.HEALTH_CHECK)
    stale = e.Confirmed(now_s=0, gateway="edge", revision=play.state.revision)
    play.judge(Verdict.BREACH)
    play.ignores(stale)


@pytest.mark.parametrize("phase", sorted(SERVING))
def test_an_operator_can_go_back_wherever_there_is_traffic_even_without_having_seen_the_last_change(phase):
    play = play_to(phase) >> asked(e.RollbackAsked, reason="bad answers", seen=0)
    assert (play.phase, play.state.split) == (Phase.ROLLING_BACK, ALL_STABLE)
    assert play.rollout.reason == "alice rolled it back: bad answers"


@pytest.mark.parametrize("phase", sorted(SERVING))
def test_a_reviewer_who_is_asked_can_say_no(phase):
    play = play_to(phase) >> asked(e.Rejected, "rita", reason="rude answers")
    assert play.rollout.reason == "rita rejected it: rude answers"
    assert play.phase is Phase.ROLLING_BACK


@pytest.mark.parametrize("phase", sorted(SERVING))
def test_a_gateway_that_refuses_a_step_takes_the_rollout_back(phase):
    play = play_to(phase)
    play.ignores(e.Refused(now_s=0, gateway="edge", revision=play.state.revision - 1, detail="stale"))
    play >> e.Refused(now_s=0, gateway="edge", revision=play.state.revision, detail="no such cluster")
    assert play.rollout.reason == "edge refused the configuration: no such cluster"
    assert play.phase is Phase.ROLLING_BACK


def test_a_refusal_of_the_way_back_is_shouted_and_changes_nothing():
    play = play_to(Phase.ROLLING_BACK)
    before = play.state
    play.ignores(e.Refused(now_s=0, gateway="edge", revision=before.revision - 1, detail="stale"))
    play >> e.Refused(now_s=0, gateway="edge", revision=before.revision, detail="busy") << "refused"
    assert play.state == before


def test_a_candidate_that_never_had_traffic_has_nothing_to_drain():
    play = play_to(Phase.DEPLOYING) >> asked(e.RollbackAsked)
    play << Apply << "rolling-back"
    play.confirm()
    assert play.phase is Phase.ROLLED_BACK, "a whole drain deadline is waited for requests that cannot exist"


# --- after promotion --------------------------------------------------------------------------------------------------


def returned(play: Playbook) -> bool:
    return (play.state.stable, play.state.previous, Timer.KEEP in play.state.timers) == (OLD, None, False)


def test_a_breach_after_promotion_returns_at_once():
    play = play_to(Phase.PROMOTED).judge(Verdict.BREACH, "errors") << Apply << DrainVersion << "rolling-back"
    assert returned(play)
    assert [drain.version for drain in play.state.drains] == [NEW], "the version that serves again would be cut"
    play.confirm().drained()
    assert play.phase is Phase.ROLLED_BACK


def test_an_operator_can_return_while_the_old_version_is_kept():
    play = play_to(Phase.PROMOTED) >> asked(e.RollbackAsked, seen=0)
    assert returned(play)
    kept = play_to(Phase.PROMOTED).wait(3600)
    assert "nothing to roll back" in kept.refuses(asked(e.RollbackAsked)).message


@pytest.mark.parametrize("by", ["operator", "breach"])
@pytest.mark.parametrize("waiting", sorted(UNSERVED))
def test_a_waiting_proposal_does_not_take_the_way_back_away(waiting, by):
    play = play_to(Phase.PROMOTED, PLAN) >> submitted(NEXT, replace(PLAN, consent=True), name="p2")
    if waiting is Phase.AWAITING_CONSENT:
        play >> e.GatesPassed(now_s=0, rollout_id="p2")
    assert play.phase is waiting
    _ = play >> asked(e.RollbackAsked) if by == "operator" else play.judge(Verdict.BREACH)
    assert returned(play), "the promoted version is bad, and nobody can return to the one that is kept ready"
    assert (play.phase, play.rollout.id) == (Phase.SUPERSEDED, "p2"), "a rollout begins by itself after a rollback"
    play.ignores(e.GatesPassed(now_s=0, rollout_id="p2"))


@pytest.mark.parametrize("by", ["operator", "breach"])
def test_a_rejected_or_declared_candidate_does_not_take_the_way_back_away(by):
    for play in (
        play_to(Phase.PROMOTED, PLAN) >> submitted(NEXT, name="p2") >> asked(e.Rejected),
        play_to(Phase.PROMOTED, PLAN) >> asked(e.CandidateDeclared, candidate=NEXT),
        play_to(Phase.PROMOTED, PLAN) >> asked(e.CandidateDeclared, candidate=OLD),
    ):
        phase = play.phase
        _ = play >> asked(e.RollbackAsked) if by == "operator" else play.judge(Verdict.BREACH)
        play << Apply << DrainVersion << "returned"
        assert returned(play)
        assert play.phase is phase
        assert play.state.candidate != OLD, "one version on both tracks"


def test_the_next_candidate_ends_the_instant_return():
    play = play_to(Phase.PROMOTED, PLAN) >> submitted(NEXT, PLAN, name="p2") >> e.GatesPassed(now_s=0, rollout_id="p2")
    assert play.state.previous is None
    assert set(play.timers) == {Timer.PROGRESS}


def test_an_instant_return_goes_to_where_the_old_version_is_now():
    moved = replace(OLD, endpoints=("10.0.0.99:3000",))
    play = play_to(Phase.PROMOTED) >> settings(moved)
    play << Apply
    play.judge(Verdict.BREACH)
    assert play.state.stable == moved, "everything returns to endpoints that are gone"


# --- by hand ----------------------------------------------------------------------------------------------------------


def by_hand(share_bp: int = 500) -> Playbook:
    play = Playbook() >> asked(e.CandidateDeclared, candidate=NEW) >> asked(e.SplitSet, split=Split(share_bp))
    return play.confirm()


def test_a_split_by_hand_is_watched_and_taken_back():
    play = by_hand().judge(Verdict.UNDECIDED).judge(Verdict.BREACH, "errors")
    play << Apply << DrainVersion << Announce("rolled-back", "breach: errors")
    assert (play.state.split, play.state.candidate, play.phase) == (ALL_STABLE, NEW, Phase.IDLE)
    play >> asked(e.SplitSet, split=Split(100))
    assert play.state.verdict is Verdict.NO_DATA, "the next try is judged by the last one's breach"


def test_two_operators_who_roll_back_a_split_by_hand_do_not_undo_a_promotion_as_well():
    play = play_to(Phase.PROMOTED) >> asked(e.CandidateDeclared, candidate=NEXT) >> asked(e.SplitSet, split=Split(500))
    seen = play.state.changes
    play >> asked(e.RollbackAsked, seen=seen)
    assert "alice: roll back" in play.refuses(asked(e.RollbackAsked, "bob", seen=seen)).message
    assert play.state.stable == NEW


def test_a_rollback_of_nothing_is_refused():
    assert "nothing to roll back" in Playbook().refuses(asked(e.RollbackAsked)).message


# --- drains -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cut", "text"),
    [
        (0, "1.3.0: nothing is in flight any more"),
        (3, "1.3.0: the deadline passed with 3 still in flight"),
        (None, "1.3.0: the deadline passed; no gateway can say what was still in flight"),
    ],
)
def test_a_drain_says_what_it_came_to(cut, text):
    play = play_to(Phase.ROLLING_BACK).drained(cut)
    play << Announce("drained", text)


def test_the_answer_of_an_older_drain_does_not_end_a_newer_one():
    play = by_hand() >> asked(e.SplitSet, split=ALL_STABLE)
    stale = e.Drained(now_s=0, version_name=NEW.name, deadline_at_s=play.state.drains[0].deadline_at_s, cut=0)
    play.wait(5) >> asked(e.SplitSet, split=Split(500)) >> asked(e.SplitSet, split=ALL_STABLE)
    play.ignores(stale)


def test_a_new_proposal_after_a_rollback_begins_afresh():
    play = play_to(Phase.ROLLED_BACK) >> submitted(NEXT, PLAN, name="p2") << CheckGates("p2") << "pending"
    play >> e.GatesPassed(now_s=0, rollout_id="p2")
    assert (play.state.verdict, play.state.reachable) == (Verdict.NO_DATA, False)
