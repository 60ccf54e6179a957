"""Sessions counted once each, by the version that their first request was guided to, in bounded memory. Pure.

Requests of one session go where its first one went, so they say nothing more of the share that a version gets: one busy
session would look like a share of its own.

Kong logs a request when it has ended. Were sessions counted as they are logged, those of a fast version would all be
there when none of a slow one is: a candidate that hangs would look like one that gets nothing. So a session waits until
every request that began when its first one did has ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import inf

from adapters.port import Stickiness

SESSIONS_MAX = 16_384
"""Sessions that are remembered. With more of them, every other one is neither remembered nor counted any more."""


class Sessions:
    """The sessions of one agent under one division of its ring.

    Args:
        stickiness: what a session is known by.
        lasting_s: the longest that a request may take.
        before: what had been counted under the divisions before.
    """

    def __init__(self, stickiness: Stickiness, lasting_s: float, before: Mapping[str, int]) -> None:
        self._stickiness = stickiness
        self._lasting_s = lasting_s
        self._counts = Counter(before)
        self._since_s = inf
        self._counted: set[int] = set()
        self._waiting: dict[int, tuple[float, str]] = {}
        self._passed_over = 0

    def begin(self, since_s: float) -> None:
        """The division is confirmed since this moment: what began before may have been guided by another.

        Sessions that were counted stay so: under the same division they would only say the same again.
        """
        self._since_s = since_s
        self._waiting.clear()

    def take(self, headers: Mapping[object, object], began_s: float, version: str) -> None:
        """A request has come to a version. What is kept of its session is a hash, keyed by this process."""
        session = session_in(headers, self._stickiness) if began_s >= self._since_s else None
        if session is None:
            return
        drawn = hash(session)
        if drawn & self._passed_over or drawn in self._counted:
            return
        if drawn not in self._waiting or began_s < self._waiting[drawn][0]:
            self._waiting[drawn] = (began_s, version)
        while len(self._waiting) + len(self._counted) > SESSIONS_MAX:
            self._pass_over_half()

    def _pass_over_half(self) -> None:
        """By a bit of the hash, which knows no version: those that are left stand for all."""
        self._passed_over = self._passed_over << 1 | 1
        self._counted = {drawn for drawn in self._counted if not drawn & self._passed_over}
        self._waiting = {drawn: first for drawn, first in self._waiting.items() if not drawn & self._passed_over}

    def counts(self, now_s: float) -> Counter[str]:
        """Per version, the sessions whose time has come; they only grow."""
        due_s = now_s - self._lasting_s
        for drawn in [drawn for drawn, (began_s, _) in self._waiting.items() if began_s < due_s]:
            _, version = self._waiting.pop(drawn)
            self._counts[version] += 1
            self._counted.add(drawn)
        return self._counts


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
