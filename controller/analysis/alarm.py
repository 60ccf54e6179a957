"""Whether a track breaches an absolute objective at present: raised within a block or two, lowered soon after.

Per alternative an e-CUSUM, `ln C <- max(ln C, 0) + ln S`, held under a ceiling so that a long outage is forgotten as
fast as a short one; the alarm is up while their mean is at least RAISE_E. Its mean time between false alarms is RAISE_E
blocks or more (Shin, Ramdas, Rinaldo, arXiv 2203.03532). It names a common cause; no rollback depends on it.
"""

import dataclasses
import math

from controller.analysis.indicators import Counts
from controller.analysis.rates import clamped, log_likelihood_ratio, shifted

RAISE_E = 1_000.0
_ODDS_RATIOS = (2.0, 4.0, 10.0, 40.0)
_LOG_RAISE = math.log(RAISE_E)
_LOG_CEILING = _LOG_RAISE + math.log(len(_ODDS_RATIOS)) + 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Alarm:
    """The detector's state: ln C per alternative."""

    logs: tuple[float, ...] = (0.0,) * len(_ODDS_RATIOS)

    @property
    def up(self) -> bool:
        """The track breaches its objective now."""
        return math.fsum(math.exp(c) for c in self.logs) >= RAISE_E * len(self.logs)

    def after(self, counts: Counts, max_rate: float) -> "Alarm":
        """The detector after a block of this track's events."""
        p0 = clamped(max_rate)
        factors = (log_likelihood_ratio(counts, shifted(p0, ratio), p0) for ratio in _ODDS_RATIOS)
        return Alarm(
            tuple(min(max(c, 0.0) + f, _LOG_CEILING) for c, f in zip(self.logs, factors, strict=True)),
        )

    def to_record(self) -> list[float]:
        """As JSON."""
        return list(self.logs)

    @classmethod
    def from_record(cls, record: list[float]) -> "Alarm":
        """The inverse of `to_record`, to the bit."""
        return cls(tuple(record))
