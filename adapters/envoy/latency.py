"""Access logs, summed to cumulative counts of slow answers per agent, version and limit. Pure.

The latency of a request is the time from its last byte to the headers of its answer, because agents stream: how long an
answer goes on says how much there was to say. A request is an event of the indicator "slower than the limit"

- as soon as its answer has begun: slow if that took longer than the limit;
- as soon as it has waited for longer than the limit without an answer: slow, whatever comes of it.

A request that ended before either (a client that left, a connection that was refused) is none: it was neither fast nor
slow. Nor is one that was tried again, because its time belongs to more than one version.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from math import inf

from adapters.port import Tally, latency_over
from xds.access_logs import AccessLog, AccessLogEntry, StreamKey

VERSIONS_MAX = 32
"""Of one agent, the versions whose counts are kept; the one that was heard of longest ago goes first."""
STREAMS_MAX = 100_000
"""Requests in flight of which it is remembered that they were counted; the one heard of longest ago goes first, and is
counted again when it ends."""

LimitsOf = Callable[[str], tuple[float, ...]]
"""An agent's name to the limits that it is counted by, in seconds."""
Counted = dict[float, tuple[int, int]]
"""Limit to (events, slow ones)."""


@dataclass(slots=True)
class Latencies:
    """What the nodes of one gateway have told since it was made."""

    _counts: dict[str, dict[str, Counted]] = field(default_factory=dict)
    _told_s: dict[StreamKey, float] = field(default_factory=dict)

    def take(self, log: AccessLog, limits_of: LimitsOf) -> None:
        """Count what a message tells that was not known before."""
        for entry in log.entries:
            told_s = self._told_s.pop(entry.stream, 0.0)
            agent = entry.cluster.rpartition("/")[0]
            limits_s = limits_of(agent) if entry.version and entry.attempts <= 1 else ()
            latency_s, known_s = entry.latency_s, _known_until_s(entry)
            for limit_s in limits_s:
                if told_s <= limit_s < known_s:
                    self._add(agent, entry.version, limit_s, slow=latency_s is None or latency_s > limit_s)
            if limits_s and not entry.is_last:
                self._remember(entry.stream, max(told_s, known_s))

    def _add(self, agent: str, version: str, limit_s: float, *, slow: bool) -> None:
        versions = self._counts.setdefault(agent, {})
        counted = versions.pop(version, {})
        events, bad = counted.get(limit_s, (0, 0))
        counted[limit_s] = (events + 1, bad + slow)
        versions[version] = counted
        while len(versions) > VERSIONS_MAX:
            del versions[next(iter(versions))]

    def _remember(self, stream: StreamKey, told_s: float) -> None:
        self._told_s[stream] = told_s
        while len(self._told_s) > STREAMS_MAX:
            del self._told_s[next(iter(self._told_s))]

    def added_to(self, tallies: Mapping[str, Tally], agent: str) -> dict[str, Tally]:
        """An agent's tallies with its counts as indicators."""
        added = dict(tallies)
        for version, counted in self._counts.get(agent, {}).items():
            tally = added.get(version, Tally())
            slow = {latency_over(limit_s): (events, float(bad)) for limit_s, (events, bad) in counted.items()}
            added[version] = replace(tally, indicators={**tally.indicators, **slow})
        return added

    def keep(self, agents: Collection[str]) -> None:
        """Forget everybody else."""
        self._counts = {agent: counts for agent, counts in self._counts.items() if agent in agents}


def _known_until_s(entry: AccessLogEntry) -> float:
    """Limits below this are decided: all of them by an answer, else those that the wait has exceeded."""
    return inf if entry.latency_s is not None else entry.waited_s
