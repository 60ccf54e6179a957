"""A gateway that holds something else than it had confirmed: a restart is nobody's, a hand is answered."""

from __future__ import annotations

import pytest

from adapters.port import Split
from controller.analysis.verdict import Verdict
from controller.rollout import events as e
from controller.rollout.commands import Apply, DrainVersion
from controller.rollout.plan import OnDrift
from controller.rollout.state import Phase, Timer
from tests.unit.controller.rollout.playbook import PLAN, Playbook, asked, play_to


def drifted(play, *, by_hand=True, answer=OnDrift.ASK, gateway="edge", revision=None):
    revision = play.state.revision if revision is None else revision
    return e.Drifted(now_s=0, gateway=gateway, revision=revision, by_hand=by_hand, answer=answer, detail="weight 50")


def in_a_step():
    return play_to(Phase.HEALTH_CHECK, PLAN)


def test_a_restart_is_told_anew_and_moves_nothing():
    play = in_a_step()
    play >> drifted(play, by_hand=False) << "reset"
    assert play.phase is Phase.HEALTH_CHECK
    assert play.state.confirmed == {"inner"}, "a gateway that has forgotten its split is said to follow it"
    play.judge(Verdict.HEALTHY).wait(120)
    assert play.rollout.step == 0, "a step was left while a gateway did not follow it"
    play.confirm("edge")
    assert play.rollout.step == 1


def test_a_hand_in_a_step_pauses_and_asks():
    play = in_a_step()
    play >> drifted(play) << "drifted" << "paused"
    assert (play.phase, play.rollout.paused_by) == (Phase.PAUSED, "drift")
    assert play.rollout.reason == "somebody changed edge by hand (weight 50)"
    assert Timer.PROGRESS not in play.state.timers, "a person who is asked is not waited for"
    assert Timer.APPROVAL in play.state.timers
    play.ignores(drifted(play))


def test_a_hand_in_the_bake_pauses_and_asks_and_the_bake_begins_again():
    """Whoever took everything off a candidate by hand, in an emergency, must not be overruled within seconds."""
    play = play_to(Phase.PROMOTING, PLAN).confirm()
    play >> drifted(play) << "drifted" << "paused"
    assert (play.phase, play.share_bp) == (Phase.PAUSED, 10_000)
    play.judge(Verdict.HEALTHY).wait(PLAN.bake_s)
    assert play.phase is Phase.PAUSED, "a candidate became stable while somebody had taken its traffic away"
    play >> asked(e.ResumeAsked) << Apply << "resumed"
    assert play.phase is Phase.PROMOTING
    play.confirm().judge(Verdict.HEALTHY).wait(PLAN.bake_s)
    assert play.phase is Phase.PROMOTED


def test_who_resumes_takes_over():
    play = in_a_step()
    play >> drifted(play)
    before = play.state.revision
    play >> asked(e.ResumeAsked) << Apply(before + 1) << "resumed"
    play.confirm()
    assert play.phase is Phase.HEALTH_CHECK
    assert Timer.HOLD in play.state.timers
    assert Timer.APPROVAL not in play.state.timers, "who has answered is asked again"


def test_nobody_who_answers_means_no():
    play = in_a_step()
    play >> drifted(play)
    play.judge(Verdict.HEALTHY).wait(PLAN.approval_timeout_s)
    assert play.phase is Phase.ROLLING_BACK, "at 3 a.m. the rollout would stand half-way for ever"
    assert play.rollout.reason == "somebody changed edge by hand (weight 50), and nobody said whether that is to stand"


def test_who_rolls_back_need_not_answer():
    play = in_a_step()
    play >> drifted(play)
    play >> asked(e.RollbackAsked) << Apply << DrainVersion << "rolling-back"


def test_a_breach_does_not_wait_for_the_answer():
    play = in_a_step()
    play >> drifted(play)
    play.judge(Verdict.BREACH, "errors")
    assert play.phase is Phase.ROLLING_BACK


def test_a_question_is_not_forgotten_over_an_outage():
    play = in_a_step()
    play >> drifted(play)
    play.judge(Verdict.COMMON_CAUSE).judge(Verdict.HEALTHY)
    assert play.phase is Phase.PAUSED, "what somebody did by hand was taken over with nobody asked"
    assert "paused already" in play.refuses(asked(e.PauseAsked)).message
    play.judge(Verdict.COMMON_CAUSE) >> asked(e.ResumeAsked) << Apply << "paused"
    assert play.rollout.paused_by == "common-cause"


def test_a_hand_in_a_pause_is_asked_about_too():
    play = in_a_step()
    play >> asked(e.PauseAsked)
    play >> drifted(play) << "drifted" << "paused"
    assert play.rollout.paused_by == "drift", "resuming it would wait for a gateway that nobody tells anything"


def test_whoever_changes_it_back_is_believed():
    play = in_a_step()
    play >> drifted(play)
    play.confirm("edge")
    assert play.state.all_confirmed
    assert play.phase is Phase.PAUSED, "they may not be done yet"


@pytest.mark.parametrize("phase", [Phase.HEALTH_CHECK, Phase.PROMOTING])
def test_the_settings_may_say_to_take_over(phase):
    play = play_to(phase, PLAN).confirm()
    before = play.state.revision
    play >> drifted(play, answer=OnDrift.TAKE_OVER) << Apply(before + 1) << "drifted"
    assert play.phase is phase


def test_the_settings_may_say_to_give_way():
    play = in_a_step()
    play >> drifted(play, answer=OnDrift.GIVE_WAY) << "drifted" << "paused"
    play = Playbook().confirm()
    play >> drifted(play, answer=OnDrift.GIVE_WAY) << "drifted"
    assert play.state.confirmed == {"inner"}


@pytest.mark.parametrize("answer", [OnDrift.ASK, OnDrift.TAKE_OVER])
def test_where_there_is_no_rollout_to_pause_it_is_taken_over(answer):
    play = Playbook().confirm()
    play >> drifted(play, answer=answer) << Apply(play.state.revision) << "drifted"
    assert play.state.split == Split(0)


@pytest.mark.parametrize("answer", OnDrift)
def test_the_way_back_gives_way_to_nobody(answer):
    play = play_to(Phase.ROLLING_BACK).confirm("edge")
    play >> drifted(play, answer=answer) << Apply(play.state.revision) << "drifted"


def test_what_was_found_of_an_older_wish_is_late():
    play = in_a_step()
    play.ignores(drifted(play, revision=play.state.revision - 1))
    play.ignores(drifted(play, gateway="nobody"))
