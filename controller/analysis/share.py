"""Does a gateway send the candidate the share it was told to? A two-sided sequential test, to name one that does not.

Per report, k of n requests went to the candidate at a commanded share q: S_j = (q_j/q)^k ((1-q_j)/(1-q))^(n-k) for
shares q_j on both sides of q. The command may change between reports. Requests of sticky sessions are not independent:
there, sessions are counted, and `hashed_log_e` knows that a ring of few points gives another share than told.

Source of the hashed test: the Beta-binomial as the predictive of a share that was itself drawn; a ratio of predictives
is an e-process (Grünwald, de Heide, Koolen, arXiv 1906.07801).
"""

import dataclasses
import math

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
    """

    mixture: Mixture = dataclasses.field(default_factory=_over_odds)
    requests: int = 0
    candidate: int = 0

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
        )

    @property
    def log_e(self) -> float:
        """Log of the e-value against "the gateway does as it was told"."""
        return self.mixture.log_e


def hashed_log_e(to_candidate: int, to_stable: int, candidate_points: int, stable_points: int) -> float:
    """Log of the e-value against "the gateway hashes sessions onto the points that it was told".

    So many random points on a circle are a share that chance has drawn, from Beta(candidate_points, stable_points), and
    every session has that share. The alternative is that it could be any.

    Args:
        to_candidate: sessions that went there, each counted once.
        to_stable: those that went there.
        candidate_points: of the ring.
        stable_points: of the ring.
    """
    assert candidate_points > 0 < stable_points, "each track that gets sessions has a point"
    told = _log_beta(candidate_points + to_candidate, stable_points + to_stable)
    return _log_beta(1 + to_candidate, 1 + to_stable) - (told - _log_beta(candidate_points, stable_points))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
