"""Outcomes that agents push: each batch counted once, in whatever order batches come, and none that comes too late.

Batches add up, so their order does not matter. That each counts once is exact: a batch names the moment at which it was
made, and the key of every counted one is remembered for as long as its moment lies within the window. One from before
the window, or from before this life of the controller, may have been counted by somebody who has forgotten its key: it
is left out. What gateways counted while no controller looked is nobody's either.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from controller.analysis.counters import Cumulative, Reading, Series
from controller.analysis.indicators import Counts, Indicator
from controller.errors import InvalidError, UnavailableError

from .sources import Judged, Looked

NAME = "pushed/outcomes"
LOOK_EVERY_S = 1.0

WINDOW_S = 600.0
"""How late a batch may come. Its key is remembered for so long."""

AHEAD_MAX_S = 60.0
"""How far an agent's clock may be ahead of ours."""

KEYS_MAX = 20_000
"""Per agent. At the limit a new batch is refused, to be sent again, rather than an old one counted twice."""

SERIES_MAX = 512
"""Counters per agent. They are few: versions that play, or have played, a track, times indicators."""


class Taken(StrEnum):
    """What became of a batch."""

    COUNTED = "counted"
    KNOWN = "known"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of some of a version's requests, as its agent saw it."""

    version: str
    indicator: Indicator
    counts: Counts


@dataclass(slots=True)
class _Book:
    """One agent's outcomes: what was counted, and by which keys (key to the moment of its batch)."""

    counted: dict[Series, Counts] = field(default_factory=dict)
    keys: dict[str, float] = field(default_factory=dict)
    news: bool = True


class Outcomes:
    """All that agents have pushed since the controller began.

    Args:
        since_s: when that was, in seconds since the epoch.
    """

    def __init__(self, since_s: float) -> None:
        self._since_s = since_s
        self._books: dict[str, _Book] = {}

    def take(self, agent: str, key: str, at_s: float, outcomes: Sequence[Outcome], now_s: float) -> Taken:
        """Count a batch, unless it was counted before or may have been.

        Args:
            agent: one that the settings name.
            key: what the pusher calls this batch, and no other of the same agent.
            at_s: when the batch was made; the same whenever it is sent again.
            outcomes: what it says, of versions and indicators that the agent has.
            now_s: the clock.

        Raises:
            InvalidError: the batch comes from the future.
            UnavailableError: too many keys are remembered; nothing was counted.
        """
        if at_s > now_s + AHEAD_MAX_S:
            raise InvalidError(
                f"The batch is {at_s - now_s:.0f} s ahead of this clock.", remedy="Set the clocks right."
            )
        book = self._books.setdefault(agent, _Book())
        if at_s < max(self._since_s, now_s - WINDOW_S):
            return Taken.LATE
        if key in book.keys:
            return Taken.KNOWN
        if len(book.keys) >= KEYS_MAX:
            book.keys = {known: at for known, at in book.keys.items() if at >= now_s - WINDOW_S}
        if len(book.keys) >= KEYS_MAX:
            raise UnavailableError(
                f"{agent} has pushed {KEYS_MAX} batches within {WINDOW_S:g} s.", remedy="Push fewer, larger batches."
            )
        book.keys[key] = at_s
        for outcome in outcomes:
            series = Series(outcome.version, outcome.indicator)
            if series in book.counted or len(book.counted) < SERIES_MAX:
                book.counted[series] = book.counted.get(series, Counts()) + outcome.counts
                book.news = True
        return Taken.COUNTED

    def source(self, agent: str) -> PushedOutcomes:
        """What was pushed about one agent, to be looked at."""
        return PushedOutcomes(self._books.setdefault(agent, _Book()))

    def keep(self, agents: Container[str]) -> None:
        """Forget every other agent's."""
        self._books = {name: book for name, book in self._books.items() if name in agents}


@dataclass(slots=True)
class PushedOutcomes:
    """One agent's pushed outcomes, as a source. What nobody pushes is not looked at: it is no data, never zero."""

    _book: _Book
    name: str = NAME
    every_s: float = LOOK_EVERY_S
    _looked: bool = False

    async def look(self, _judged: Judged) -> Looked | None:
        """Everything counted so far; None when nothing was pushed since the last look.

        The first look says something in any case, so that what is pushed after it is known to be new.
        """
        if self._looked and not self._book.news:
            return None
        self._looked, self._book.news = True, False
        counters = {series: Cumulative(each.valid, each.bad) for series, each in self._book.counted.items()}
        return Looked(NAME, readings=(Reading(NAME, "", counters),))
