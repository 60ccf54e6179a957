"""One figure of the table, and what is said of its goal."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MARGIN = 0.1
"""A goal that is missed by no more than this is told, and fails nothing: two runs on one machine differ as much."""


@dataclass(frozen=True, slots=True)
class Line:
    """One figure: what was measured, its floor, and what was to be reached.

    Attributes:
        used: how much of what the goal allows was needed; 1 is all of it. 0 where there is no goal.
        counts: whether a miss fails the run. It does not where the floor alone would miss.
        note: what else must be known of it, such as why it was not measured.
    """

    what: str
    ours: str = ""
    floor: str = ""
    ratio: str = ""
    goal: str = ""
    used: float = 0.0
    counts: bool = True
    note: str = ""

    @property
    def fails(self) -> bool:
        """Whether the goal is missed by more than two runs on one machine differ."""
        return self.counts and self.used > 1 + MARGIN

    @property
    def judgement(self) -> str:
        """What to say of it: whether the goal is met by its letter, and by how much it is missed."""
        said = "" if not self.used else "met" if self.used <= 1 else f"missed by {self.used - 1:.0%}"
        return "; ".join(part for part in (said, self.note) if part)


def compared(what: str, ours_s: Sequence[float], floor_s: Sequence[float], limit: float) -> Line:
    """A time against its floor: medians."""
    ours, floor = statistics.median(ours_s), statistics.median(floor_s)
    ratio = ours / floor
    return Line(what, f"{ours * 1e3:.1f} ms", f"{floor * 1e3:.1f} ms", f"{ratio:.2f}", f"≤ {limit:g}", ratio / limit)


def bounded(what: str, found_s: Sequence[float], limit_s: float, goal: str) -> Line:
    """A time that has a limit of its own, and no floor."""
    found = statistics.median(found_s)
    return Line(what, f"{found * 1e3:.1f} ms", goal=goal, used=found / limit_s)
