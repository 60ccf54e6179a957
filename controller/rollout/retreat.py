"""The way back. It needs nothing of what the way forward needs: no metric, no consent, no other gateway."""

from __future__ import annotations

from dataclasses import replace

from adapters.port import ALL_STABLE, Version
from controller.analysis.verdict import Verdict

from .commands import Announce, Apply, Command, DrainVersion
from .events import Drained, Judged, Refused, Rejected, RollbackAsked, TimerFired
from .refusal import Refusal
from .state import UNSERVED, Drain, Phase, State, Timer

Outcome = tuple[State, tuple[Command, ...]]


def applied(state: State) -> State:
    """The same state as a new revision, which nobody has confirmed yet.

    A version that gets requests again is not drained any longer: its streams would be cut at the old deadline.
    """
    drains = tuple(drain for drain in state.drains if not state.serves(drain.version))
    return replace(state, revision=state.revision + 1, confirmed=frozenset(), drains=drains)


def start_drain(state: State, version: Version, now_s: float, deadline_s: float) -> tuple[State, DrainVersion]:
    """Begin to drain ``version``; what it drains already by that name is replaced."""
    drain = Drain(version, now_s + deadline_s)
    others = tuple(other for other in state.drains if other.version.name != version.name)
    return replace(state, drains=(*others, drain)), DrainVersion(version, drain.deadline_at_s)


def go_back(state: State, now_s: float, reason: str) -> Outcome:
    """Everything to stable at every gateway at once, then drain what had traffic.

    A candidate that was only being made known is forgotten: it may be the very thing that a gateway refuses.
    """
    assert state.rollout is not None
    leaving = state.candidate if state.serves_candidate else None
    known = None if state.phase is Phase.DEPLOYING else state.candidate
    rollout = replace(state.rollout, reason=reason, paused_by="")
    state = replace(state, phase=Phase.ROLLING_BACK, split=ALL_STABLE, candidate=known, rollout=rollout, timers={})
    state = applied(state)
    apply, said = Apply(state.revision), Announce("rolling-back", reason)
    if leaving is None:
        return state, (apply, said)
    state, drain = start_drain(state, leaving, now_s, state.drain_deadline_s)
    return state, (apply, drain, said)


def return_to_previous(state: State, now_s: float, reason: str) -> Outcome:
    """Undo a promotion while the old version is still kept ready.

    When another proposal has come since, the rollout that was promoted cannot end as ``rolled-back`` any more: the
    return is announced, and a proposal that waits to follow the version that has gone is superseded.
    """
    assert state.previous is not None
    left, back = state.stable, state.previous
    candidate = None if state.candidate and state.candidate.name == back.name else state.candidate
    state = replace(state, stable=back, previous=None, candidate=candidate).timed(Timer.KEEP, None)
    if state.phase is Phase.PROMOTED:
        phase, what = Phase.ROLLING_BACK, "rolling-back"
    elif state.phase in UNSERVED:
        phase, what = Phase.SUPERSEDED, "superseded"
    else:
        phase, what = state.phase, "returned"
    if phase is not state.phase and state.rollout is not None:
        state = replace(state, phase=phase, rollout=replace(state.rollout, reason=reason), timers={})
    state, drain = start_drain(applied(state), left, now_s, state.drain_deadline_s)
    return state, (Apply(state.revision), drain, Announce(what, f"{reason}; {back.name} is stable again"))


def take_back(state: State, now_s: float, reason: str) -> Outcome:
    """End a split that an operator set by hand; the candidate stays declared."""
    assert state.candidate is not None
    state, drain = start_drain(
        applied(replace(state, split=ALL_STABLE)), state.candidate, now_s, state.drain_deadline_s
    )
    return state, (Apply(state.revision), drain, Announce("rolled-back", reason))


def settle(state: State) -> Outcome:
    """Finish a rollback once every gateway has confirmed it and nothing is in flight any more."""
    if not state.all_confirmed or state.drains:
        return state, ()
    rollout = state.rollout
    assert rollout is not None
    state = applied(replace(state, phase=Phase.ROLLED_BACK, candidate=None))
    return state, (Apply(state.revision), Announce("rolled-back", rollout.reason))


def confirm_return(state: State) -> Outcome:
    """Say it when the last gateway has confirmed a rollback: from here on nobody new meets the candidate."""
    if not state.all_confirmed:
        return state, ()
    said = Announce("confirmed", f"every gateway follows {state.split}")
    state, commands = settle(state)
    return state, (said, *commands)


# --- handlers ---------------------------------------------------------------------------------------------------------


def on_rollback(state: State, event: RollbackAsked) -> Outcome:
    """An operator's rollback of a rollout that serves."""
    return go_back(state, event.now_s, f"{event.actor} rolled it back{_because(event.reason)}")


def on_rejected_late(state: State, event: Rejected) -> Outcome:
    """A person who is asked whether a served candidate may go on says no."""
    return go_back(state, event.now_s, f"{event.actor} rejected it{_because(event.reason)}")


def on_rollback_at_rest(state: State, event: RollbackAsked) -> Outcome:
    """An operator's rollback of a split that was set by hand; else of the last promotion, while it can be undone."""
    if state.serves_candidate:
        return take_back(state, event.now_s, f"{event.actor} rolled it back{_because(event.reason)}")
    if state.previous is not None:
        return return_to_previous(
            state, event.now_s, f"{event.actor} returned to the version before{_because(event.reason)}"
        )
    raise Refusal(
        f"{state.agent}: there is nothing to roll back: stable {state.stable.name} has all the traffic, "
        f"and no version before it is kept.{last_change(state)}",
        remedy="Propose the version that you want.",
    )


def on_refused(state: State, event: Refused) -> Outcome:
    """A gateway will not take a step: the rollout goes back everywhere."""
    if event.revision != state.revision:
        return state, ()
    return go_back(state, event.now_s, f"{event.gateway} refused the configuration: {event.detail}")


def on_refused_shout(state: State, event: Refused) -> Outcome:
    """A refusal where there is nothing to go back from: say so, loudly."""
    if event.revision != state.revision:
        return state, ()
    return state, (Announce("refused", f"{event.gateway} refused the configuration: {event.detail}"),)


def on_judged_at_rest(state: State, event: Judged) -> Outcome:
    """A split set by hand is watched too, and so is a new stable version while the one before it is kept."""
    state = replace(state, verdict=event.verdict)
    if event.verdict is Verdict.BREACH and state.serves_candidate:
        return take_back(state, event.now_s, f"breach: {event.detail}")
    if event.verdict is Verdict.BREACH and state.previous is not None:
        return return_to_previous(state, event.now_s, f"breach after promotion: {event.detail}")
    return state, ()


def on_drained(state: State, event: Drained) -> Outcome:
    """A version has nothing in flight any more, or ran out of time."""
    answered = (event.version_name, event.deadline_at_s)
    drains = tuple(drain for drain in state.drains if (drain.version.name, drain.deadline_at_s) != answered)
    if drains == state.drains:
        return state, ()
    state = replace(state, drains=drains)
    return state, (Announce("drained", drain_report(event)),)


def on_drained_going_back(state: State, event: Drained) -> Outcome:
    """The same while rolling back, where it may be the last thing that was waited for."""
    state, first = on_drained(state, event)
    state, rest = settle(state)
    return state, (*first, *rest)


def on_keep_over(state: State, event: TimerFired) -> Outcome:
    """The old version need not be kept for an instant return any longer."""
    if event.timer is not Timer.KEEP:
        return state, ()
    state = applied(replace(state, previous=None))
    return state, (Apply(state.revision),)


def drain_report(event: Drained) -> str:
    """What a drain came to, for people."""
    match event.cut:
        case None:
            return f"{event.version_name}: the deadline passed; no gateway can say what was still in flight"
        case 0:
            return f"{event.version_name}: nothing is in flight any more"
        case cut:
            return f"{event.version_name}: the deadline passed with {cut} still in flight"


def last_change(state: State) -> str:
    """A sentence for an operator who is refused: what happened before."""
    return f" The last change was: {state.changed_by}." if state.changed_by else ""


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
