"""What Kong's http-log plugin tells of one gateway's agents: where it is taken in, and what is made of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from adapters.port import Assignment, GatewayError, SessionTally, Tally, host_port

from .log_book import LogBook
from .node import Upstream
from .receiver import Receiver
from .weights import Wanted, ring_points, target_name

DELAY_S = 2.0
"""How old the newest entries may be: Kong's queue collects them for 1 s before it posts (``max_coalescing_delay``)."""

LASTING_S_MIN = 30.0
"""How long a request may take, at the least: only then is the session that began with it counted."""


class HttpLog:
    """The log of one gateway.

    Args:
        gateway: its name, for errors.
        listen: ``ADDRESS:PORT`` where the plugin posts to; None takes nothing in, and knows nothing.
        now_s: a clock that never goes back.
        wall_s: the time of day, as Kong knows it too: seconds since 1970.
    """

    def __init__(
        self,
        gateway: str,
        listen: str | None,
        now_s: Callable[[], float] = time.monotonic,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._gateway = gateway
        self._listen = listen
        self._now_s = now_s
        self._wall_s = wall_s
        self._book = LogBook()
        self._points: dict[str, tuple[int, int]] = {}
        self._receiver = Receiver(*host_port(listen), self.take) if listen is not None else None

    @property
    def is_kept(self) -> bool:
        """Whether anything can be known from it."""
        return self._receiver is not None

    @property
    def port(self) -> int | None:
        """Where the plugin may post to now."""
        return self._receiver.port if self._receiver and self._receiver.is_open else None

    @property
    def strangers(self) -> int:
        """How many entries were none of ours."""
        return self._book.strangers

    async def open(self) -> None:
        """Listen, unless that is so. Raises GatewayError when the address cannot be had."""
        if self._receiver is None or self._receiver.is_open:
            return
        try:
            await self._receiver.open()
        except OSError as error:
            words = f"nobody can post the log to {self._listen}: {error}"
            raise GatewayError(self._gateway, "unreachable", words, retryable=True) from error

    async def close(self) -> None:
        """Stop listening."""
        if self._receiver is not None:
            await self._receiver.close()

    def know(self, upstream: Upstream, assignment: Assignment) -> None:
        """Count for an assignment's versions, by the addresses of their endpoints."""
        versions = {
            target_name(endpoint): version.name
            for version in reversed(assignment.versions)
            for endpoint in version.endpoints
        }
        self._book.know(upstream.name, assignment.agent, versions, assignment.latency_limits_s)

    def learn(self, upstream: Upstream, addresses: Mapping[str, str]) -> None:
        """Host names' addresses, as a balancer knows them."""
        self._book.learn(upstream.name, addresses)

    def forget(self, upstream: Upstream) -> None:
        """Count nothing of it any more."""
        self._book.forget(upstream.name)
        self._points.pop(upstream.name, None)

    def undivided(self, upstream: Upstream) -> None:
        """The weights are being changed: no session counts that begins before they are confirmed."""
        self._book.undivided(upstream.name)

    def divided(self, upstream: Upstream, assignment: Assignment, wanted: Wanted) -> None:
        """The weights are confirmed: sessions that begin from now on are guided by them."""
        if upstream.stickiness is not None:
            # What it seems to have begun may be too early by the log's delay, and it is logged so much later.
            lasting_s = max(LASTING_S_MIN, assignment.drain_deadline_s) + 2 * DELAY_S
            self._book.divide(upstream.name, upstream.stickiness, lasting_s, wanted.all, self._now_s())
            self._points[upstream.name] = ring_points(wanted)

    def take(self, entry: object) -> None:
        """One entry, just posted."""
        now_s = self._now_s()
        self._book.take(entry, now_s - DELAY_S, self._wall_s() - now_s)

    def tallies(self, upstream: Upstream, assignment: Assignment) -> Mapping[str, Tally]:
        """Cumulative counts per version; empty until anything was logged, because silence is not zero."""
        return self._book.tallies(upstream.name, [version.name for version in assignment.versions])

    def sessions(self, upstream: Upstream, assignment: Assignment) -> SessionTally | None:
        """Where sessions were guided; None while none are counted, and where only one track gets any."""
        known = [version.name for version in assignment.versions]
        counts = self._book.sessions(upstream.name, known, self._now_s())
        points = self._points.get(upstream.name, (0, 0))
        return SessionTally(counts, *points) if counts is not None and all(points) else None
