"""Telling everybody who listens, without ever waiting for one of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from controller.errors import UnavailableError

BACKLOG_MAX = 256
"""News that a listener has not read yet. One that falls further behind loses the oldest, and is told so."""

LISTENERS_MAX = 256


@dataclass(frozen=True, slots=True)
class News:
    """Something that listeners may want to know.

    Attributes:
        number: counts all news since the controller started.
        at_s: when, in seconds since the epoch.
        agent: about whom; empty for the controller itself.
        what: one word, e.g. ``step``, ``rolling-back``, ``drained``.
        text: for people.
        facts: for programs; JSON values.
    """

    number: int
    at_s: float
    agent: str
    what: str
    text: str
    facts: Mapping[str, object] = field(default_factory=dict)


class Broadcast:
    """One source, any number of listeners."""

    def __init__(self) -> None:
        self._number = 0
        self._recent: deque[News] = deque(maxlen=BACKLOG_MAX)
        self._listeners: set[asyncio.Queue[News]] = set()

    def publish(self, at_s: float, agent: str, what: str, text: str, facts: Mapping[str, object] | None = None) -> News:
        """Tell every listener. Never blocks."""
        self._number += 1
        news = News(self._number, at_s, agent, what, text, facts or {})
        self._recent.append(news)
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(news)
        return news

    @contextmanager
    def listen(self, *, after: int | None = None) -> Iterator[AsyncIterator[News]]:
        """Hear all that is published while the context is open. A gap in ``number`` is news that was lost.

        Args:
            after: begin with the news after this number, as far back as they are remembered; None with what comes.

        Raises:
            UnavailableError: there are too many listeners already.
        """
        if len(self._listeners) >= LISTENERS_MAX:
            raise UnavailableError(f"{LISTENERS_MAX} listeners are connected already.", remedy="Close one, or poll.")
        queue: asyncio.Queue[News] = asyncio.Queue(BACKLOG_MAX)
        for news in () if after is None else [news for news in self._recent if news.number > after]:
            queue.put_nowait(news)
        self._listeners.add(queue)
        try:
            yield _endless(queue)
        finally:
            self._listeners.discard(queue)


async def _endless(queue: asyncio.Queue[News]) -> AsyncIterator[News]:
    while True:
        yield await queue.get()
