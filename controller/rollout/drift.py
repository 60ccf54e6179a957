"""When a gateway does not hold any more what it had confirmed: it began again, or somebody has changed it by hand."""

from __future__ import annotations

from dataclasses import replace

from .advance import pause_for_drift
from .commands import Announce, Apply
from .events import Drifted
from .plan import OnDrift
from .retreat import Outcome, applied
from .state import State


def on_drifted(state: State, event: Drifted) -> Outcome:
    """Its confirmation counts no more. One that began again is being told anew; a hand is answered as is configured."""
    if event.revision != state.revision or event.gateway not in state.confirmed:
        return state, ()
    state = replace(state, confirmed=state.confirmed - {event.gateway})
    if not event.by_hand:
        return state, (Announce("reset", f"{event.gateway} began again, and is told anew{_detail(event)}"),)
    found = f"somebody changed {event.gateway} by hand{_detail(event)}"
    if event.answer is OnDrift.GIVE_WAY:
        return state, (Announce("drifted", f"{found}; it is left so"),)
    return _taken_over(state, found)


def on_drifted_in_a_step(state: State, event: Drifted) -> Outcome:
    """The same where there is a rollout to pause: unless the settings say to take over, a person is asked."""
    if not event.by_hand or event.answer is OnDrift.TAKE_OVER:
        return on_drifted(state, event)
    after, said = on_drifted(state, replace(event, answer=OnDrift.GIVE_WAY))
    if after == state:
        return state, ()
    after, asked = pause_for_drift(after, event.now_s, f"somebody changed {event.gateway} by hand{_detail(event)}")
    return after, (*said, *asked)


def on_drifted_going_back(state: State, event: Drifted) -> Outcome:
    """The way back gives way to nobody."""
    return on_drifted(state, replace(event, answer=OnDrift.TAKE_OVER))


def _taken_over(state: State, found: str) -> Outcome:
    state = applied(state)
    return state, (Apply(state.revision), Announce("drifted", f"{found}; what was decided is applied again"))


def _detail(event: Drifted) -> str:
    return f" ({event.detail})" if event.detail else ""
