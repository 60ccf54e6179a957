"""What operators and their files change, as scripts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.port import ALL_STABLE, Split
from controller.analysis.verdict import Verdict
from controller.rollout import events as e
from controller.rollout.commands import Apply, DrainVersion
from controller.rollout.plan import WhenUndecided
from controller.rollout.state import Phase, Timer
from tests.unit.controller.rollout.playbook import (
    BEGAN_S,
    GUARDED,
    NEW,
    NEXT,
    OLD,
    PLAN,
    Playbook,
    asked,
    play_to,
    settings,
    submitted,
)

MOVED = replace(OLD, endpoints=("10.0.0.99:3000",))


# --- pause and resume -------------------------------------------------------------------------------------------------


def test_an_operators_pause_has_no_clock_and_the_hold_begins_again():
    play = play_to(Phase.HEALTH_CHECK, PLAN).judge(Verdict.HEALTHY).wait(100)
    play >> asked(e.PauseAsked, reason="lunch") << "paused"
    assert not play.state.timers
    play.wait(10_000)
    assert play.phase is Phase.PAUSED
    play >> asked(e.ResumeAsked) << "resumed" << "confirmed"
    assert play.timers == {Timer.HOLD: 120, Timer.PROGRESS: 720}


def test_a_bake_can_be_paused_and_begins_again():
    play = play_to(Phase.PROMOTING, PLAN).confirm().judge(Verdict.HEALTHY).wait(PLAN.bake_s - 1)
    play >> asked(e.PauseAsked, reason="something looks odd") << "paused"
    play.wait(10_000)
    assert (play.phase, play.share_bp) == (Phase.PAUSED, 10_000)
    play >> asked(e.ResumeAsked) << "resumed" << "confirmed"
    assert play.phase is Phase.PROMOTING
    play.wait(PLAN.bake_s - 1)
    assert play.phase is Phase.PROMOTING, "a candidate became stable without its bake"
    play.wait(1)
    assert play.phase is Phase.PROMOTED


def test_a_bake_that_was_over_when_it_was_paused_ends_when_it_is_resumed():
    play = play_to(Phase.PROMOTING, PLAN).confirm().judge(Verdict.UNDECIDED).wait(PLAN.bake_s)
    play >> asked(e.PauseAsked)
    play.judge(Verdict.HEALTHY)
    assert play.phase is Phase.PAUSED
    play >> asked(e.ResumeAsked)
    assert play.phase is Phase.PROMOTED


def test_a_breach_in_a_paused_bake_goes_back():
    play = play_to(Phase.PROMOTING, PLAN).confirm()
    play >> asked(e.PauseAsked)
    play.judge(Verdict.BREACH, "errors")
    assert (play.phase, play.share_bp) == (Phase.ROLLING_BACK, 0)


def test_a_hold_that_was_over_is_not_held_again():
    play = play_to(Phase.HEALTH_CHECK, PLAN).judge(Verdict.UNDECIDED).wait(130) >> asked(e.PauseAsked)
    play.judge(Verdict.HEALTHY) >> asked(e.ResumeAsked) << "resumed" << Apply << "step"
    assert play.share_bp == 1000


def test_a_pause_while_gateways_lag_resumes_to_waiting_for_them():
    play = play_to(Phase.DEPLOYING, PLAN).reach().confirm().confirm("edge") >> asked(e.PauseAsked)
    play >> asked(e.ResumeAsked) << "resumed"
    assert set(play.timers) == {Timer.PROGRESS}
    play.confirm("inner") << "confirmed"


def test_pausing_twice_is_refused_with_who_did_it():
    refusal = play_to(Phase.PAUSED).refuses(asked(e.PauseAsked, "bob"))
    assert "alice" in refusal.message


def test_an_operators_pause_outlives_a_shared_outage():
    play = play_to(Phase.HEALTH_CHECK, PLAN).judge(Verdict.COMMON_CAUSE) >> asked(e.PauseAsked)
    play.judge(Verdict.HEALTHY)
    assert play.phase is Phase.PAUSED
    play >> asked(e.ResumeAsked)
    assert play.phase is Phase.HEALTH_CHECK


def test_resuming_into_a_shared_outage_waits_for_its_end():
    play = play_to(Phase.PAUSED, PLAN).judge(Verdict.COMMON_CAUSE) >> asked(e.ResumeAsked)
    assert (play.phase, play.rollout.paused_by) == (Phase.PAUSED, "common-cause")
    assert "by itself" in play.refuses(asked(e.ResumeAsked)).remedy
    play.judge(Verdict.UNDECIDED)
    assert play.phase is Phase.HEALTH_CHECK, "the candidate is rolled back for an outage that both versions shared"


def test_missing_data_goes_back_also_while_paused():
    play = play_to(Phase.PAUSED, PLAN).judge(Verdict.NO_DATA).wait(60)
    assert play.phase is Phase.ROLLING_BACK


# --- approve, skip, promote -------------------------------------------------------------------------------------------


def at_the_approval(verdict: Verdict = Verdict.HEALTHY) -> Playbook:
    """A step whose hold is over and that asks for a person."""
    play = play_to(Phase.HEALTH_CHECK).judge(Verdict.HEALTHY).wait(120).confirm()
    return play.judge(verdict).wait(300)


def test_an_approval_ends_the_step_that_waited_for_it():
    play = at_the_approval() >> asked(e.Approved, "rita") << "approved" << Apply << "step"
    assert play.phase is Phase.PROMOTING


def test_an_approval_ahead_of_the_hold_does_not_shorten_it():
    play = play_to(Phase.HEALTH_CHECK).judge(Verdict.HEALTHY).wait(120).confirm() >> asked(e.Approved, "rita")
    assert play.timers[Timer.HOLD] == 300
    assert "approved already" in play.refuses(asked(e.Approved, "ron")).message
    play.judge(Verdict.HEALTHY).wait(300)
    assert play.phase is Phase.PROMOTING


def test_an_approved_step_is_not_rolled_back_for_want_of_an_approval():
    play = at_the_approval(Verdict.UNDECIDED).wait(1700) >> asked(e.Approved, "rita") << "approved"
    assert play.timers == {Timer.PROGRESS: 600}, "rita approved in time, and it goes back because nobody did"
    play.judge(Verdict.HEALTHY) << Apply << "step"


def test_an_approval_of_another_proposal_does_not_count():
    refusal = at_the_approval().refuses(asked(e.Approved, "rita", digest="digest-of-p0"))
    assert "digest-of-p1" in refusal.message


def test_nobody_skips_or_promotes_past_an_approval():
    play = play_to(Phase.HEALTH_CHECK)
    assert "step 2 asks for an approval" in play.refuses(asked(e.PromoteAsked)).message
    play >> asked(e.SkipAsked) << Apply << "step"
    play.confirm()
    for event in (e.SkipAsked, e.PromoteAsked):
        assert "Approve it first" in play.refuses(asked(event)).remedy
    play >> asked(e.Approved, "rita") >> asked(e.SkipAsked)
    assert play.phase is Phase.PROMOTING


def test_nobody_skips_an_approval_that_the_evidence_asked_for():
    play = play_to(Phase.HEALTH_CHECK, replace(PLAN, undecided=WhenUndecided.ASK)).judge(Verdict.UNDECIDED).wait(120)
    assert "asks for an approval" in play.refuses(asked(e.SkipAsked)).message


@pytest.mark.parametrize("event", [e.SkipAsked, e.PromoteAsked])
def test_nobody_leaves_a_step_that_a_gateway_has_not_confirmed(event):
    play = play_to(Phase.DEPLOYING, PLAN).reach().confirm().confirm("edge")
    assert "not confirmed yet by inner" in play.refuses(asked(event)).message


@pytest.mark.parametrize("phase", [Phase.HEALTH_CHECK, Phase.PAUSED])
def test_an_operator_promotes_without_the_remaining_steps_but_not_without_a_bake(phase):
    play = play_to(phase, PLAN) >> asked(e.PromoteAsked) << Apply << "step"
    assert play.phase is Phase.PROMOTING
    assert "not confirmed yet" in play.refuses(asked(e.PromoteAsked)).message
    play.confirm() >> asked(e.PromoteAsked) << Apply << DrainVersion << "promoted"


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_an_operator_brings_a_candidate_up_by_hand():
    play = Playbook()
    assert "no candidate" in play.refuses(asked(e.SplitSet, split=Split(100))).message
    play.ignores(asked(e.SplitSet, split=ALL_STABLE))
    play >> asked(e.CandidateDeclared, candidate=NEW) << Apply(1) << "candidate"
    play.ignores(asked(e.CandidateDeclared, candidate=NEW))
    play >> asked(e.SplitSet, split=Split(10_000)) << Apply(2) << "split"
    play.ignores(asked(e.SplitSet, split=Split(10_000)))
    assert "no candidate at a confirmed 100 %" in play.refuses(asked(e.PromoteAsked)).message
    play.confirm() >> asked(e.PromoteAsked) << Apply(3) << DrainVersion(OLD, play.now_s + 60) << "stable"
    assert (play.state.stable, play.state.candidate, play.state.split) == (NEW, None, ALL_STABLE)


def test_down_to_nothing_drains():
    play = Playbook() >> asked(e.CandidateDeclared, candidate=NEW) >> asked(e.SplitSet, split=Split(500))
    play >> asked(e.SplitSet, split=ALL_STABLE) << Apply << DrainVersion << "rolled-back"
    play >> asked(e.SplitSet, split=Split(500))
    assert not play.state.drains


def test_a_candidate_with_traffic_may_move_but_not_be_exchanged():
    play = Playbook() >> asked(e.CandidateDeclared, candidate=NEW) >> asked(e.SplitSet, split=Split(500))
    for other in (NEXT, None):
        assert "has traffic" in play.refuses(asked(e.CandidateDeclared, candidate=other)).message
    play >> asked(e.CandidateDeclared, candidate=replace(NEW, endpoints=("10.0.0.22:3000",))) << Apply << "candidate"
    assert play.share_bp == 500
    assert "stable version" in Playbook().refuses(asked(e.CandidateDeclared, candidate=OLD)).message


def test_a_version_without_traffic_can_be_drained_before_its_instances_stop():
    play = play_to(Phase.PROMOTED)
    play >> asked(e.DrainAsked, version_name=OLD.name, deadline_s=5) << DrainVersion(OLD, play.now_s + 5)
    assert len(play.state.drains) == 1
    assert "still has traffic" in play.refuses(asked(e.DrainAsked, version_name=NEW.name, deadline_s=5)).message
    unknown = play.refuses(asked(e.DrainAsked, version_name="9.9.9", deadline_s=5))
    assert "there is 1.3.0, 1.2.3" in unknown.message


# --- settings ---------------------------------------------------------------------------------------------------------


def test_a_gateway_that_joins_in_the_middle_of_a_step_is_waited_for():
    play = play_to(Phase.HEALTH_CHECK, PLAN).judge(Verdict.HEALTHY).wait(60)
    play >> settings(OLD, "edge", "inner", "third") << Apply
    play.confirm("edge", "inner").wait(60)
    assert play.share_bp == 100, "the next step began with a gateway that does not follow this one"
    play.confirm("third") << Apply << "step"


def test_the_last_confirmation_may_be_what_a_promotion_waits_for():
    play = play_to(Phase.HEALTH_CHECK, replace(PLAN, steps=PLAN.steps[:1])).judge(Verdict.HEALTHY)
    play >> settings(MOVED)
    play.wait(120).confirm() << Apply << "step"
    assert play.phase is Phase.PROMOTING
    play.confirm().judge(Verdict.HEALTHY) >> settings(OLD)
    play.wait(600).confirm("edge")
    assert play.phase is Phase.PROMOTING
    play.confirm("inner") << Apply << DrainVersion << "promoted"


def test_a_gateway_that_leaves_in_the_middle_of_a_step_is_not_waited_for():
    play = play_to(Phase.DEPLOYING, PLAN).reach().confirm().confirm("edge") >> settings(OLD, "edge")
    play.confirm("edge") << "confirmed"


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.PROMOTED])
def test_stable_endpoints_may_move_at_any_time(phase):
    play = play_to(phase)
    split, went = play.state.split, play.phase
    play >> settings(MOVED) << Apply
    assert (play.state.stable, play.state.split, play.phase) == (MOVED, split, went)
    play.ignores(settings(MOVED))


def test_another_stable_version_replaces_the_old_one_at_rest():
    play = Playbook() >> settings(NEXT) << Apply << DrainVersion(OLD, BEGAN_S + 60) << "stable"
    assert (play.state.stable, play.phase) == (NEXT, Phase.IDLE)
    play >> settings(OLD)
    assert [drain.version for drain in play.state.drains] == [NEXT], "a git revert cuts the version that serves again"


def test_a_version_that_the_files_put_in_place_can_be_taken_back():
    play = Playbook() >> settings(NEXT) >> asked(e.RollbackAsked)
    assert play.state.stable == OLD, "a bad line in a file had everything, and there was no way back"
    play.ignores(settings(NEXT))


def test_a_version_that_the_files_put_in_place_is_watched():
    play = Playbook() >> settings(NEXT)
    play.judge(Verdict.BREACH, "errors")
    assert play.state.stable == OLD, "a bad line in a file had everything, and nobody went back at 3 a.m."


def test_the_version_before_is_not_kept_for_ever():
    play = (Playbook() >> settings(NEXT)).wait(600)
    assert play.state.previous is None
    play.refuses(asked(e.RollbackAsked))


def test_another_stable_version_waits_while_a_candidate_is_under_way():
    play = play_to(Phase.HEALTH_CHECK)
    play.ignores(settings(NEXT))
    play.judge(Verdict.BREACH)
    play.confirm().drained() >> settings(NEXT)
    assert play.state.stable == NEXT


def test_a_version_that_was_just_rolled_back_does_not_become_stable_because_the_files_name_it():
    play = play_to(Phase.HEALTH_CHECK) >> settings(NEW)
    play.judge(Verdict.BREACH)
    play.confirm().drained() >> settings(NEW)
    assert play.state.stable == OLD, "the files were ahead of the rollout, and the bad version got everything"


def test_files_that_name_the_promoted_version_only_move_its_endpoints():
    moved = replace(NEW, endpoints=("10.0.0.77:3000",))
    play = play_to(Phase.PROMOTED) >> settings(moved) << Apply
    assert (play.phase, play.state.stable, play.state.previous) == (Phase.PROMOTED, moved, OLD)


def test_a_candidate_in_the_files_is_declared_at_rest():
    play = Playbook() >> settings(candidate=NEW) << Apply
    assert (play.state.candidate, play.share_bp) == (NEW, 0)
    play.ignores(settings(candidate=NEW))
    play >> asked(e.SplitSet, split=Split(500))
    play.ignores(settings(candidate=NEXT))
    play >> asked(e.RollbackAsked) >> settings(candidate=NEXT)
    assert play.state.candidate == NEXT


def test_a_gateway_that_leaves_is_remembered_until_it_has_forgotten():
    play = play_to(Phase.HEALTH_CHECK, PLAN)
    play >> settings(OLD, "edge")
    assert play.state.leaving == {"inner"}, "after a restart nobody would take the candidate's share back there"
    play >> settings(OLD, "edge", "spare")
    play >> settings(OLD, "edge")
    assert play.state.leaving == {"inner", "spare"}
    play >> e.Left(now_s=0, gateway="inner")
    assert play.state.leaving == {"spare"}
    play >> settings(OLD, "edge", "spare")
    assert play.state.leaving == frozenset(), "a gateway that carries the agent again would be told to forget it"


def test_a_deadline_alone_is_not_told_to_the_gateways():
    play = Playbook() >> settings(drain_deadline_s=5)
    assert (play.said, play.state.drain_deadline_s) == ((), 5)


def test_guarded_plans_still_reach_the_end():
    play = play_to(Phase.PROMOTED, GUARDED) >> submitted(NEXT, name="p2")
    assert play.phase is Phase.PENDING
