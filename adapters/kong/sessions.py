"""Sessions counted once each, by the version that served them first, in bounded memory. Pure.

Requests of one session go where its first one went, so they say nothing more of the share that a version gets: one busy
session would look like a share of its own. New sessions are drawn independently.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from adapters.port import Stickiness

SESSIONS_MAX = 16_384
"""Sessions that are remembered. With more of them, every other one is neither remembered nor counted any more."""


class Sessions:
    """The sessions of one agent under one split, from the moment when that was confirmed.

    Args:
        stickiness: what a session is known by.
        since_s: when the split was confirmed. Requests that began earlier were guided by another.
        before: cumulative counts so far.
    """

    def __init__(self, stickiness: Stickiness, since_s: float, before: Mapping[str, int]) -> None:
        self.counts = Counter(before)
        self._stickiness = stickiness
        self._since_s = since_s
        self._seen: set[int] = set()
        self._passed_over = 0

    def take(self, headers: Mapping[object, object], began_s: float, version: str) -> None:
        """A request has come to a version. What is kept of its session is a hash, keyed by this process."""
        session = session_in(headers, self._stickiness) if began_s >= self._since_s else None
        if session is None:
            return
        drawn = hash(session)
        if drawn & self._passed_over or drawn in self._seen:
            return
        self._seen.add(drawn)
        self.counts[version] += 1
        if len(self._seen) > SESSIONS_MAX:
            # By a bit of the hash, which knows no version: those that are left stand for all.
            self._passed_over = self._passed_over << 1 | 1
            self._seen = {kept for kept in self._seen if not kept & self._passed_over}


def session_in(headers: Mapping[object, object], stickiness: Stickiness) -> str | None:
    """What a request's session is known by, from its headers as Kong logs them; None when it has none."""
    if stickiness.header is not None:
        found = headers.get(stickiness.header.lower())
        return found if isinstance(found, str) and found else None
    cookies = headers.get("cookie")
    for part in cookies.split(";") if isinstance(cookies, str) else ():
        name, _, value = part.strip().partition("=")
        if name == stickiness.cookie:
            return value or None
    return None
