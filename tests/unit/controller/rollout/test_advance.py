"""The way forward, as scripts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.port import ALL_STABLE, Split
from controller.analysis.verdict import Verdict
from controller.rollout import events as e
from controller.rollout.commands import Announce, Apply, CheckGates, DrainVersion, Probe
from controller.rollout.plan import Plan, WhenUndecided
from controller.rollout.state import Phase, Timer
from tests.unit.controller.rollout.playbook import GUARDED, NEW, NEXT, OLD, PLAN, Playbook, asked, play_to, submitted


def test_a_good_candidate_becomes_stable_step_by_step():
    play = Playbook()
    play >> submitted() << CheckGates("p1") << "pending"
    play >> e.GatesPassed(now_s=0, rollout_id="p1") << Apply(1) << Probe("p1") << "deploying"
    assert play.share_bp == 0, "a candidate got requests before every gateway knew it"
    play.reach()
    assert play.phase is Phase.DEPLOYING, "a step began before the gateways had confirmed the candidate"
    play.confirm("edge")
    (
        play
        >> e.Confirmed(now_s=0, gateway="inner", revision=1)
        << Apply(2)
        << Announce("step", "step 1 of 2: 1 % candidate")
    )
    play.confirm("edge").confirm("inner") << "confirmed"
    play.judge(Verdict.HEALTHY).wait(119)
    assert play.share_bp == 100, "a step was left before its hold was over"
    play.wait(1) << Apply(3) << "step"
    play.confirm().judge(Verdict.HEALTHY).wait(300) << Apply(4) << Announce("step", "promoting: 100 % candidate")
    play.confirm().judge(Verdict.HEALTHY).wait(600) << Apply(5) << DrainVersion(OLD, play.now_s + 60) << "promoted"
    assert (play.state.stable, play.state.candidate, play.state.previous) == (NEW, None, OLD)
    play.confirm().drained().wait(3600) << Apply(6)
    assert play.state.previous is None
    assert not play.state.timers


def test_consent_is_bound_to_what_was_proposed():
    play = Playbook() >> submitted(plan=GUARDED)
    play >> e.GatesPassed(now_s=0, rollout_id="p1") << Announce("awaiting-consent", "1.3.0: digest-of-p1")
    for digest in ("", "digest-of-p0"):
        refusal = play.refuses(asked(e.Approved, "rita", digest=digest))
        assert "digest-of-p1" in refusal.message, "a reviewer is not told which proposal they failed to consent to"
    play >> asked(e.Approved, "rita", digest="digest-of-p1") << Apply << Probe << "deploying"


def test_nobody_consents_in_time():
    play = play_to(Phase.AWAITING_CONSENT).wait(1800) << "expired"
    assert play.phase is Phase.EXPIRED
    assert not play.state.timers


def test_gates_that_never_answer_do_not_block_the_agent():
    play = Playbook() >> submitted()
    play.wait(600) << Announce("expired", "the gates did not answer in time")
    _ = play >> submitted(NEXT, name="p2") << CheckGates("p2") << "pending"


@pytest.mark.parametrize(
    "answer",
    [e.GatesPassed(now_s=0, rollout_id="p1"), e.GatesRefused(now_s=0, rollout_id="p1", detail="frozen")],
)
def test_a_late_answer_of_the_gates_does_not_decide_about_the_next_proposal(answer):
    play = Playbook() >> submitted() >> asked(e.Superseded) >> submitted(NEXT, name="p2")
    play.ignores(answer)


def test_a_late_probe_does_not_speak_for_the_next_candidate():
    play = play_to(Phase.DEPLOYING, PLAN) >> asked(e.RollbackAsked)
    play.confirm() >> submitted(NEXT, name="p2") >> e.GatesPassed(now_s=0, rollout_id="p2")
    assert play.phase is Phase.DEPLOYING
    play.ignores(e.CandidateReached(now_s=0, rollout_id="p1"))


def test_an_endpoint_that_never_answers_ends_the_rollout():
    play = play_to(Phase.DEPLOYING).confirm().wait(600)
    assert play.phase is Phase.ROLLING_BACK
    assert play.rollout.reason == "the candidate's endpoints did not answer in time"


def test_a_gateway_that_never_confirms_is_named_when_the_rollout_goes_back():
    play = play_to(Phase.DEPLOYING).reach().confirm()
    play.confirm("edge").wait(600)
    assert play.rollout.reason == "not confirmed in time by inner"


def test_a_verdict_of_the_step_before_does_not_end_this_one():
    play = play_to(Phase.HEALTH_CHECK, PLAN).judge(Verdict.HEALTHY).wait(120).confirm()
    assert play.state.verdict is Verdict.NO_DATA
    assert play.timers[Timer.NO_DATA] == 60
    play.wait(60)
    assert play.phase is Phase.ROLLING_BACK, "metrics died after the first step, and the candidate got everything"


def test_no_data_goes_back_unless_data_comes_in_time():
    play = play_to(Phase.HEALTH_CHECK, PLAN).wait(59).judge(Verdict.UNDECIDED)
    assert Timer.NO_DATA not in play.timers
    play.wait(10).judge(Verdict.NO_DATA)
    assert play.timers[Timer.NO_DATA] == 60
    play.wait(60)
    assert play.phase is Phase.ROLLING_BACK
    assert "absent is not healthy" in play.rollout.reason


def test_without_objectives_time_alone_decides():
    play = play_to(Phase.HEALTH_CHECK, replace(PLAN, watched=False))
    assert set(play.timers) == {Timer.HOLD, Timer.PROGRESS}
    play.judge(Verdict.NO_DATA).wait(120).confirm().wait(300).confirm().wait(600)
    assert play.phase is Phase.PROMOTED


@pytest.mark.parametrize(
    ("undecided", "share_bp", "phase"),
    [
        (WhenUndecided.HOLD, 100, Phase.HEALTH_CHECK),
        (WhenUndecided.ASK, 100, Phase.HEALTH_CHECK),
        (WhenUndecided.ADVANCE, 1000, Phase.HEALTH_CHECK),
    ],
)
def test_an_undecided_step_does_what_the_operator_chose(undecided, share_bp, phase):
    play = play_to(Phase.HEALTH_CHECK, replace(PLAN, undecided=undecided)).judge(Verdict.UNDECIDED).wait(120)
    assert (play.share_bp, play.phase) == (share_bp, phase)
    assert (Timer.APPROVAL in play.timers) == (undecided is WhenUndecided.ASK)


def test_an_undecided_step_does_not_stay_for_ever():
    play = play_to(Phase.HEALTH_CHECK, PLAN).judge(Verdict.UNDECIDED).wait(120 + 600)
    assert play.phase is Phase.ROLLING_BACK
    assert play.rollout.reason == "the evidence was undecided for too long"


def test_evidence_that_comes_after_the_hold_ends_the_step():
    play = play_to(Phase.HEALTH_CHECK, PLAN).judge(Verdict.UNDECIDED).wait(150)
    play.judge(Verdict.HEALTHY) << Apply << "step"


def test_a_step_waits_for_its_approval_once_and_not_for_ever():
    play = play_to(Phase.HEALTH_CHECK).judge(Verdict.HEALTHY).wait(120).confirm()
    assert play.share_bp == 1000
    play.judge(Verdict.HEALTHY).wait(300) << Announce("approval-wanted", "at 10 % candidate, within 1800 s")
    play.judge(Verdict.UNDECIDED).judge(Verdict.HEALTHY)
    assert play.timers == {Timer.APPROVAL: 1800}, "asking twice gives twice the time"
    play.wait(1800)
    assert play.rollout.reason == "nobody approved the step in time"


def test_a_shared_outage_pauses_and_blames_nobody():
    play = play_to(Phase.HEALTH_CHECK, PLAN).judge(Verdict.HEALTHY).wait(60)
    play.judge(Verdict.COMMON_CAUSE, "errors") << "paused"
    assert play.share_bp == 100
    play.wait(599).judge(Verdict.HEALTHY) << "resumed" << "confirmed"
    assert play.timers[Timer.HOLD] == 120, "a hold that an outage interrupted counts from the start"


def test_a_shared_outage_without_end_does_not_hold_a_candidate_in_traffic_for_ever():
    play = play_to(Phase.HEALTH_CHECK, PLAN).judge(Verdict.COMMON_CAUSE).wait(600)
    assert play.phase is Phase.ROLLING_BACK
    assert "not blamed" in play.rollout.reason


def test_a_breach_during_a_shared_outage_still_goes_back():
    play = play_to(Phase.HEALTH_CHECK, PLAN).judge(Verdict.COMMON_CAUSE)
    play.judge(Verdict.BREACH, "unsafe") << Apply << DrainVersion << Announce("rolling-back", "breach: unsafe")


def test_blue_green_has_no_steps():
    play = play_to(Phase.DEPLOYING, Plan(bake_s=10)).reach().confirm() << Apply << "step"
    assert (play.phase, play.share_bp) == (Phase.PROMOTING, 10_000)
    play.confirm().judge(Verdict.HEALTHY).wait(10)
    assert play.phase is Phase.PROMOTED


def test_an_undecided_promotion_can_be_approved():
    plan = Plan(bake_s=10, undecided=WhenUndecided.ASK)
    play = play_to(Phase.DEPLOYING, plan).reach().confirm().confirm().judge(Verdict.UNDECIDED)
    play.wait(10) << "approval-wanted"
    (
        play
        >> asked(e.Approved, "rita")
        << Announce("approved", "rita approved the promotion")
        << Apply
        << DrainVersion
        << "promoted"
    )


def test_a_proposal_waits_for_hand_made_traffic_and_is_not_the_stable_version():
    play = Playbook() >> asked(e.CandidateDeclared, candidate=NEXT) >> asked(e.SplitSet, split=Split(500))
    assert "5 % candidate" in play.refuses(submitted()).message
    play >> asked(e.SplitSet, split=ALL_STABLE)
    assert "stable version already" in play.refuses(submitted(OLD)).message
    _ = play >> submitted() << CheckGates << "pending"


def test_a_rejected_proposal_leaves_the_declared_candidate_alone():
    play = Playbook() >> asked(e.CandidateDeclared, candidate=NEXT) >> submitted() >> asked(e.Rejected, "rita")
    assert (play.phase, play.state.candidate) == (Phase.REJECTED, NEXT), "the gateways have it, the state forgot it"


def test_a_version_that_drains_is_not_cut_when_it_is_proposed_again():
    play = Playbook() >> asked(e.CandidateDeclared, candidate=NEW) >> asked(e.SplitSet, split=Split(500))
    play.confirm() >> asked(e.SplitSet, split=ALL_STABLE)
    late = e.Drained(now_s=0, version_name=NEW.name, deadline_at_s=play.now_s + 60, cut=0)
    play.confirm() >> submitted(plan=PLAN) >> e.GatesPassed(now_s=0, rollout_id="p1")
    play.reach().confirm()
    assert play.share_bp == 100
    assert not play.state.drains, "streams of a version with traffic are cut at the old drain's deadline"
    play.ignores(late)
