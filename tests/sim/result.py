"""What became of one seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a seed.

    Attributes:
        broken: the law that was broken; empty when all held.
        digest: identifies everything that happened.
        outcomes: the phase that each rollout ended in.
        named: looks at which a gateway was named that gave another share than it said.
        hands: how often somebody changed a gateway by hand.
        judged: rollouts of good candidates that had traffic and were judged; `blamed`, those that were in breach.
    """

    seed: int
    broken: str
    digest: str
    last: tuple[str, ...]
    virtual_s: float
    restarts: int
    outcomes: Mapping[str, str] = field(default_factory=dict)
    judged: int = 0
    blamed: int = 0
    bad_promoted: int = 0
    named: int = 0
    hands: int = 0
