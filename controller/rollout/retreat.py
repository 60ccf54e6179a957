"""The way back. It needs nothing of what the way forward needs: no metric, no consent, no other gateway."""

from __future__ import annotations

from dataclasses import replace

from adapters.port import ALL_STABLE, Version

from .commands import Announce, Apply, Command, DrainVersion
from .events import Drained, Judged, Refused, RollbackAsked, TimerFired
from .refusal import Refusal
from .state import Drain, Phase, State, Timer, Verdict

Outcome = tuple[State, tuple[Command, ...]]


def applied(state: State) -> State:
    """The same state as a new revision, which nobody has confirmed yet."""
    return replace(state, revision=state.revision + 1, confirmed=frozenset())


def start_drain(state: State, version: Version, now_s: float, deadline_s: float) -> tuple[State, DrainVersion]:
    """Begin to drain ``version``; what it drains already by that name is replaced."""
    drain = Drain(version, now_s + deadline_s)
    others = tuple(other for other in state.drains if other.version.name != version.name)
    return replace(state, drains=(*others, drain)), DrainVersion(version, drain.deadline_at_s)


def go_back(state: State, now_s: float, reason: str) -> Outcome:
    """Everything to stable at every gateway at once, then drain."""
    assert state.rollout is not None
    rollout = replace(state.rollout, reason=reason, paused_by="")
    state = replace(state, phase=Phase.ROLLING_BACK, split=ALL_STABLE, rollout=rollout, timers={})
    state, drain = start_drain(applied(state), rollout.candidate, now_s, state.drain_deadline_s)
    return state, (Apply(state.revision), drain, Announce("rolling-back", reason))


def return_to_previous(state: State, now_s: float, reason: str) -> Outcome:
    """Undo a promotion while the old version is still kept ready."""
    assert state.previous is not None
    state = replace(state, stable=state.previous, previous=None)
    return go_back(state, now_s, reason)


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


# --- handlers ---------------------------------------------------------------------------------------------------------


def on_rollback(state: State, event: RollbackAsked) -> Outcome:
    """An operator's rollback of a rollout that serves."""
    return go_back(state, event.now_s, f"{event.actor} rolled it back{_because(event.reason)}")


def on_rollback_by_hand(state: State, event: RollbackAsked) -> Outcome:
    """An operator's rollback of a split that was set by hand."""
    if not state.serves_candidate:
        raise Refusal(f"{state.agent}: there is nothing to roll back: stable {state.stable.name} has all the traffic.")
    return take_back(state, event.now_s, f"{event.actor} rolled it back{_because(event.reason)}")


def on_rollback_of_promotion(state: State, event: RollbackAsked) -> Outcome:
    """An operator's return to the version that was stable before."""
    if state.previous is None:
        raise Refusal(
            f"{state.agent}: the version before {state.stable.name} is not kept any longer.",
            remedy="Propose it again.",
        )
    return return_to_previous(
        state, event.now_s, f"{event.actor} returned to the version before{_because(event.reason)}"
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


def on_judged_by_hand(state: State, event: Judged) -> Outcome:
    """A split that was set by hand is watched too: a breach takes it back."""
    state = replace(state, verdict=event.verdict)
    if event.verdict is Verdict.BREACH and state.serves_candidate:
        return take_back(state, event.now_s, f"breach: {event.detail}")
    return state, ()


def on_judged_promoted(state: State, event: Judged) -> Outcome:
    """While the old version is kept, a breach of the new one returns to it."""
    state = replace(state, verdict=event.verdict)
    if event.verdict is Verdict.BREACH and state.previous is not None:
        return return_to_previous(state, event.now_s, f"breach after promotion: {event.detail}")
    return state, ()


def on_drained(state: State, event: Drained) -> Outcome:
    """A version has nothing in flight any more, or ran out of time."""
    drains = tuple(drain for drain in state.drains if drain.version.name != event.version_name)
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


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
