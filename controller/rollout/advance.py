"""The way forward: gates, consent, deployment, step by step, promotion. Each move waits for its confirmation."""

from __future__ import annotations

from dataclasses import replace

from adapters.port import ALL_STABLE, WHOLE_BP, Split
from controller.analysis.verdict import Verdict

from .commands import Announce, Apply, CheckGates, Probe
from .events import (
    Approved,
    CandidateReached,
    Confirmed,
    GatesPassed,
    GatesRefused,
    Judged,
    Rejected,
    Submitted,
    Superseded,
    TimerFired,
)
from .plan import WhenUndecided
from .refusal import Refusal
from .retreat import Outcome, applied, confirm_return, go_back, last_change, on_keep_over, start_drain
from .state import Phase, Rollout, State, Timer

# --- moves ------------------------------------------------------------------------------------------------------------


def deploy(state: State, now_s: float) -> Outcome:
    """Make the candidate known everywhere at weight 0."""
    assert state.rollout is not None
    rollout = state.rollout
    state = replace(
        state,
        phase=Phase.DEPLOYING,
        candidate=rollout.candidate,
        previous=None,
        verdict=Verdict.NO_DATA,
        reachable=False,
        deployed_at_s=now_s,
        timers={Timer.PROGRESS: now_s + rollout.plan.progress_deadline_s},
    )
    state = applied(state)
    said = Announce("deploying", f"{rollout.candidate.name} at 0 %")
    return state, (Apply(state.revision), Probe(rollout.id), said)


def enter_step(state: State, index: int, now_s: float) -> Outcome:
    """Ask every gateway for step ``index``; past the last one, for everything. Old verdicts count no more."""
    assert state.rollout is not None
    plan = state.rollout.plan
    rollout = replace(state.rollout, step=index, approved=False, held=False, paused_by="", reason="")
    promoting = index >= len(plan.steps)
    split = Split(candidate_bp=WHOLE_BP) if promoting else plan.steps[index].split
    phase = Phase.PROMOTING if promoting else Phase.HEALTH_CHECK
    state = replace(state, phase=phase, split=split, rollout=rollout, verdict=Verdict.NO_DATA)
    state = _only(state, Timer.NO_DATA).timed(Timer.PROGRESS, now_s + plan.progress_deadline_s)
    state = applied(state)
    where = "promoting" if promoting else f"step {index + 1} of {len(plan.steps)}"
    return state, (Apply(state.revision), Announce("step", f"{where}: {split}"))


def advance(state: State, now_s: float) -> Outcome:
    """Leave this step if it has been held, judged and, where asked for, approved. Otherwise stay."""
    rollout = state.rollout
    assert rollout is not None
    if not rollout.held or not state.all_confirmed:
        return state, ()
    step = rollout.present_step
    asks = (step is not None and step.approval) or (
        rollout.plan.watched and state.verdict is Verdict.UNDECIDED and rollout.plan.undecided is WhenUndecided.ASK
    )
    if asks and not rollout.approved:
        return _await_approval(state, now_s)
    if not _evidence_allows(state):
        return state, ()
    if step is None:
        return promote(state, now_s)
    return enter_step(state, rollout.step + 1, now_s)


def promote(state: State, now_s: float) -> Outcome:
    """The candidate becomes stable; the old version drains, and is kept for an instant return."""
    assert state.rollout is not None
    assert state.candidate is not None
    plan, old = state.rollout.plan, state.stable
    state = replace(
        state,
        phase=Phase.PROMOTED,
        stable=state.candidate,
        candidate=None,
        previous=old,
        split=ALL_STABLE,
        timers={Timer.KEEP: now_s + plan.keep_s},
    )
    state, drain = start_drain(applied(state), old, now_s, state.drain_deadline_s)
    return state, (Apply(state.revision), drain, Announce("promoted", f"{state.stable.name} is stable"))


def confirm_step(state: State, now_s: float) -> Outcome:
    """Begin the hold once every gateway follows the split, and with it the clock of missing data."""
    rollout = state.rollout
    assert rollout is not None
    if not state.all_confirmed or Timer.HOLD in state.timers:
        return state, ()
    if rollout.held:
        return advance(state, now_s)
    step = rollout.present_step
    over_at_s = now_s + (rollout.plan.bake_s if step is None else step.hold_s)
    state = state.timed(Timer.HOLD, over_at_s).timed(Timer.PROGRESS, over_at_s + rollout.plan.progress_deadline_s)
    if rollout.plan.watched and state.verdict is Verdict.NO_DATA and Timer.NO_DATA not in state.timers:
        state = state.timed(Timer.NO_DATA, now_s + rollout.plan.no_data_deadline_s)
    return state, (Announce("confirmed", f"every gateway follows {state.split}"),)


def pause(state: State, reason: str) -> Outcome:
    """Stay where it is for an operator. What is watched goes on being watched; only the clock of the step stops."""
    assert state.rollout is not None
    rollout = replace(state.rollout, paused_by="operator", reason=reason)
    state = _only(replace(state, phase=Phase.PAUSED, rollout=rollout), Timer.NO_DATA)
    return state, (Announce("paused", reason),)


def pause_for_common_cause(state: State, now_s: float, detail: str) -> Outcome:
    """Stay where it is until stable is well again, and not for ever: nobody may be there to see that it isn't."""
    assert state.rollout is not None
    reason = "both versions suffer, so the candidate is not blamed" + (f": {detail}" if detail else "")
    rollout = replace(state.rollout, paused_by="common-cause", reason=reason)
    state = _only(replace(state, phase=Phase.PAUSED, rollout=rollout), Timer.NO_DATA)
    state = state.timed(Timer.PROGRESS, now_s + rollout.plan.progress_deadline_s)
    return state, (Announce("paused", reason),)


def pause_for_drift(state: State, now_s: float, reason: str) -> Outcome:
    """Stay where it is until a person says whether what somebody did by hand is to stand. No answer means no."""
    assert state.rollout is not None
    rollout = replace(state.rollout, paused_by="drift", reason=reason)
    state = _only(replace(state, phase=Phase.PAUSED, rollout=rollout), Timer.NO_DATA)
    state = state.timed(Timer.APPROVAL, now_s + rollout.plan.approval_timeout_s)
    return state, (Announce("paused", f"{reason}; resume it to take over, or roll back"),)


def resume(state: State, now_s: float) -> Outcome:
    """Go on with the step it was at, or with the bake. A hold that was not over begins again."""
    assert state.rollout is not None
    rollout = replace(state.rollout, paused_by="", reason="")
    phase = Phase.PROMOTING if rollout.present_step is None else Phase.HEALTH_CHECK
    state = replace(state, phase=phase, rollout=rollout)
    state = state.timed(Timer.PROGRESS, now_s + rollout.plan.progress_deadline_s)
    said = Announce("resumed", f"at {state.split}")
    state, commands = confirm_step(state, now_s)
    return state, (said, *commands)


def _await_approval(state: State, now_s: float) -> Outcome:
    """Ask a person, once; waiting for them is not a lack of progress."""
    assert state.rollout is not None
    if Timer.APPROVAL in state.timers:
        return state, ()
    deadline_s = state.rollout.plan.approval_timeout_s
    state = state.timed(Timer.APPROVAL, now_s + deadline_s).timed(Timer.PROGRESS, None)
    return state, (Announce("approval-wanted", f"at {state.split}, within {deadline_s:g} s"),)


def _evidence_allows(state: State) -> bool:
    """Whether the verdict lets a step end. Missing data never does."""
    assert state.rollout is not None
    if not state.rollout.plan.watched or state.verdict is Verdict.HEALTHY:
        return True
    if state.verdict is not Verdict.UNDECIDED:
        return False
    match state.rollout.plan.undecided:
        case WhenUndecided.ADVANCE:
            return True
        case WhenUndecided.ASK:
            return state.rollout.approved
        case WhenUndecided.HOLD:
            return False


def _only(state: State, timer: Timer) -> State:
    return replace(state, timers={name: at for name, at in state.timers.items() if name is timer})


# --- handlers ---------------------------------------------------------------------------------------------------------


def on_submitted(state: State, event: Submitted) -> Outcome:
    """A proposal begins its life, if nothing else is under way."""
    if state.serves_candidate:
        raise Refusal(
            f"{state.agent}: {state.split}, guided by hand.{last_change(state)}",
            remedy=f"Take its traffic back first: turnout rollback {state.agent}.",
        )
    if event.candidate.name == state.stable.name:
        raise Refusal(
            f"{state.agent}: {event.candidate.name} is the stable version already.{last_change(state)}",
            remedy="Propose another version.",
        )
    rollout = Rollout(event.rollout_id, event.candidate, event.plan, event.digest, event.now_s, event.score)
    state = replace(state, phase=Phase.PENDING, rollout=rollout)
    state = state.timed(Timer.PROGRESS, event.now_s + rollout.plan.progress_deadline_s)
    return state, (CheckGates(rollout.id), Announce("pending", f"{event.actor} proposed {event.candidate.name}"))


def on_superseded(state: State, event: Superseded) -> Outcome:
    """A newer proposal takes the place of one that was never served."""
    return _end_unserved(state, Phase.SUPERSEDED, f"{event.actor} proposed a newer version")


def on_gates_passed(state: State, event: GatesPassed) -> Outcome:
    """On to a person's consent where that is wanted, else to the gateways."""
    rollout = state.rollout
    assert rollout is not None
    if event.rollout_id != rollout.id:
        return state, ()
    if not rollout.plan.consent:
        return deploy(state, event.now_s)
    state = replace(state, phase=Phase.AWAITING_CONSENT).timed(Timer.PROGRESS, None)
    state = state.timed(Timer.CONSENT, event.now_s + rollout.plan.approval_timeout_s)
    return state, (Announce("awaiting-consent", f"{rollout.candidate.name}: {rollout.digest}"),)


def on_gates_refused(state: State, event: GatesRefused) -> Outcome:
    """Never served."""
    assert state.rollout is not None
    if event.rollout_id != state.rollout.id:
        return state, ()
    return _end_unserved(state, Phase.REJECTED, event.detail)


def on_consent(state: State, event: Approved) -> Outcome:
    """Consent counts only for exactly what was proposed."""
    assert state.rollout is not None
    if event.digest != state.rollout.digest:
        raise Refusal(
            f"{state.agent}: the consent names {event.digest or 'no digest'}, the proposal is {state.rollout.digest}.",
            remedy="Read the proposal again, and consent to its digest.",
        )
    return deploy(state, event.now_s)


def on_rejected(state: State, event: Rejected) -> Outcome:
    """Never served."""
    return _end_unserved(state, Phase.REJECTED, f"{event.actor} rejected it: {event.reason or 'no reason given'}")


def on_unserved_timer(state: State, event: TimerFired) -> Outcome:
    """Nobody answered: that is no consent, and no passed gate."""
    match event.timer:
        case Timer.CONSENT:
            return _end_unserved(state, Phase.EXPIRED, "nobody consented in time")
        case Timer.PROGRESS:
            return _end_unserved(state, Phase.EXPIRED, "the gates did not answer in time")
        case _:
            return on_keep_over(state, event)


def on_reached(state: State, event: CandidateReached) -> Outcome:
    """The candidate answers; with every gateway's confirmation the first step begins."""
    assert state.rollout is not None
    if event.rollout_id != state.rollout.id:
        return state, ()
    return _leave_deploying(replace(state, reachable=True), event.now_s)


def on_confirmed(state: State, event: Confirmed) -> Outcome:
    """A gateway follows this revision. What that means depends on the phase."""
    if event.revision != state.revision or event.gateway not in state.gateways - state.confirmed:
        return state, ()
    state = replace(state, confirmed=state.confirmed | {event.gateway})
    match state.phase:
        case Phase.DEPLOYING:
            return _leave_deploying(state, event.now_s)
        case Phase.HEALTH_CHECK | Phase.PROMOTING:
            return confirm_step(state, event.now_s)
        case Phase.ROLLING_BACK:
            return confirm_return(state)
        case _:
            return state, ()


def on_judged(state: State, event: Judged) -> Outcome:
    """The evidence speaks: a breach goes back at once, missing data starts a clock, the rest may end the step."""
    rollout = state.rollout
    assert rollout is not None
    state = replace(state, verdict=event.verdict)
    if event.verdict is Verdict.BREACH:
        return go_back(state, event.now_s, f"breach: {event.detail}")
    if event.verdict is not Verdict.NO_DATA:
        state = state.timed(Timer.NO_DATA, None)
    elif rollout.plan.watched and Timer.NO_DATA not in state.timers:
        state = state.timed(Timer.NO_DATA, event.now_s + rollout.plan.no_data_deadline_s)
    if state.phase is Phase.HEALTH_CHECK and event.verdict is Verdict.COMMON_CAUSE:
        return pause_for_common_cause(state, event.now_s, event.detail)
    if state.phase is Phase.PAUSED:
        over = rollout.paused_by == "common-cause" and event.verdict in (Verdict.HEALTHY, Verdict.UNDECIDED)
        return resume(state, event.now_s) if over else (state, ())
    return advance(state, event.now_s)


def on_step_timer(state: State, event: TimerFired) -> Outcome:
    """A moment that a served candidate waits for: the hold is over, or something took too long."""
    assert state.rollout is not None
    match event.timer:
        case Timer.HOLD:
            state = replace(state, rollout=replace(state.rollout, held=True))
            return advance(state, event.now_s)
        case Timer.PROGRESS:
            return go_back(state, event.now_s, _what_was_missing(state))
        case Timer.APPROVAL:
            return go_back(state, event.now_s, _what_was_not_answered(state))
        case Timer.NO_DATA:
            return go_back(state, event.now_s, "no data about the candidate: absent is not healthy")
        case _:
            return state, ()


# --- their parts ------------------------------------------------------------------------------------------------------


def _leave_deploying(state: State, now_s: float) -> Outcome:
    if not (state.all_confirmed and state.reachable):
        return state, ()
    return enter_step(state, 0, now_s)


def _end_unserved(state: State, phase: Phase, reason: str) -> Outcome:
    assert state.rollout is not None
    rollout = replace(state.rollout, reason=reason)
    state = _only(replace(state, phase=phase, rollout=rollout), Timer.KEEP)
    return state, (Announce(phase.value, reason),)


def _what_was_not_answered(state: State) -> str:
    if state.phase is Phase.PAUSED and state.rollout is not None:
        return f"{state.rollout.reason}, and nobody said whether that is to stand"
    return "nobody approved the step in time"


def _what_was_missing(state: State) -> str:
    missing = sorted(state.gateways - state.confirmed)
    if missing:
        return f"not confirmed in time by {', '.join(missing)}"
    if state.phase is Phase.DEPLOYING:
        return "the candidate's endpoints did not answer in time"
    if state.phase is Phase.PAUSED:
        return "what both versions suffer from was not over in time; the candidate is not blamed"
    return f"the evidence was {state.verdict.value} for too long"
