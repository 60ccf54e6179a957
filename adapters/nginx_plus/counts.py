"""Peers' counters, summed per version: over nodes, over restarts, over servers that were added again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from adapters.port import Tally

from .plan import is_whole, server_name

PEERS_MAX = 4_096
"""The peers whose counters are remembered; the one that was heard of longest ago goes first."""

VERSIONS_MAX = 32


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer of an upstream, as the API tells it.

    Attributes:
        server: its address, as :func:`~adapters.nginx_plus.plan.server_name` writes it.
        id: changes when a server is taken away and added again.
        requests: that were sent to it.
        active: of them, those that have not ended.
        answered: responses of it, of any status.
        failed: responses with 5xx.
    """

    server: str
    id: int
    requests: int
    active: int
    answered: int
    failed: int

    @property
    def ended(self) -> int:
        """Requests that have ended, with an answer or without."""
        return max(0, self.requests - self.active)

    @property
    def errors(self) -> int:
        """Of those that have ended, 5xx or no answer at all."""
        return min(self.ended, self.failed + max(0, self.ended - self.answered))


@dataclass(slots=True)
class Counts:
    """What the peers of one agent have counted since this was made, or since they began."""

    _last: dict[tuple[str, int, str], tuple[int, int]] = field(default_factory=dict)
    _sums: dict[str, Tally] = field(default_factory=dict)

    def take(self, node: str, peers: Iterable[Peer], versions: Mapping[str, str]) -> None:
        """Add what one node's peers have counted since they were looked at last; a counter that fell began anew."""
        for peer in peers:
            key = (node, peer.id, peer.server)
            before = self._last.pop(key, (0, 0))
            now = (peer.ended, max(peer.errors, before[1]) if peer.ended >= before[0] else peer.errors)
            base = before if now[0] >= before[0] else (0, 0)
            self._last[key] = now
            version = versions.get(peer.server)
            if version is not None:
                sums = self._sums.pop(version, Tally())
                self._sums[version] = Tally(sums.requests + now[0] - base[0], sums.errors + now[1] - base[1])
        while len(self._last) > PEERS_MAX:
            del self._last[next(iter(self._last))]
        while len(self._sums) > VERSIONS_MAX:
            del self._sums[next(iter(self._sums))]

    def tallies(self, known: Iterable[str]) -> dict[str, Tally]:
        """Cumulative counts per version."""
        return {**dict.fromkeys(known, Tally()), **self._sums}


def peer_of(row: object) -> Peer | None:
    """A peer of ``GET /http/upstreams/{name}``; None if it is none."""
    if not isinstance(row, dict) or not isinstance(row.get("server"), str):
        return None
    responses = row.get("responses")
    told = responses if isinstance(responses, dict) else {}
    numbers = (row.get("id"), row.get("requests"), row.get("active"), told.get("total"), told.get("5xx"))
    found = [number for number in numbers if is_whole(number) and number >= 0]
    if len(found) != len(numbers):
        return None
    return Peer(server_name(row["server"]), *found)
