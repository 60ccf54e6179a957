"""How a version of the demo's agent behaves: what it answers, when it begins to fail. Pure; a seed repeats it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random

TASK_FAILED_RATIO = 0.01
"""Agents do not succeed at everything: with every version this part of the tasks fails, and the answer is no error."""

BAD_RATIO = 0.2
"""The part of its answers that a version which has broken down gets wrong."""

WINDOW_S = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets.

    Attributes:
        status: 200; 500 from a version that has broken down; 503 while what every version depends on is away.
        task_failed: the outcome that the agent reports to the gateway, 0 or 1.
    """

    status: int
    task_failed: int

    @property
    def ok(self) -> bool:
        """Whether the client got what it asked for."""
        return self.status == 200


@dataclass(slots=True)
class Behaviour:
    """One version.

    Attributes:
        chance: the version's own source of chance.
        breaks_at: it breaks down, for good, when this many requests come within one second; None never does. A few
            requests now and then tell nothing of that: its failures begin only under traffic.
        outage_ratio: the part of answers that an outage spoils just now; the same for every version.
    """

    chance: Random
    breaks_at: int | None = None
    outage_ratio: float = 0.0
    broken: bool = False
    _arrivals: deque[float] = field(default_factory=deque)

    def answer(self, now_s: float) -> Answer:
        """Answer a request that comes at ``now_s``, in seconds on any clock that does not go back."""
        self._notice(now_s)
        if self.chance.random() < self.outage_ratio:
            return Answer(503, task_failed=1)
        if self.broken and self.chance.random() < BAD_RATIO:
            return Answer(500, task_failed=1)
        return Answer(200, task_failed=int(self.chance.random() < TASK_FAILED_RATIO))

    def _notice(self, now_s: float) -> None:
        if self.breaks_at is None or self.broken:
            return
        self._arrivals.append(now_s)
        while self._arrivals[0] <= now_s - WINDOW_S:
            self._arrivals.popleft()
        self.broken = len(self._arrivals) >= self.breaks_at
