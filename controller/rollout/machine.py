"""The rollout machine: one table of (phase, event) -> what happens, and the function that looks it up.

``step(state, event)`` is pure. It returns the next state and the commands that lead there, or raises
:class:`~.refusal.Refusal` and has changed nothing. The table is whole: every pair is handled, refused, or known to be
late and ignored. The diagram in ``docs/rollout.md`` is drawn from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import chain
from math import inf
from typing import Any

from . import advance, drift, events, retreat, steer
from .commands import Announce, Apply, CheckGates, Command, DrainVersion, Probe
from .events import EVENTS, AnyEvent, OperatorEvent, TimerFired
from .refusal import Outdated, Refusal
from .state import RESTING, SERVING, UNSERVED, Phase, State

Handler = Callable[[State, Any], tuple[State, tuple[Command, ...]]]


@dataclass(frozen=True, slots=True)
class Row:
    """One cell of the table.

    Attributes:
        handler: what happens; None where the event comes too late to matter, or does not fit.
        goes_to: every phase that it may lead to, besides staying.
    """

    handler: Handler | None
    goes_to: frozenset[Phase] = frozenset()


Rule = tuple[Iterable[Phase], type[AnyEvent], Handler, tuple[Phase, ...]]


def _rules() -> Iterable[Rule]:
    p = Phase
    calm = (*(RESTING - {p.PROMOTED}),)

    yield RESTING, events.Submitted, advance.on_submitted, (p.PENDING,)
    yield UNSERVED, events.Superseded, advance.on_superseded, (p.SUPERSEDED,)
    yield (p.PENDING,), events.GatesPassed, advance.on_gates_passed, (p.AWAITING_CONSENT, p.DEPLOYING)
    yield (p.PENDING,), events.GatesRefused, advance.on_gates_refused, (p.REJECTED,)
    yield (p.AWAITING_CONSENT,), events.Approved, advance.on_consent, (p.DEPLOYING,)
    yield UNSERVED, events.Rejected, advance.on_rejected, (p.REJECTED,)
    yield SERVING, events.Rejected, retreat.on_rejected_late, (p.ROLLING_BACK,)
    yield UNSERVED, events.TimerFired, advance.on_unserved_timer, (p.EXPIRED,)

    yield (p.DEPLOYING,), events.CandidateReached, advance.on_reached, (p.HEALTH_CHECK, p.PROMOTING)
    yield (p.DEPLOYING,), events.Confirmed, advance.on_confirmed, (p.HEALTH_CHECK, p.PROMOTING)
    yield (p.HEALTH_CHECK,), events.Confirmed, advance.on_confirmed, (p.PROMOTING,)
    yield (p.PAUSED,), events.Confirmed, advance.on_confirmed, ()
    yield (p.PROMOTING,), events.Confirmed, advance.on_confirmed, (p.PROMOTED,)
    yield (p.ROLLING_BACK,), events.Confirmed, advance.on_confirmed, (p.ROLLED_BACK,)
    yield RESTING | UNSERVED, events.Confirmed, advance.on_confirmed, ()

    yield (p.HEALTH_CHECK,), events.Judged, advance.on_judged, (p.PAUSED, p.PROMOTING, p.ROLLING_BACK)
    yield (p.PAUSED,), events.Judged, advance.on_judged, (p.HEALTH_CHECK, p.PROMOTING, p.PROMOTED, p.ROLLING_BACK)
    yield (p.PROMOTING,), events.Judged, advance.on_judged, (p.PROMOTED, p.ROLLING_BACK)
    yield (p.PROMOTED,), events.Judged, retreat.on_judged_at_rest, (p.ROLLING_BACK,)
    yield UNSERVED, events.Judged, retreat.on_judged_at_rest, (p.SUPERSEDED,)
    yield calm, events.Judged, retreat.on_judged_at_rest, ()

    yield (p.DEPLOYING, p.PAUSED), events.TimerFired, advance.on_step_timer, (p.ROLLING_BACK,)
    yield (p.HEALTH_CHECK,), events.TimerFired, advance.on_step_timer, (p.PROMOTING, p.ROLLING_BACK)
    yield (p.PROMOTING,), events.TimerFired, advance.on_step_timer, (p.PROMOTED, p.ROLLING_BACK)
    yield RESTING, events.TimerFired, retreat.on_keep_over, ()

    yield SERVING, events.Refused, retreat.on_refused, (p.ROLLING_BACK,)
    yield RESTING | UNSERVED | {p.ROLLING_BACK}, events.Refused, retreat.on_refused_shout, ()

    yield SERVING, events.RollbackAsked, retreat.on_rollback, (p.ROLLING_BACK,)
    yield (p.PROMOTED,), events.RollbackAsked, retreat.on_rollback_at_rest, (p.ROLLING_BACK,)
    yield UNSERVED, events.RollbackAsked, retreat.on_rollback_at_rest, (p.SUPERSEDED,)
    yield calm, events.RollbackAsked, retreat.on_rollback_at_rest, ()

    yield (p.HEALTH_CHECK, p.PROMOTING), events.PauseAsked, steer.on_pause, (p.PAUSED,)
    yield (p.PAUSED,), events.PauseAsked, steer.on_pause_again, ()
    yield (p.PAUSED,), events.ResumeAsked, steer.on_resume, (p.HEALTH_CHECK, p.PROMOTING, p.PROMOTED)
    yield (p.HEALTH_CHECK,), events.Approved, steer.on_approved, (p.PROMOTING,)
    yield (p.PROMOTING,), events.Approved, steer.on_approved, (p.PROMOTED,)
    yield (p.HEALTH_CHECK,), events.SkipAsked, steer.on_skip, (p.PROMOTING,)
    yield (p.HEALTH_CHECK, p.PAUSED), events.PromoteAsked, steer.on_promote, (p.PROMOTING,)
    yield (p.PROMOTING,), events.PromoteAsked, steer.on_promote_now, (p.PROMOTED,)
    yield (p.IDLE,), events.PromoteAsked, steer.on_promote_by_hand, ()
    yield RESTING - {p.PROMOTED, p.ROLLED_BACK}, events.SplitSet, steer.on_split, (p.IDLE,)
    yield (p.PROMOTED, p.ROLLED_BACK), events.SplitSet, steer.on_split, ()
    yield RESTING, events.CandidateDeclared, steer.on_candidate, (p.IDLE,)
    yield RESTING, events.DrainAsked, steer.on_drain, ()


def _rules_at_any_time() -> Iterable[Rule]:
    p = Phase

    yield RESTING | UNSERVED | {p.DEPLOYING}, events.Drifted, drift.on_drifted, ()
    yield (p.HEALTH_CHECK, p.PROMOTING), events.Drifted, drift.on_drifted_in_a_step, (p.PAUSED,)
    yield (p.PAUSED,), events.Drifted, drift.on_drifted_in_a_step, ()
    yield (p.ROLLING_BACK,), events.Drifted, drift.on_drifted_going_back, ()

    yield RESTING, events.SettingsChanged, steer.on_settings, (p.IDLE,)
    yield (x for x in Phase if x not in RESTING), events.SettingsChanged, steer.on_settings, ()
    yield Phase, events.Left, steer.on_left, ()
    yield (p.ROLLING_BACK,), events.Drained, retreat.on_drained_going_back, (p.ROLLED_BACK,)
    yield (x for x in Phase if x is not p.ROLLING_BACK), events.Drained, retreat.on_drained, ()


def _table() -> dict[tuple[Phase, type[AnyEvent]], Row]:
    table = {(phase, event): Row(None) for phase in Phase for event in EVENTS}
    for phases, event, handler, goes_to in chain(_rules(), _rules_at_any_time()):
        for phase in phases:
            assert table[phase, event].handler is None, f"two rules for {phase}, {event.__name__}"
            table[phase, event] = Row(handler, frozenset(goes_to))
    return table


TABLE = _table()


def step(state: State, event: AnyEvent) -> tuple[State, tuple[Command, ...]]:
    """What ``event`` makes of ``state``, and what has to be done for it.

    Raises:
        Refusal: an operator's event that does not fit.
        Outdated: one that was given without knowing what happened since.
    """
    if isinstance(event, OperatorEvent) and event.seen not in (None, state.changes) and not _hurries(state, event):
        raise Outdated(
            f"{state.agent}: it has changed since you looked: {state.changed_by or 'it began'}.",
            remedy=f"Look again; it is at change {state.changes} now, you had seen {event.seen}.",
        )
    row = TABLE[state.phase, type(event)]
    if isinstance(event, TimerFired):
        if event.now_s < state.timers.get(event.timer, inf):
            return state, ()
        state = state.timed(event.timer, None)
    if row.handler is None:
        if isinstance(event, OperatorEvent):
            raise _does_not_fit(state, event)
        return state, ()
    after, commands = row.handler(state, event)
    assert after.phase is state.phase or after.phase in row.goes_to, (
        f"{state.phase} -> {after.phase} is not in the table"
    )
    assert not any(after.serves(drain.version) for drain in after.drains), "a version that serves is being drained"
    return _count(state, after, event, commands), commands


def unfinished(state: State) -> tuple[Command, ...]:
    """The commands to issue again after a restart: whatever the state still waits for, or must make sure of."""
    commands: list[Command] = [Apply(state.revision)]
    if state.rollout and state.phase is Phase.PENDING:
        commands.append(CheckGates(state.rollout.id))
    if state.rollout and state.phase is Phase.DEPLOYING and not state.reachable:
        commands.append(Probe(state.rollout.id))
    commands += [DrainVersion(drain.version, drain.deadline_at_s) for drain in state.drains]
    return tuple(commands)


def _count(before: State, after: State, event: AnyEvent, commands: tuple[Command, ...]) -> State:
    """Number the changes that an operator would want to have seen, and say who made the last."""
    if _seen(before) == _seen(after):
        return after
    if isinstance(event, OperatorEvent):
        by = f"{event.actor}: {event.verb}" + (f" ({event.reason})" if event.reason else "")
    else:
        by = "; ".join(f"{c.what}: {c.text}" for c in commands if isinstance(c, Announce)) or type(event).__name__
    return replace(after, changes=before.changes + 1, changed_by=by)


def _seen(state: State) -> tuple[object, ...]:
    rollout = state.rollout
    progress = (rollout.id, rollout.step, rollout.approved, rollout.paused_by) if rollout else None
    return state.phase, state.split, state.stable, state.candidate, state.gateways, progress


def _hurries(state: State, event: OperatorEvent) -> bool:
    """Whether it takes traffic from a candidate: that never waits for a second look."""
    back = isinstance(event, events.RollbackAsked | events.Rejected)
    return back and (state.phase in SERVING or state.phase is Phase.PROMOTED or state.serves_candidate)


def _does_not_fit(state: State, event: OperatorEvent) -> Refusal:
    fits = [phase.value for phase in Phase if TABLE[phase, type(event)].handler]  # type: ignore[index]  # AnyEvent
    return Refusal(
        f"{state.agent}: cannot {event.verb} while it is {state.phase.value}.{retreat.last_change(state)}",
        remedy=f"It can be done while {', '.join(fits)}.",
    )
