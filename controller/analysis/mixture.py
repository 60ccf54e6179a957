"""The e-process under every test: a mixture over alternatives, and over the block in which trouble began.

A test hands over, per block and alternative j, ln S_j with E[S_j] <= 1 under its null hypothesis. The plain product of
those would do, were candidates bad from the first request. One that breaks only under load would have to win back all
that it earned while it was good. So wealth 1 is divided beforehand: 1/(k(k+1)) is staked from block k on, for every
k >= 1 (they sum to 1). What is not staked yet lies idle, so the whole stays a test martingale: by Ville's inequality
it *ever* reaches 1/a with a chance of at most a. It costs ln 2 nats at the start and about 2 ln k at block k, and takes
constant memory: `R <- R S + stake`.

Sources: Ville 1939; Ramdas, Gruenwald, Vovk, Shafer, arXiv 2210.01948 (e-processes, mixtures); Shin, Ramdas, Rinaldo,
arXiv 2203.03532 (sums of e-processes started at every time).
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Mixture:
    """The wealth staked on each alternative so far.

    `log_wealths[j]` is ln of what the stakes on alternative j are worth; `blocks` counts the blocks seen.
    """

    log_wealths: tuple[float, ...]
    blocks: int = 0

    @classmethod
    def over(cls, alternatives: int) -> "Mixture":
        """A fresh e-process, worth 1, over that many alternatives (at least one) of equal weight."""
        if alternatives < 1:
            raise ValueError("a mixture needs an alternative")
        return cls((math.log(0.5),) * alternatives)

    def after(self, log_factors: Sequence[float]) -> "Mixture":
        """The e-process after a block: ln S_j per alternative. The next block's stake is laid before it is seen."""
        assert len(log_factors) == len(self.log_wealths), "one factor per alternative"
        blocks = self.blocks + 1
        log_stake = -math.log((blocks + 1) * (blocks + 2))
        wealths = (_log_add(w + f, log_stake) for w, f in zip(self.log_wealths, log_factors, strict=True))
        return Mixture(tuple(wealths), blocks)

    def backed_by(self, other: "Mixture") -> "Mixture":
        """The e-process with no stake worth more than all those of `other` together; both over as many alternatives."""
        limit = other.log_staked + math.log(len(other.log_wealths))
        return Mixture(tuple(min(wealth, limit) for wealth in self.log_wealths), self.blocks)

    @property
    def log_staked(self) -> float:
        """Log of the mean of the staked wealths."""
        top = max(self.log_wealths)
        return top + math.log(math.fsum(math.exp(w - top) for w in self.log_wealths) / len(self.log_wealths))

    @property
    def log_e(self) -> float:
        """Log of the e-value: the mean of the staked wealths and what lies idle still."""
        return _log_add(self.log_staked, -math.log(self.blocks + 2))

    def to_record(self) -> dict[str, Any]:
        """As JSON."""
        return {"blocks": self.blocks, "log_wealths": list(self.log_wealths)}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Mixture":
        """The inverse of `to_record`, to the bit: a restarted controller has the same e-values."""
        return cls(tuple(record["log_wealths"]), record["blocks"])


def _log_add(a: float, b: float) -> float:
    """ln(e^a + e^b), without overflow."""
    high, low = (a, b) if a >= b else (b, a)
    return high + math.log1p(math.exp(low - high))
