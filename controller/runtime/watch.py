"""What a driver knows of its traffic: what was counted, and what the judge makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from controller.analysis.counters import Ledger, Reading, Series, blocks
from controller.analysis.evidence import Evidence
from controller.analysis.indicators import Block, Counts, Indicator
from controller.analysis.verdict import Assessment, Judge, JudgeState
from controller.metrics.sources import Judged
from controller.rollout.state import State

from .traffic import track_of

Looks = Sequence[tuple[float, Mapping[Indicator, Block], bool]]
"""When (in seconds since the epoch) what was counted, and whether the version compared with was to get requests."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The version that is judged, and the one that it is compared with."""

    candidate: str
    stable: str


def watched(state: State) -> Watched | None:
    """Whom to judge now; None when there is nobody to go back from.

    After a promotion the new version is watched for as long as the old one is kept ready for a return, also while the
    next proposal waits for its gates and for consent.
    """
    if state.candidate is not None and state.serves_candidate:
        return Watched(state.candidate.name, state.stable.name)
    if state.previous is not None:
        return Watched(state.stable.name, state.previous.name)
    return None


def serves_stable(state: State) -> bool:
    """Whether the version that is compared with gets new requests: it does not at 100 %, nor after a promotion."""
    return state.candidate is not None and state.serves_candidate and state.split.stable_bp > 0


def judged(state: State) -> Judged:
    """The same, for those who must be asked about each version by its name."""
    whom = watched(state)
    return {name: track_of(name, state) for name in (whom.candidate, whom.stable)} if whom else {}


@dataclass(slots=True)
class Watch:
    """The evidence about one candidate; owned by one driver.

    Attributes:
        judge: the rules; None where there are no objectives.
        ledger: what has been counted already, kept from candidate to candidate.
        judged: the judge's state while a watch is under way.
        assessment: the newest verdict, kept after the watch for those who ask what happened.
    """

    judge: Judge | None
    ledger: Ledger = field(default_factory=Ledger)
    judged: JudgeState | None = None
    assessment: Assessment | None = None

    def begin(self, now_s: float, whom: Watched) -> None:
        """Forget what is known of an earlier candidate."""
        self.judged = self.judge.start(now_s, self.ledger.indicators(whom.stable)) if self.judge else None
        self.assessment = None

    def end(self) -> None:
        """No candidate has traffic any more."""
        self.judged = None

    def count(self, *readings: Reading) -> dict[Series, Counts]:
        """Take new readings into the ledger; what they say that is new."""
        self.ledger, new = self.ledger.take(readings)
        return new

    def moves(self, found: Mapping[Indicator, Block], now_s: float, *, stable_serves: bool = True) -> bool:
        """Whether this look changes what is known. One without new events does, when what waited is judged by it."""
        if self.judge is None or self.judged is None:
            return False
        return bool(found) or self.judge.update(self.judged, found, now_s, stable_serves=stable_serves) != self.judged

    def weigh(self, found: Mapping[Indicator, Block], now_s: float, *, stable_serves: bool = True) -> Assessment | None:
        """Judge new events; the verdict now. None when no watch is under way."""
        if self.judge is None or self.judged is None:
            return None
        self.judged = self.judge.update(self.judged, found, now_s, stable_serves=stable_serves)
        self.assessment = self.judge.assess(self.judged, now_s)
        return self.assessment

    def adopt(self, judge: Judge | None, now_s: float) -> None:
        """Go on under other rules: an objective that demands the same keeps its evidence."""
        if self.judged is not None and self.judge is not None:
            record = self.judge.to_record(self.judged)
            self.judged = judge.from_record(record, now_s) if judge else None
        self.judge = judge

    # --- across a restart ---------------------------------------------------------------------------------------------

    def to_record(self) -> dict[str, Any]:
        """The judge's state as JSON, with its clocks (seconds since the epoch): a replay judges when we judged."""
        assert self.judge is not None
        assert self.judged is not None
        clocks = {
            name: [evidence.candidate_seen_s, evidence.stable_until_s, evidence.pending_since_s]
            for name, evidence in self.judged.evidence.items()
        }
        return {
            "objectives": self.judge.to_record(self.judged),
            "clocks": clocks,
            "stable_serves": self.judged.stable_serves,
        }

    def restore(self, record: Mapping[str, Any], looks: Looks, now_s: float) -> None:
        """Come to where :meth:`to_record` and the looks since had come, e-values to the bit.

        The no-data clocks have gone on: after a long absence the verdict is ``no-data`` until the candidate is seen
        again, or a step would be left on what was true before nobody looked.
        """
        if self.judge is None:
            return
        judged = self.judge.from_record(record["objectives"], now_s)
        self.judged = JudgeState(
            {name: _with_clocks(evidence, record["clocks"].get(name)) for name, evidence in judged.evidence.items()},
            record.get("stable_serves", True),
        )
        for at_s, found, stable_serves in looks:
            self.judged = self.judge.update(self.judged, found, at_s, stable_serves=stable_serves)
        self.assessment = self.judge.assess(self.judged, now_s)


def _with_clocks(evidence: Evidence, clocks: tuple[float, float, float | None] | None) -> Evidence:
    """Evidence with the clocks that it was recorded with; a new objective's begin now.

    The second of an old record is when stable was last seen: it is waited for again from its next event on.
    """
    if clocks is None:
        return evidence
    candidate_seen_s, stable_until_s, pending_since_s = clocks
    return replace(
        evidence,
        candidate_seen_s=candidate_seen_s,
        stable_until_s=stable_until_s,
        pending_since_s=pending_since_s if evidence.pending != Block() else None,
    )


def blocks_of(new: Mapping[Series, Counts], whom: Watched | None) -> dict[Indicator, Block]:
    """New events as one block per indicator; empty where nobody is watched."""
    return blocks(new, candidate=whom.candidate, stable=whom.stable) if whom else {}
