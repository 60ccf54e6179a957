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
"""... and after this long with whatever it has. But nothing is compared without stable: then the tests of the candidate
alone see it, and the others wait for stable's next event."""

EVENT_WORTH_S = 5.0
"""Each event of stable is worth so long a wait for the next ones ..."""

SILENCE_S = 60.0
"""... and many together so long. A stable that is not heard until then is not there, as one that the split gives
nothing: the candidate is judged by its `max` alone, until stable speaks again.

A block without stable compares nothing. Were it judged by `max` alone as soon as there is one, gaps that chance makes
in little traffic would blame a candidate for outages that stable shares. Were it never, nobody would see a candidate
fail that has nearly all the traffic. So a stable with an event every 3 s or more is waited for (that it is not heard in
time by chance is as good as impossible), and one with less than an event every 5 s is mostly not.

To wait is a stopping rule on arrivals: which events there are decides, never which of them are bad. So each factor
keeps its mean of at most 1, and the error promise holds. Rates may even drift within a block, as long as the
candidate's mean rate over it is within the null hypothesis for stable's: drift makes a factor's mean smaller.
"""


def _over_rates() -> Mixture:
    return Mixture.over(absolute.ALTERNATIVES)


def _over_odds() -> Mixture:
    return Mixture.over(len(relative.ODDS_RATIOS))


@dataclasses.dataclass(frozen=True, slots=True)
class Evidence:
    """The state of one objective's tests. `against_*` and `guard` speak for a breach, `shown_*` for promotion.

    Times are on the clock of `now_s`. `candidate_seen_s` is when the candidate last had a valid event, and at first
    when the watch began; until `stable_until_s` stable is waited for. `alone` is the part of `pending` that the tests
    of the candidate alone have seen.
    """

    candidate_seen_s: float
    stable_until_s: float
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
    alone: Counts = dataclasses.field(default_factory=Counts)
    breached: Test | None = None

    def gathering(self, block: Block, now_s: float, silence_s: float = SILENCE_S) -> "Evidence":
        """The evidence with `block` put to what waits to be judged; `silence_s` is how long stable may be silent."""
        pending = self.pending + block
        empty = not pending.candidate.valid and not pending.stable.valid
        since_s = now_s if self.pending_since_s is None else self.pending_since_s
        until_s = max(self.stable_until_s, now_s) + EVENT_WORTH_S * block.stable.valid
        return dataclasses.replace(
            self,
            candidate=self.candidate + block.candidate,
            stable=self.stable + block.stable,
            candidate_seen_s=now_s if block.candidate.valid else self.candidate_seen_s,
            stable_until_s=min(until_s, now_s + silence_s) if block.stable.valid else self.stable_until_s,
            pending=pending,
            pending_since_s=None if empty else since_s,
        )

    def ripe(self, now_s: float, *, waits: bool) -> bool:
        """What was gathered can be judged now; `waits` says whether stable is waited for."""
        if self.pending_since_s is None:
            return False
        if now_s - self.pending_since_s >= PATIENCE_S:
            return True
        n_c, n_s = self.pending.candidate.valid, self.pending.stable.valid
        return n_c >= BLOCK_EVENTS_MIN and (n_s >= BLOCK_EVENTS_MIN or not (n_s or waits))

    def judged(self, objective: Objective, *, waits: bool = False) -> "Evidence":
        """The evidence after what was gathered has been shown to the tests that the objective asks for.

        Those that compare are not shown a block without stable while it `waits`: it is gathered on.
        """
        block, after = self.pending, self
        if objective.max is not None:
            after = _judged_alone(after, block.candidate, objective.max)
        if waits and not block.stable.valid:
            return after
        if objective.max is not None:
            after = _judged_absolutely(after, block, objective.max, objective.margin or 0.0)
        if objective.margin is not None:
            after = _judged_relatively(after, block, objective.margin)
        # The running rate moves last: a guess is fixed before its block is seen.
        rate = self.stable_rate.seeing(block.stable)
        return dataclasses.replace(after, stable_rate=rate, pending=Block(), pending_since_s=None, alone=Counts())

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
            "alone": self.alone.to_record(),
            "breached": self.breached,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any], now_s: float, silence_s: float = SILENCE_S) -> "Evidence":
        """The inverse of `to_record`, to the bit, with the clocks started anew at `now_s`.

        A stable that has never spoken is not waited for.
        """
        stable = Counts.from_record(record["stable"])
        pending = Block(*(Counts.from_record(counts) for counts in record["pending"]))
        return cls(
            candidate_seen_s=now_s,
            stable_until_s=now_s + silence_s if stable.valid else now_s,
            against_absolute=Mixture.from_record(record["against_absolute"]),
            guard=Mixture.from_record(record["guard"]),
            against_relative=Mixture.from_record(record["against_relative"]),
            shown_absolute=Mixture.from_record(record["shown_absolute"]),
            shown_relative=Mixture.from_record(record["shown_relative"]),
            candidate_alarm=Alarm.from_record(record["candidate_alarm"]),
            stable_alarm=Alarm.from_record(record["stable_alarm"]),
            stable_rate=RunningRate.from_record(record["stable_rate"]),
            candidate=Counts.from_record(record["candidate"]),
            stable=stable,
            pending=pending,
            pending_since_s=now_s if pending != Block() else None,
            alone=Counts.from_record(record.get("alone", [0, 0])),  # older records have none: nobody waited
            breached=record["breached"],
        )


def _judged_alone(evidence: Evidence, candidate: Counts, max_rate: float) -> Evidence:
    new = Counts(candidate.valid - evidence.alone.valid, candidate.bad - evidence.alone.bad)
    if not new.valid:
        return evidence
    return dataclasses.replace(
        evidence,
        alone=candidate,
        candidate_alarm=evidence.candidate_alarm.after(new, max_rate),
        shown_absolute=evidence.shown_absolute.after(absolute.log_factors_better(new, max_rate)),
    )


def _judged_absolutely(evidence: Evidence, block: Block, max_rate: float, margin: float) -> Evidence:
    """See `absolute` for what stands guard over what."""
    after = dataclasses.replace(evidence, stable_alarm=evidence.stable_alarm.after(block.stable, max_rate))
    if not block.candidate.valid:
        return after
    # As the guess, the alarm is the one from before the block: what is bet is fixed before it is seen.
    excused = margin if evidence.stable_alarm.up else 0.0
    beside = absolute.log_factors_beside(block, evidence.stable_rate.guess, max_rate, excused)
    alone = evidence.against_absolute.after(absolute.log_factors_alone(block.candidate, max_rate))
    guard = evidence.guard.after(beside)
    return dataclasses.replace(
        after,
        against_absolute=alone.backed_by(guard),
        guard=guard.backed_by(alone),
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
