"""Many seeds, summed up: what became of the rollouts, and whether alpha's promise held over all of them."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .result import Result
from .scenario import ALPHA
from .world import run

SURPRISE_MAX = 1e-6
"""How unlikely the number of false alarms may be, if alpha's promise holds, before it is taken for broken."""


@dataclass(slots=True)
class Campaign:
    """The sum of results."""

    began_s: float = field(default_factory=time.monotonic)
    seeds: int = 0
    restarts: int = 0
    virtual_s: float = 0.0
    judged: int = 0
    blamed: int = 0
    bad_promoted: int = 0
    named: int = 0
    hands: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        self.seeds += 1
        self.restarts += result.restarts
        self.virtual_s += result.virtual_s
        self.judged += result.judged
        self.blamed += result.blamed
        self.bad_promoted += result.bad_promoted
        self.named += bool(result.named)
        self.hands += result.hands
        self.outcomes.update(result.outcomes.values())

    @property
    def promise_broken(self) -> str:
        """Why alpha's promise is not believed any more; empty while it is."""
        surprise = chance_of_at_least(self.blamed, self.judged, ALPHA)
        if surprise >= SURPRISE_MAX:
            return ""
        return (
            f"{self.blamed} of {self.judged} good candidates were blamed, {ALPHA:.0%} are allowed (p = {surprise:.1e})"
        )

    def __str__(self) -> str:
        took_s = max(time.monotonic() - self.began_s, 1e-9)
        ended = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.outcomes.items()))
        return (
            f"{self.seeds} seeds: rollouts {ended or 'none'}; {self.restarts} restarts; "
            f"{self.blamed} of {self.judged} good candidates blamed (at most {ALPHA:.0%}); "
            f"{self.bad_promoted} bad ones promoted unaided; "
            f"crooked gateways named in {self.named} seeds, {self.hands} gateways changed by hand; "
            f"{self.virtual_s / 3600:.1f} virtual hours in {took_s:.0f} s, {self.seeds / took_s:.0f} seeds/s"
        )


def chance_of_at_least(count: int, of: int, rate: float) -> float:
    """The chance that of so many, each with this rate, so many or more are hit (binomial)."""
    below = (math.comb(of, k) * rate**k * (1 - rate) ** (of - k) for k in range(min(count, of)))
    return max(0.0, 1.0 - math.fsum(below)) if of <= 1000 else _tail(count, of, rate)


def _tail(count: int, of: int, rate: float) -> float:
    """The same for many, bounded from above after Chernoff."""
    found = count / of
    if found <= rate:
        return 1.0
    if count == of:
        return rate**of
    divergence = found * math.log(found / rate) + (1 - found) * math.log((1 - found) / (1 - rate))
    return math.exp(-of * divergence)


@contextmanager
def quiet() -> Iterator[None]:
    """The core reports every fault that is simulated; while this is open they are the weather."""
    logger = logging.getLogger("controller")
    before = logger.level, logger.propagate
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    try:
        yield
    finally:
        logger.level, logger.propagate = before


def play(seeds: Iterable[int], heard: Callable[[Campaign], None] = lambda _: None) -> tuple[Campaign, Result | None]:
    """Play seeds until a law is broken; the sum, and the result that broke it."""
    campaign = Campaign()
    for seed in seeds:
        result = run(seed)
        campaign.add(result)
        if result.broken:
            return campaign, result
        heard(campaign)
    return campaign, None


def story(result: Result) -> str:
    """What a person needs who must find out why: the law, the last events, and how to see it again."""
    events = "\n".join(result.last)
    return (
        f"seed {result.seed} broke a law: {result.broken}\n"
        f"The last events, in virtual seconds:\n{events}\n"
        f"Replay it: make sim SEED={result.seed}"
    )
