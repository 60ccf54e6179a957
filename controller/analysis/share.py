"""Does a gateway send the candidate the share it was told to? A two-sided sequential test, to name one that does not.

Per report, k of n requests went to the candidate at a commanded share q: S_j = (q_j/q)^k ((1-q_j)/(1-q))^(n-k) for
shares q_j on both sides of q. The command may change between reports. Requests of sticky sessions are not independent:
count sessions there, or expect more alarms than alpha.
"""

import dataclasses
from typing import Any

from controller.analysis.indicators import Counts
from controller.analysis.mixture import Mixture
from controller.analysis.rates import clamped, log_likelihood_ratio, shifted

_ODDS_RATIOS = (1e-4, 0.01, 0.1, 0.3, 0.7, 0.9, 1.1, 1.4, 3.0, 10.0, 100.0, 1e4)


def _over_odds() -> Mixture:
    return Mixture.over(len(_ODDS_RATIOS))


@dataclasses.dataclass(frozen=True, slots=True)
class ShareEvidence:
    """The state of the test for one gateway; begin with `ShareEvidence()`.

    Attributes:
        requests: all requests seen.
        candidate: those that went to the candidate.
        commanded: those that should have, on average.
    """

    mixture: Mixture = dataclasses.field(default_factory=_over_odds)
    requests: int = 0
    candidate: int = 0
    commanded: float = 0.0

    def after(self, candidate: int, requests: int, commanded_share: float) -> "ShareEvidence":
        """The evidence after a report: `candidate` of `requests` at a `commanded_share` in 0..1.

        Raises:
            ValueError: more went to the candidate than there were, or the share is out of range.
        """
        if not 0.0 <= commanded_share <= 1.0:
            raise ValueError(f"a share lies in 0..1, not {commanded_share!r}")
        counts = Counts(valid=requests, bad=candidate)
        if not requests:
            return self
        share = clamped(commanded_share)
        factors = [log_likelihood_ratio(counts, shifted(share, ratio), share) for ratio in _ODDS_RATIOS]
        return ShareEvidence(
            self.mixture.after(factors),
            self.requests + requests,
            self.candidate + candidate,
            self.commanded + commanded_share * requests,
        )

    @property
    def log_e(self) -> float:
        """Log of the e-value against "the gateway does as it was told"."""
        return self.mixture.log_e

    @property
    def observed_share(self) -> float | None:
        """The candidate's share of all requests seen; None without any."""
        return self.candidate / self.requests if self.requests else None

    @property
    def commanded_share(self) -> float | None:
        """The share that was commanded, averaged over the same requests; None without any."""
        return self.commanded / self.requests if self.requests else None

    def to_record(self) -> dict[str, Any]:
        """As JSON."""
        return dataclasses.asdict(self) | {"mixture": self.mixture.to_record()}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "ShareEvidence":
        """The inverse of `to_record`, to the bit."""
        return cls(**(record | {"mixture": Mixture.from_record(record["mixture"])}))
