"""The dead-man switch's other half: endpoints that go stale are sent again for as long as the controller lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

REFRESHES_PER_DEAD_MAN = 3
"""How often endpoints that go stale are sent again within their time to live."""


class Refresher:
    """Calls ``refresh`` in time, again and again, while anything is alive that would go stale.

    Args:
        lives_s: how long each of what is wanted lives, in seconds. What is wanted, and not what is published: while
            others are tried, a candidate may be held back, and comes back without a word to anybody.
        refresh: sends it again.
    """

    def __init__(self, lives_s: Callable[[], Iterable[float]], refresh: Callable[[], None]) -> None:
        self._lives_s = lives_s
        self._refresh = refresh
        self._due: asyncio.TimerHandle | None = None

    @property
    def due_s(self) -> float | None:
        """When it is sent again, on the event loop's clock; None when nothing goes stale."""
        return self._due.when() if self._due else None

    def arm(self) -> None:
        """Something new may go stale. What is due earlier stays due."""
        life_s = min(self._lives_s(), default=None)
        if life_s is None:
            return
        loop = asyncio.get_running_loop()
        due_s = loop.time() + life_s / REFRESHES_PER_DEAD_MAN
        if self._due is not None:
            if self._due.when() <= due_s:
                return
            self._due.cancel()
        self._due = loop.call_at(due_s, self._fire)

    def close(self) -> None:
        """Send nothing any more."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _fire(self) -> None:
        self._due = None
        self.arm()
        self._refresh()
