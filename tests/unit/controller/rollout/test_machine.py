"""The table is whole: every (phase, event) pair is handled as documented, refused with all it takes, or ignored."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product
from random import Random

import pytest

from adapters.port import Split
from controller.analysis.verdict import Verdict
from controller.rollout import events as e
from controller.rollout.commands import Apply, CheckGates, DrainVersion, Probe
from controller.rollout.machine import TABLE, step, unfinished
from controller.rollout.plan import OnDrift, Plan, WhenUndecided
from controller.rollout.refusal import Refusal
from controller.rollout.state import Phase, Timer
from tests.unit.controller.rollout.playbook import (
    GUARDED,
    NEXT,
    OLD,
    PLAN,
    Playbook,
    asked,
    play_to,
    settings,
    submitted,
)

PAIRS = [pytest.param(phase, kind, id=f"{phase.value}-{kind.__name__}") for phase, kind in product(Phase, e.EVENTS)]


def samples(play: Playbook) -> dict[type[e.AnyEvent], tuple[e.AnyEvent, ...]]:
    """Events of every kind that could arrive now, the awkward ones first."""
    state, now_s = play.state, play.now_s
    drains = [(drain.version.name, drain.deadline_at_s) for drain in state.drains] or [(OLD.name, 1.0)]
    return {
        e.Submitted: (submitted(OLD), submitted(NEXT, name="p9")),
        e.Superseded: (asked(e.Superseded),),
        e.GatesPassed: tuple(e.GatesPassed(now_s=now_s, rollout_id=name) for name in ("p0", "p1")),
        e.GatesRefused: tuple(e.GatesRefused(now_s=now_s, rollout_id=name, detail="no") for name in ("p0", "p1")),
        e.Approved: tuple(asked(e.Approved, "rita", digest=digest) for digest in ("other", "digest-of-p1")),
        e.Rejected: (asked(e.Rejected, "rita"),),
        e.PauseAsked: (asked(e.PauseAsked),),
        e.ResumeAsked: (asked(e.ResumeAsked),),
        e.SkipAsked: (asked(e.SkipAsked),),
        e.PromoteAsked: (asked(e.PromoteAsked),),
        e.RollbackAsked: (asked(e.RollbackAsked),),
        e.SplitSet: tuple(asked(e.SplitSet, split=Split(share_bp)) for share_bp in (0, 5000)),
        e.CandidateDeclared: tuple(asked(e.CandidateDeclared, candidate=version) for version in (OLD, NEXT, None)),
        e.DrainAsked: tuple(asked(e.DrainAsked, version_name=name, deadline_s=5) for name in ("9.9.9", "1.2.3")),
        e.SettingsChanged: (settings(), settings(NEXT), settings(OLD, "third", candidate=NEXT)),
        e.CandidateReached: tuple(e.CandidateReached(now_s=now_s, rollout_id=name) for name in ("p0", "p1")),
        e.Confirmed: tuple(
            e.Confirmed(now_s=now_s, gateway=gateway, revision=revision)
            for gateway in ("nobody", "edge", "inner")
            for revision in (0, state.revision)
        ),
        e.Refused: tuple(
            e.Refused(now_s=now_s, gateway="edge", revision=revision, detail="no") for revision in (0, state.revision)
        ),
        e.Drifted: tuple(
            e.Drifted(now_s=now_s, gateway=gateway, revision=revision, by_hand=by_hand, answer=answer)
            for gateway in ("nobody", "edge", "inner")
            for revision in (0, state.revision)
            for by_hand in (False, True)
            for answer in OnDrift
        ),
        e.Judged: tuple(e.Judged(now_s=now_s, verdict=verdict) for verdict in Verdict),
        e.Drained: tuple(e.Drained(now_s=now_s, version_name=name, deadline_at_s=at_s, cut=0) for name, at_s in drains),
        e.Left: tuple(e.Left(now_s=now_s, gateway=gateway) for gateway in ("nobody", "edge")),
        e.TimerFired: tuple(
            e.TimerFired(now_s=at_s, timer=timer) for timer in Timer for at_s in (0, state.timers.get(timer, now_s))
        ),
    }


def check_refusal(refusal: Refusal, play: Playbook, event: e.AnyEvent, *, handled: bool) -> None:
    assert isinstance(event, e.OperatorEvent), f"the world cannot be refused: {refusal}"
    assert refusal.message.startswith("code-assistant: "), "an operator of many agents must know which"
    if not handled:
        assert f"cannot {event.verb} while it is {play.phase.value}" in refusal.message
        assert refusal.remedy.startswith("It can be done while "), "refused with no way on"
        assert play.state.changed_by in refusal.message, "not told what happened"


@pytest.mark.parametrize(("phase", "kind"), PAIRS)
def test_every_pair_is_handled_refused_or_ignored(phase, kind):
    play = play_to(phase)
    assert play.phase is phase
    row = TABLE[phase, kind]
    for event in samples(play)[kind]:
        event = replace(event, now_s=max(event.now_s, play.now_s) if event.now_s else play.now_s)  # noqa: PLW2901 - at the play's time
        try:
            after, commands = step(play.state, event)
        except Refusal as refused:
            check_refusal(refused, play, event, handled=row.handler is not None)
            continue
        if row.handler is None:
            assert not issubclass(kind, e.OperatorEvent), "an operator is not told that their command did nothing"
            assert (after, commands) == (play.state, ()), "late, and still it changed something"
            continue
        assert after.phase is phase or after.phase in row.goes_to
        assert after.revision >= play.state.revision
        asked_again = after.revision > play.state.revision
        assert asked_again == any(isinstance(command, Apply) for command in commands), "a revision nobody is asked for"
        assert all(c.revision == after.revision for c in commands if isinstance(c, Apply)), "an outdated revision"


ASKING = replace(PLAN, undecided=WhenUndecided.ASK)
BLUE_GREEN = Plan(bake_s=10, undecided=WhenUndecided.ASK)
MOVED = replace(OLD, endpoints=("10.0.0.99:3000",))
ONE_STEP = replace(ASKING, steps=ASKING.steps[:1])
STARTS = (
    *(partial(play_to, phase) for phase in Phase),
    *(
        partial(play_to, phase, plan)
        for phase in Phase
        for plan in (PLAN, ASKING)
        if phase is not Phase.AWAITING_CONSENT
    ),
    *(partial(play_to, phase, BLUE_GREEN) for phase in (Phase.DEPLOYING, Phase.PROMOTING)),
    # An approval that is waited for, at the last step and at the end of the bake.
    lambda: play_to(Phase.HEALTH_CHECK, ONE_STEP).judge(Verdict.UNDECIDED).wait(120),
    lambda: play_to(Phase.HEALTH_CHECK, ONE_STEP).judge(Verdict.UNDECIDED).wait(120).judge(Verdict.COMMON_CAUSE),
    lambda: play_to(Phase.HEALTH_CHECK, ONE_STEP).judge(Verdict.UNDECIDED).wait(120) >> asked(e.PauseAsked),
    lambda: play_to(Phase.PROMOTING, BLUE_GREEN).confirm().judge(Verdict.UNDECIDED).wait(10),
    # A hold that ended while gateways were asked again, at the last step and in the bake.
    lambda: (play_to(Phase.HEALTH_CHECK, ONE_STEP).judge(Verdict.HEALTHY) >> settings(MOVED)).wait(120).confirm("edge"),
    lambda: (play_to(Phase.PROMOTING, PLAN).confirm().judge(Verdict.HEALTHY) >> settings(MOVED)).wait(600),
    # A bake that was over when it was paused; for a common cause too, which nobody can resume against.
    lambda: play_to(Phase.PROMOTING, PLAN).confirm().judge(Verdict.UNDECIDED).wait(600) >> asked(e.PauseAsked),
    lambda: (
        play_to(Phase.PROMOTING, PLAN).confirm().judge(Verdict.UNDECIDED).wait(600).judge(Verdict.COMMON_CAUSE)
        >> asked(e.PauseAsked)
        >> asked(e.ResumeAsked)
    ),
    # The last step, which may be skipped.
    lambda: play_to(Phase.HEALTH_CHECK, replace(PLAN, steps=PLAN.steps[:1])).confirm(),
    # A proposal beside a version that can be returned to, or beside a declared candidate.
    lambda: play_to(Phase.PROMOTED, PLAN) >> submitted(NEXT, GUARDED) >> e.GatesPassed(now_s=0, rollout_id="p1"),
    lambda: Playbook() >> asked(e.CandidateDeclared, candidate=NEXT) >> submitted() >> asked(e.Superseded),
    lambda: Playbook() >> asked(e.CandidateDeclared, candidate=NEXT) >> submitted() >> asked(e.Rejected),
    lambda: (Playbook() >> asked(e.CandidateDeclared, candidate=NEXT) >> submitted()).wait(600),
)


KIND_WORLD = (
    lambda play: play.confirm(),
    lambda play: play.judge(Verdict.HEALTHY),
    lambda play: play.judge(Verdict.UNDECIDED),
    lambda play: play.wait(300),
    lambda play: play.wait(2000),
    lambda play: play >> asked(e.Approved, "rita", digest="digest-of-p1"),
)


def walk(play: Playbook, chance: Random, steps: int) -> None:
    """A random walk over events that could arrive; half of them are kind, or it would never come far."""
    for _ in range(steps):
        try:
            if chance.random() < 0.5:
                chance.choice(KIND_WORLD)(play)
            else:
                kind = chance.choice([kind for kind in e.EVENTS if TABLE[play.phase, kind].handler])
                play >> chance.choice(samples(play)[kind])
        except Refusal:
            continue


def test_every_way_in_the_table_can_be_gone():
    missing = {(phase, kind, goal) for (phase, kind), row in TABLE.items() for goal in row.goes_to if goal is not phase}
    chance = Random(1)
    for start in STARTS * 200:
        play = start()
        walk(play, chance, steps=8)
        missing -= play.passed
        if not missing:
            return
    never = sorted(f"{phase.value} --{kind.__name__}--> {goal.value}" for phase, kind, goal in missing)
    pytest.fail(f"drawn in the docs, and never happens: {never}")


def test_an_operator_who_has_not_seen_the_last_change_is_told_what_it_was():
    play = play_to(Phase.HEALTH_CHECK)
    seen = play.state.changes
    play >> asked(e.PauseAsked, "alice", reason="odd logs", seen=seen)
    refusal = play.refuses(asked(e.PromoteAsked, "bob", seen=seen))
    assert "alice: pause (odd logs)" in refusal.message
    assert str(play.state.changes) in refusal.remedy
    _ = play >> asked(e.ResumeAsked, "bob", seen=play.state.changes)


def test_what_the_machine_changed_is_told_in_its_own_words():
    play = play_to(Phase.HEALTH_CHECK, PLAN)
    seen = play.state.changes
    play.judge(Verdict.HEALTHY).wait(120)
    assert "step 2 of 2: 10 % candidate" in play.refuses(asked(e.PauseAsked, "bob", seen=seen)).message


def test_confirmations_alone_are_no_change_that_an_operator_must_have_seen():
    play = play_to(Phase.DEPLOYING)
    seen = play.state.changes
    play.confirm("edge")
    assert play.state.changes == seen


def test_a_timer_that_comes_early_or_was_taken_away_changes_nothing():
    play = play_to(Phase.HEALTH_CHECK)
    play.ignores(e.TimerFired(now_s=0, timer=Timer.HOLD))
    play.ignores(e.TimerFired(now_s=0, timer=Timer.APPROVAL))


@pytest.mark.parametrize(
    ("phase", "more"),
    [
        (Phase.IDLE, ()),
        (Phase.PENDING, (CheckGates("p1"),)),
        (Phase.DEPLOYING, (Probe("p1"),)),
        (Phase.HEALTH_CHECK, ()),
        (Phase.PROMOTED, (DrainVersion,)),
        (Phase.ROLLING_BACK, (DrainVersion,)),
    ],
)
def test_after_a_restart_what_was_not_finished_is_asked_for_again(phase, more):
    play = play_to(phase)
    play.said = unfinished(play.state)
    play << Apply(play.state.revision)
    for command in more:
        play << command
    play.close()


def test_a_candidate_that_was_reached_is_not_probed_again_after_a_restart():
    assert Probe("p1") not in unfinished(play_to(Phase.DEPLOYING).reach().state)
