"""What a driver knows of its traffic: what was counted, and what the judge makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.port import Observation
from controller.analysis.counters import Ledger, Series, blocks
from controller.analysis.indicators import Block, Counts, Indicator
from controller.analysis.verdict import Assessment, Judge, JudgeState
from controller.metrics.readings import reading
from controller.rollout.state import Phase, State


@dataclass(frozen=True, slots=True)
class Watched:
    """The version that is judged, and the one that it is compared with."""

    candidate: str
    stable: str


def watched(state: State) -> Watched | None:
    """Whom to judge now; None when no candidate has traffic.

    After a promotion the new version is watched for as long as the old one is kept ready for a return.
    """
    if state.phase is Phase.PROMOTED and state.previous is not None:
        return Watched(state.stable.name, state.previous.name)
    if state.candidate is not None and state.serves_candidate:
        return Watched(state.candidate.name, state.stable.name)
    return None


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

    def begin(self, now_s: float) -> None:
        """Forget what is known of an earlier candidate."""
        self.judged = self.judge.start(now_s) if self.judge else None
        self.assessment = None

    def end(self) -> None:
        """No candidate has traffic any more."""
        self.judged = None

    def count(self, observation: Observation) -> dict[Series, Counts]:
        """Take a new observation into the ledger; what it says that is new."""
        self.ledger, new = self.ledger.take([reading(observation)])
        return new

    def weigh(self, found: Mapping[Indicator, Block], now_s: float) -> Assessment | None:
        """Judge new events; the verdict now. None when no watch is under way."""
        if self.judge is None or self.judged is None:
            return None
        self.judged = self.judge.update(self.judged, found, now_s)
        self.assessment = self.judge.assess(self.judged, now_s)
        return self.assessment

    def adopt(self, judge: Judge | None, now_s: float) -> None:
        """Go on under other rules: an objective that demands the same keeps its evidence."""
        if self.judged is not None and self.judge is not None:
            record = self.judge.to_record(self.judged)
            self.judged = judge.from_record(record, now_s) if judge else None
        self.judge = judge


def blocks_of(new: Mapping[Series, Counts], whom: Watched | None) -> dict[Indicator, Block]:
    """New events as one block per indicator; empty where nobody is watched."""
    return blocks(new, candidate=whom.candidate, stable=whom.stable) if whom else {}
