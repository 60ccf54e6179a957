"""The newest proposals, as the journal tells them.

The agents' states know the proposal that is under way, or the last one. What came before stands in the journal's
transitions, of which only the newest are looked through: who wants to know of older ones reads the journal itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, cast

from adapters.port import Version
from controller.journal.records import Record, upcast
from controller.journal.transitions import TRANSITION, Reader, state_of
from controller.rollout.plan import Plan
from controller.rollout.state import Phase, State

PROPOSALS_MAX = 256
RECORDS_MAX = 20_000
"""How far back the journal is looked through for proposals, in records."""
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Known:
    """One proposal.

    Attributes:
        id: its id.
        agent: whose candidate it is.
        candidate: the version.
        digest: what a consent must name.
        plan: how it is to be rolled out.
        phase: how far it came.
        reason: why it is there.
        score: the verification score that it came with.
        submitted_at_s, updated_at_s: in seconds since the epoch.
        submitted_by: who proposed it; empty when the journal does not go back that far.
        summary: what changed and why; likewise.
    """

    id: str
    agent: str
    candidate: Version
    digest: str
    plan: Plan
    phase: Phase
    reason: str
    score: float | None
    submitted_at_s: float
    updated_at_s: float
    submitted_by: str = ""
    summary: str = ""


class KnownProposals:
    """At most `PROPOSALS_MAX`, the newest."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._read_up_to = 0
        self._reading = asyncio.Lock()

    async def catch_up(self, journal: Reader) -> None:
        """Read what the journal has got since. Raises JournalError."""
        async with self._reading:
            last = await journal.last()
            if last is None:
                return
            self._read_up_to = max(self._read_up_to, last.seq - RECORDS_MAX)
            while self._read_up_to < last.seq:
                page = await journal.read(after_seq=self._read_up_to, limit=PAGE)
                if not page:
                    return
                for record in page:
                    self._take(record)
                self._read_up_to = page[-1].seq

    def find(self, proposal: str, states: Iterable[State]) -> Known | None:
        """The proposal of this id, as it stands now."""
        return self.all(states).get(proposal)

    def all(self, states: Iterable[State]) -> dict[str, Known]:
        """All that are known, oldest first; what is in ``states`` as it stands there."""
        known = dict(self._known)
        for state in states:
            found = _in_state(state, known.get(state.rollout.id) if state.rollout else None, state_at_s=None)
            if found is not None:
                known[found.id] = found
        return known

    def _take(self, record: Record) -> None:
        if record.kind != TRANSITION:
            return
        state = state_of(record)
        found = _in_state(state, self._known.get(state.rollout.id) if state.rollout else None, state_at_s=record.at_s)
        if found is None:
            return
        body = cast("dict[str, Any]", upcast(record))
        if body["event"] == "Submitted":
            found = replace(found, submitted_by=record.actor, summary=body["details"]["reason"])
        self._known[found.id] = found
        while len(self._known) > PROPOSALS_MAX:
            del self._known[next(iter(self._known))]


def _in_state(state: State, before: Known | None, *, state_at_s: float | None) -> Known | None:
    """What a state says of its proposal. An idle agent's says no more than what was known before."""
    rollout = state.rollout
    if rollout is None or state.phase is Phase.IDLE:
        return before
    if before is not None:
        same = (before.phase, before.reason) == (state.phase, rollout.reason)
        updated_at_s = before.updated_at_s if same or state_at_s is None else state_at_s
        return replace(before, phase=state.phase, reason=rollout.reason, updated_at_s=updated_at_s)
    return Known(
        id=rollout.id,
        agent=state.agent,
        candidate=rollout.candidate,
        digest=rollout.digest,
        plan=rollout.plan,
        phase=state.phase,
        reason=rollout.reason,
        score=rollout.score,
        submitted_at_s=rollout.submitted_at_s,
        updated_at_s=state_at_s if state_at_s is not None else rollout.submitted_at_s,
    )
