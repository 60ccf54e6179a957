"""Arithmetic of bad fractions: kept away from 0 and 1, moved by odds ratios, tracked as they drift."""

import dataclasses
import math

from controller.analysis.indicators import Counts

RATE_MIN = 1e-6
"""No rate that a likelihood is built on is closer to 0 or 1 than this, so that no logarithm is infinite."""

MEMORY_EVENTS = 5_000
"""The running rate forgets beyond this many events: it follows a drift, and yet tells 0.1 % from 1 %."""

_PRIOR_VALID, _PRIOR_BAD = 50.0, 0.5


def clamped(rate: float) -> float:
    """`rate`, moved into [RATE_MIN, 1 - RATE_MIN]."""
    return min(max(rate, RATE_MIN), 1.0 - RATE_MIN)


def shifted(rate: float, odds_ratio: float) -> float:
    """The rate whose odds are `odds_ratio` times those of `rate` (in 0..1, exclusive), clamped."""
    odds = rate / (1.0 - rate) * odds_ratio
    return clamped(odds / (1.0 + odds))


def log_likelihood_ratio(counts: Counts, rate: float, null_rate: float) -> float:
    """Log of how much more likely `counts` are at `rate` than at `null_rate`, both clamped."""
    return counts.bad * math.log(rate / null_rate) + counts.good * (math.log1p(-rate) - math.log1p(-null_rate))


@dataclasses.dataclass(frozen=True, slots=True)
class RunningRate:
    """A track's bad fraction of late: the guess that a relative test fixes before it sees a block."""

    valid: float = 0.0
    bad: float = 0.0

    @property
    def guess(self) -> float:
        """The bad fraction expected of the next block; never 0 nor 1, however long the record."""
        return (self.bad + _PRIOR_BAD) / (self.valid + _PRIOR_VALID)

    def seeing(self, counts: Counts) -> "RunningRate":
        """The rate after `counts`; older events weigh less once there are more than MEMORY_EVENTS."""
        valid, bad = self.valid + counts.valid, self.bad + counts.bad
        keep = min(1.0, MEMORY_EVENTS / valid) if valid else 1.0
        return RunningRate(valid * keep, bad * keep)

    def to_record(self) -> list[float]:
        """As JSON: `[valid, bad]`."""
        return [self.valid, self.bad]

    @classmethod
    def from_record(cls, record: list[float]) -> "RunningRate":
        """The inverse of `to_record`, to the bit."""
        valid, bad = record
        return cls(valid, bad)
