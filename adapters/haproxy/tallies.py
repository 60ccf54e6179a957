"""Counters of servers, summed per version. They go on through reloads, restarts and other addresses. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from adapters.port import Tally

from .answers import Server

OWNERS_MAX = 1_024
"""Of one agent, the addresses whose versions are remembered; the one that was named longest ago goes first."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """The servers of an agent at one process.

    Attributes:
        socket: of the gateway's process that is meant.
        pid: who answered. After a reload, the old worker is another sighting of the same socket.
        is_old: it takes nothing new.
    """

    socket: str
    pid: int
    servers: Sequence[Server]
    is_old: bool = False


@dataclass(slots=True)
class Tallies:
    """One agent's counts at one gateway since this was made."""

    _counts: dict[str, Tally] = field(default_factory=dict)
    _owners: dict[str, str] = field(default_factory=dict)
    _last: dict[tuple[str, int], dict[tuple[str, str], Server]] = field(default_factory=dict)
    _lost: set[str] = field(default_factory=set)

    def own(self, addresses: Mapping[str, str]) -> None:
        """Remember which version is at which address; those named now count most."""
        for address, version in addresses.items():
            self._owners.pop(address, None)
            self._owners[address] = version
        while len(self._owners) > OWNERS_MAX:
            del self._owners[next(iter(self._owners))]

    def addresses(self, version: str) -> frozenset[str]:
        """Where a version is, or was."""
        return frozenset(address for address, owner in self._owners.items() if owner == version)

    def take(self, sightings: Sequence[Sighting], *, sees_old: bool) -> None:
        """Add what is new in everything that was seen of one socket at one time.

        Args:
            sightings: the present worker's, and its predecessors' as far as they are seen.
            sees_old: whether those that are not among them have ended. Otherwise what they had is out of sight.
        """
        socket = sightings[0].socket
        known = {pid for of, pid in self._last if of == socket}
        for sighting in sightings:
            self._add(sighting, is_first=not known)
        present = {sighting.pid for sighting in sightings}
        for gone in known - present:
            before = self._last.pop((socket, gone))
            if sees_old:
                continue
            self._lost |= {self._owners.get(server.address, "") for server in before.values() if server.in_flight}

    def _add(self, sighting: Sighting, *, is_first: bool) -> None:
        before = self._last.get((sighting.socket, sighting.pid), {})
        for server in sighting.servers:
            last = before.get((server.backend, server.name))
            version = self._owners.get(server.address)
            if version is None or (last is None and is_first):
                continue
            has_restarted = last is None or server.requests < last.requests or server.errors < last.errors
            tally = self._counts.get(version, Tally())
            self._counts[version] = Tally(
                tally.requests + server.requests - (0 if has_restarted or last is None else last.requests),
                tally.errors + server.errors - (0 if has_restarted or last is None else last.errors),
            )
        self._last[sighting.socket, sighting.pid] = {(one.backend, one.name): one for one in sighting.servers}

    def of(self, known: Collection[str]) -> dict[str, Tally]:
        """Cumulative counts per version; one that is ``known`` to the gateway and has none counts zero."""
        return {**dict.fromkeys(known, Tally()), **self._counts}

    def in_flight(self, known: Collection[str]) -> dict[str, int]:
        """Requests in flight per version, as last seen. A version whose streams went out of sight is absent."""
        total = dict.fromkeys(known, 0)
        for servers in self._last.values():
            for server in servers.values():
                version = self._owners.get(server.address)
                if version in total:
                    total[version] += server.in_flight
        return {version: count for version, count in total.items() if version not in self._lost}
