"""Entries of Kong's http-log plugin, summed to cumulative counts per agent and version. Pure.

Kong writes an entry when the last byte of an answer has gone out, so a stream counts when it ends. Each try of the
balancer is a request to the version that lives at its address: all but the last of them failed, or there would have
been no next. Source: https://developer.konghq.com/plugins/http-log/ (log format).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf

from adapters.port import Stickiness, Tally, latency_over

from .sessions import Sessions
from .weights import is_whole, target_at

VERSIONS_MAX = 32
"""Of one agent, the versions whose counts are kept; the one that was heard of longest ago goes first."""

ADDRESSES_MAX = 4_096
"""Of one agent, the addresses that are known; in a cluster every version has new ones."""

SEEN_MAX = 65_536
"""The requests that are remembered, because Kong posts a batch again when it missed our answer to it."""

REQUEST_ID_CHARS_MAX = 128
"""Kong's has 32; what is longer is not remembered."""

TRIES_MAX = 64


@dataclass(slots=True)
class _Agent:
    name: str
    versions: Mapping[str, str] = field(default_factory=dict)
    limits_s: tuple[float, ...] = ()
    counts: dict[str, Tally] = field(default_factory=dict)
    sessions: Sessions | None = None
    division: object = None

    @property
    def names(self) -> set[str]:
        """Every version that is known."""
        return set(self.versions.values())

    def know(self, versions: Mapping[str, str]) -> None:
        """The newest addresses are kept, and those that are told again are new again."""
        older = {address: name for address, name in self.versions.items() if address not in versions}
        kept = ADDRESSES_MAX - len(versions)
        self.versions = {**dict(list(older.items())[max(0, len(older) - kept) :]), **versions}


@dataclass(slots=True)
class LogBook:
    """What Kong has logged since this was made.

    Attributes:
        entries: how many entries were counted.
        strangers: how many were not: not ours, or no entry at all.
    """

    entries: int = 0
    strangers: int = 0
    _agents: dict[str, _Agent] = field(default_factory=dict)
    _seen: dict[str, None] = field(default_factory=dict)

    def know(self, upstream: str, agent: str, versions: Mapping[str, str], limits_s: Iterable[float] = ()) -> None:
        """Count entries of services whose ``host`` is this upstream for this agent.

        Args:
            upstream: the upstream's name.
            agent: whose it is.
            versions: ``ip:port`` to the name of the version that lives there.
            limits_s: count the answers that took longer than each of these.
        """
        entry = self._agents.setdefault(upstream, _Agent(agent))
        entry.limits_s = tuple(limits_s)
        entry.know(versions)

    def learn(self, upstream: str, addresses: Mapping[str, str]) -> None:
        """Host names' addresses, ``ip:port`` to the target that has it: entries name addresses."""
        entry = self._agents.get(upstream)
        if entry is not None:
            named = ((address, entry.versions.get(target)) for address, target in addresses.items())
            entry.know({address: version for address, version in named if version is not None})

    def divide(self, upstream: str, stickiness: Stickiness, lasting_s: float, division: object, now_s: float) -> None:
        """Count sessions from now on, as a division of the ring guides them that has just been confirmed.

        Args:
            upstream: the upstream's name.
            stickiness: what a session is known by.
            lasting_s: the longest that a request may take.
            division: what the ring is made of: under an equal one, a session goes where it went before.
            now_s: on the clock of ``take``.
        """
        entry = self._agents[upstream]
        if entry.sessions is None or entry.division != (stickiness, lasting_s, division):
            counted = entry.sessions.counts(now_s) if entry.sessions else {}
            before = {name: count for name, count in counted.items() if name in entry.names}
            entry.sessions = Sessions(stickiness, lasting_s, before)
            entry.division = (stickiness, lasting_s, division)
        entry.sessions.begin(now_s)

    def undivided(self, upstream: str) -> None:
        """Nobody knows how the ring is divided now: no session counts that begins before it is confirmed."""
        entry = self._agents[upstream]
        if entry.sessions is not None:
            entry.sessions.begin(inf)

    def forget(self, upstream: str) -> None:
        """Count nothing of this upstream any more."""
        self._agents.pop(upstream, None)

    def tallies(self, upstream: str, known: Iterable[str]) -> dict[str, Tally]:
        """Cumulative counts per version; empty until anything was logged, because silence is not zero."""
        entry = self._agents.get(upstream)
        if entry is None or not entry.counts:
            return {}
        return {**dict.fromkeys(known, Tally()), **entry.counts}

    def sessions(self, upstream: str, known: Iterable[str], now_s: float) -> dict[str, int] | None:
        """Sessions per version, cumulative, see :class:`Sessions`; None while none are counted."""
        entry = self._agents.get(upstream)
        if entry is None or entry.sessions is None:
            return None
        return {**dict.fromkeys(known, 0), **entry.sessions.counts(now_s)}

    def take(self, entry: object, ended_s: float, wall_ahead_s: float = 0.0) -> None:
        """Add one entry; whatever is none of ours is left out, and counted as a stranger.

        Args:
            entry: what Kong has posted.
            ended_s: a moment before which it has not ended, if it was posted at once.
            wall_ahead_s: how far the wall clock is ahead of that clock.
        """
        service = _mapping(entry, "service")
        host = service.get("host")
        agent = self._agents.get(host) if isinstance(host, str) else None
        tries = entry.get("tries") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or agent is None or not isinstance(tries, list) or not tries:
            self.strangers += 1
            return
        request = _mapping(entry, "request")
        if self._is_repeated(request.get("id")):
            return
        latencies = _mapping(entry, "latencies")
        # Where a request was tried first is where the hash has guided it.
        first = agent.versions.get(_address(tries[0]))
        lasted_s, started_s = _seconds(latencies.get("request")), _seconds(entry.get("started_at"))
        if agent.sessions is not None and first is not None and lasted_s is not None and started_s is not None:
            # Kong posts a batch again that was not taken, a minute later even, and its clock may be wrong.
            began_s = min(ended_s - lasted_s, started_s - wall_ahead_s)
            agent.sessions.take(_mapping(request, "headers"), began_s, first)
        status, waited_s = _mapping(entry, "response").get("status"), _waited_s(latencies)
        failed = not is_whole(status) or status >= 500
        for index, attempt in enumerate(tries[:TRIES_MAX]):
            version = agent.versions.get(_address(attempt))
            is_last = index == len(tries) - 1
            if version is not None:
                _count(agent, version, failed=failed or not is_last, waited_s=waited_s if is_last else None)
        self.entries += 1

    def _is_repeated(self, request_id: object) -> bool:
        if not isinstance(request_id, str) or len(request_id) > REQUEST_ID_CHARS_MAX:
            return False  # before Kong 3.5 there is none
        if request_id in self._seen:
            return True
        self._seen[request_id] = None
        if len(self._seen) > SEEN_MAX:
            del self._seen[next(iter(self._seen))]
        return False


def _count(agent: _Agent, version: str, *, failed: bool, waited_s: float | None) -> None:
    before = agent.counts.pop(version, Tally())
    indicators = dict(before.indicators)
    if waited_s is not None:
        for limit_s in agent.limits_s:
            name = latency_over(limit_s)
            requests, slow = indicators.get(name, (0, 0.0))
            indicators[name] = (requests + 1, slow + (waited_s > limit_s))
    agent.counts[version] = replace(
        before, requests=before.requests + 1, errors=before.errors + failed, indicators=indicators
    )
    while len(agent.counts) > VERSIONS_MAX:
        del agent.counts[next(iter(agent.counts))]


def _waited_s(latencies: Mapping[object, object]) -> float | None:
    """From the request to the first byte of its answer; where none came (-1), until it was given up."""
    found = (_seconds(latencies.get(name)) for name in ("proxy", "request"))
    return next((value_s for value_s in found if value_s is not None), None)


def _seconds(value_ms: object) -> float | None:
    if isinstance(value_ms, int | float) and not isinstance(value_ms, bool) and value_ms >= 0:
        return value_ms / 1000
    return None


def _address(attempt: object) -> str:
    return target_at(attempt.get("ip"), attempt.get("port")) if isinstance(attempt, dict) else ""


def _mapping(entry: object, name: str) -> Mapping[object, object]:
    value = entry.get(name) if isinstance(entry, dict) else None
    return value if isinstance(value, dict) else {}
