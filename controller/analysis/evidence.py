"""All that is known about one objective: the e-processes, the alarms, and the block that is still being filled."""

import dataclasses
from typing import Any, Literal

from controller.analysis import absolute, relative
from controller.analysis.alarm import Alarm
from controller.analysis.indicators import Block, Counts
from controller.analysis.mixture import Mixture
from controller.analysis.objectives import Objective
from controller.analysis.rates import RunningRate

Test = Literal["absolute", "relative"]

BLOCK_EVENTS_MIN = 5
"""A block is judged at once when each track has this many events in it ..."""

PATIENCE_S = 2.0
"""... and after this long with whatever it has. Blocks where one track is idle compare nothing, so sparse reports are
gathered first; that depends on how many events there are, never on how many are bad, so the error promise holds."""


def _over_rates() -> Mixture:
    return Mixture.over(absolute.ALTERNATIVES)


def _over_odds() -> Mixture:
    return Mixture.over(len(relative.ODDS_RATIOS))


@dataclasses.dataclass(frozen=True, slots=True)
class Evidence:
    """The state of one objective's tests. `against_*` and `guard` speak for a breach, `shown_*` for promotion.

    Times are on the clock of `now_s`; `candidate_seen_s` and `stable_seen_s` are when a track last had a valid event,
    and at first when the watch began.
    """

    candidate_seen_s: float
    stable_seen_s: float
    against_absolute: Mixture = dataclasses.field(default_factory=_over_rates)
    guard: Mixture = dataclasses.field(default_factory=_over_rates)
    against_relative: Mixture = dataclasses.field(default_factory=_over_odds)
    shown_absolute: Mixture = dataclasses.field(default_factory=_over_rates)
    shown_relative: Mixture = dataclasses.field(default_factory=_over_odds)
    candidate_alarm: Alarm = dataclasses.field(default_factory=Alarm)
    stable_alarm: Alarm = dataclasses.field(default_factory=Alarm)
    stable_rate: RunningRate = dataclasses.field(default_factory=RunningRate)
    candidate: Counts = dataclasses.field(default_factory=Counts)
    stable: Counts = dataclasses.field(default_factory=Counts)
    pending: Block = dataclasses.field(default_factory=Block)
    pending_since_s: float | None = None
    breached: Test | None = None

    def stable_idle(self, now_s: float) -> bool:
        """Stable has had no event of late: there is nothing to compare the candidate with."""
        return now_s - self.stable_seen_s >= PATIENCE_S

    def gathering(self, block: Block, now_s: float) -> "Evidence":
        """The evidence with `block` put to what waits to be judged."""
        pending = self.pending + block
        empty = not pending.candidate.valid and not pending.stable.valid
        since_s = now_s if self.pending_since_s is None else self.pending_since_s
        return dataclasses.replace(
            self,
            candidate=self.candidate + block.candidate,
            stable=self.stable + block.stable,
            candidate_seen_s=now_s if block.candidate.valid else self.candidate_seen_s,
            stable_seen_s=now_s if block.stable.valid else self.stable_seen_s,
            pending=pending,
            pending_since_s=None if empty else since_s,
        )

    def ripe(self, now_s: float) -> bool:
        """What waits can be judged now."""
        if self.pending_since_s is None:
            return False
        if now_s - self.pending_since_s >= PATIENCE_S:
            return True
        n_c, n_s = self.pending.candidate.valid, self.pending.stable.valid
        return n_c >= BLOCK_EVENTS_MIN and (n_s >= BLOCK_EVENTS_MIN or (not n_s and self.stable_idle(now_s)))

    def judged(self, objective: Objective) -> "Evidence":
        """The evidence after the pending block has been shown to the tests that the objective asks for."""
        block = self.pending
        after = self
        if objective.max is not None:
            after = _judged_absolutely(after, block, objective.max, objective.margin or 0.0)
        if objective.margin is not None:
            after = _judged_relatively(after, block, objective.margin)
        # The running rate moves last: a guess is fixed before its block is seen.
        rate = self.stable_rate.seeing(block.stable)
        return dataclasses.replace(after, stable_rate=rate, pending=Block(), pending_since_s=None)

    @property
    def log_e_absolute(self) -> float:
        """Log of the e-value against the candidate's absolute objective: what both of its tests agree on."""
        return min(self.against_absolute.log_e, self.guard.log_e)

    @property
    def log_e_relative(self) -> float:
        """Log of the e-value against the candidate's relative objective."""
        return self.against_relative.log_e

    def to_record(self) -> dict[str, Any]:
        """As JSON, without the clock's readings: those mean nothing to another process."""
        return {
            "against_absolute": self.against_absolute.to_record(),
            "guard": self.guard.to_record(),
            "against_relative": self.against_relative.to_record(),
            "shown_absolute": self.shown_absolute.to_record(),
            "shown_relative": self.shown_relative.to_record(),
            "candidate_alarm": self.candidate_alarm.to_record(),
            "stable_alarm": self.stable_alarm.to_record(),
            "stable_rate": self.stable_rate.to_record(),
            "candidate": self.candidate.to_record(),
            "stable": self.stable.to_record(),
            "pending": [self.pending.candidate.to_record(), self.pending.stable.to_record()],
            "breached": self.breached,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any], now_s: float) -> "Evidence":
        """The inverse of `to_record`, to the bit, with the clocks started anew at `now_s`."""
        pending = Block(*(Counts.from_record(counts) for counts in record["pending"]))
        return cls(
            candidate_seen_s=now_s,
            stable_seen_s=now_s,
            against_absolute=Mixture.from_record(record["against_absolute"]),
            guard=Mixture.from_record(record["guard"]),
            against_relative=Mixture.from_record(record["against_relative"]),
            shown_absolute=Mixture.from_record(record["shown_absolute"]),
            shown_relative=Mixture.from_record(record["shown_relative"]),
            candidate_alarm=Alarm.from_record(record["candidate_alarm"]),
            stable_alarm=Alarm.from_record(record["stable_alarm"]),
            stable_rate=RunningRate.from_record(record["stable_rate"]),
            candidate=Counts.from_record(record["candidate"]),
            stable=Counts.from_record(record["stable"]),
            pending=pending,
            pending_since_s=now_s if pending != Block() else None,
            breached=record["breached"],
        )


def _judged_absolutely(evidence: Evidence, block: Block, max_rate: float, margin: float) -> Evidence:
    """See `absolute` for what stands guard over what."""
    stable_alarm = evidence.stable_alarm.after(block.stable, max_rate)
    after = dataclasses.replace(
        evidence,
        candidate_alarm=evidence.candidate_alarm.after(block.candidate, max_rate),
        stable_alarm=stable_alarm,
    )
    if not block.candidate.valid:
        return after
    guess = evidence.stable_rate.guess
    alone = absolute.log_factors_alone(block.candidate, max_rate)
    guard = absolute.log_factors_beside(block, guess, max_rate, margin=0.0)
    if stable_alarm.up:
        alone = tuple(map(min, alone, absolute.log_factors_beside(block, guess, max_rate, margin)))
    return dataclasses.replace(
        after,
        against_absolute=evidence.against_absolute.after(alone),
        guard=evidence.guard.after(guard),
        shown_absolute=evidence.shown_absolute.after(absolute.log_factors_better(block.candidate, max_rate)),
    )


def _judged_relatively(evidence: Evidence, block: Block, margin: float) -> Evidence:
    if not block.candidate.valid or not block.stable.valid:
        return evidence
    guess = evidence.stable_rate.guess
    return dataclasses.replace(
        evidence,
        against_relative=evidence.against_relative.after(relative.log_factors_worse(block, guess, margin)),
        shown_relative=evidence.shown_relative.after(relative.log_factors_better(block, guess, margin)),
    )
