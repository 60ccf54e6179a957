"""The core, broken on purpose in ways that people break such code: the simulation must notice each of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from unittest import mock

from adapters.port import ALL_STABLE, Applied, Assignment, Receipt, Split
from controller.analysis.verdict import Verdict
from controller.journal.transitions import Recalled
from controller.rollout import advance, events
from controller.rollout.machine import TABLE, Row
from controller.rollout.state import Phase, State
from controller.runtime import driver, fleet
from controller.runtime.link import Link
from controller.runtime.profile import Profile

Sabotage = Callable[[], contextlib.AbstractContextManager[object]]


def _row(phase: Phase, event: type[events.AnyEvent], handler: Callable[..., object]) -> mock._patch_dict:
    goes_to = frozenset(Phase)
    return mock.patch.dict(TABLE, {(phase, event): Row(handler, goes_to)})  # type: ignore[arg-type]  # any handler


def a_breach_is_ignored() -> contextlib.AbstractContextManager[object]:
    def handler(state: State, event: events.Judged) -> object:
        return advance.on_judged(state, replace(event, verdict=Verdict.UNDECIDED))

    return _row(Phase.HEALTH_CHECK, events.Judged, handler)


def a_breach_only_pauses() -> contextlib.AbstractContextManager[object]:
    def handler(state: State, event: events.Judged) -> object:
        if event.verdict is Verdict.BREACH:
            return advance.pause(replace(state, verdict=event.verdict), "breach")
        return advance.on_judged(state, event)

    return _row(Phase.HEALTH_CHECK, events.Judged, handler)


def missing_data_passes() -> contextlib.AbstractContextManager[object]:
    return mock.patch.object(advance, "_evidence_allows", return_value=True)


def consent_is_not_waited_for() -> contextlib.AbstractContextManager[object]:
    def handler(state: State, event: events.GatesPassed) -> object:
        return advance.deploy(state, event.now_s)

    return _row(Phase.PENDING, events.GatesPassed, handler)


def a_gateway_is_given_more_than_the_step() -> contextlib.AbstractContextManager[object]:
    right = Profile.assignment

    def assignment(self: Profile, state: State) -> Assignment:
        found = right(self, state)
        more = found.split.candidate_bp + 1
        return replace(found, split=Split(more)) if 1 < more < 10_000 else found

    return mock.patch.object(Profile, "assignment", assignment)


def a_gateway_that_was_away_is_not_told_again() -> contextlib.AbstractContextManager[object]:
    right = Link._attempt

    async def attempt(self: Link, assignment: Assignment) -> Receipt | None:
        receipt = await right(self, assignment)
        given_up = receipt is not None and receipt.outcome in (Applied.UNREACHABLE, Applied.UNCONFIRMED)
        return replace(receipt, outcome=Applied.REFUSED) if receipt and given_up else receipt

    async def insist(self: Link, wanted: object) -> bool:
        await right_insist(self, wanted)
        return False

    right_insist = Link._insist
    patches = contextlib.ExitStack()
    patches.enter_context(mock.patch.object(Link, "_attempt", attempt))
    patches.enter_context(mock.patch("controller.runtime.link.ALL_STABLE", Split(1)))
    patches.enter_context(mock.patch.object(Link, "_insist", insist))
    return patches


def a_rollback_waits_for_the_disk() -> contextlib.AbstractContextManager[object]:
    return mock.patch.object(driver, "goes_back", return_value=False)


def an_operator_is_answered_before_the_disk() -> contextlib.AbstractContextManager[object]:
    return mock.patch.multiple(driver, goes_back=mock.Mock(return_value=True), DISK_PATIENCE_S=0.0)


def a_restart_forgets_the_evidence() -> contextlib.AbstractContextManager[object]:
    right = fleet.recall

    async def recall(journal: object, agent: str) -> Recalled | None:
        recalled = await right(journal, agent)  # type: ignore[arg-type]  # the simulated journal
        return replace(recalled, looks=recalled.looks[:-1]) if recalled else None

    return mock.patch.object(fleet, "recall", recall)


def a_restart_begins_at_the_last_checkpoint() -> contextlib.AbstractContextManager[object]:
    right = fleet.recall

    async def recall(journal: object, agent: str) -> Recalled | None:
        recalled = await right(journal, agent)  # type: ignore[arg-type]  # the simulated journal
        if recalled is None or not recalled.state.serves_candidate:
            return recalled
        return replace(recalled, state=replace(recalled.state, split=ALL_STABLE, phase=Phase.IDLE, rollout=None))

    return mock.patch.object(fleet, "recall", recall)


@contextlib.contextmanager
def a_rollout_may_wait_for_ever() -> Iterator[None]:
    right = State.timed

    def timed(self: State, timer: object, at_s: float | None) -> State:
        return right(self, timer, None if timer == "progress" else at_s)  # type: ignore[arg-type]  # a Timer is a str

    with mock.patch.object(State, "timed", timed):
        yield


SABOTAGES: Mapping[str, Sabotage] = {
    each.__name__: each
    for each in (
        a_breach_is_ignored,
        a_breach_only_pauses,
        missing_data_passes,
        consent_is_not_waited_for,
        a_gateway_is_given_more_than_the_step,
        a_gateway_that_was_away_is_not_told_again,
        a_rollback_waits_for_the_disk,
        an_operator_is_answered_before_the_disk,
        a_restart_forgets_the_evidence,
        a_restart_begins_at_the_last_checkpoint,
        a_rollout_may_wait_for_ever,
    )
}
