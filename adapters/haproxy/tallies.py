"""Counters of servers, summed per version. They go on through reloads, restarts and other addresses. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from adapters.port import Tally

from .answers import Life, Server

OWNERS_MAX = 1_024
"""Of one agent, the addresses whose versions are remembered; the one that was named longest ago goes first."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """The servers of an agent at one process.

    Attributes:
        socket: of the gateway's process that is meant.
        life: who answered. After a reload, the old worker is another life at the same socket.
    """

    socket: str
    life: Life
    servers: Sequence[Server]


@dataclass(slots=True)
class Tallies:
    """One agent's counts at one gateway since this was made."""

    _counts: dict[str, Tally] = field(default_factory=dict)
    _owners: dict[str, str] = field(default_factory=dict)
    _last: dict[tuple[str, Life], dict[tuple[str, str], Server]] = field(default_factory=dict)
    _present: dict[str, Life] = field(default_factory=dict)
    _looked_back: set[str] = field(default_factory=set)
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

    def owner(self, address: str) -> str | None:
        """The version that is at an address, or was last."""
        return self._owners.get(address)

    def take(self, sighting: Sighting) -> None:
        """Add what is new at the process that takes new requests. Those before it are left as they were seen last."""
        self._add(sighting, is_first=sighting.socket not in self._present)
        self._present[sighting.socket] = sighting.life

    def predecessors(self, socket: str) -> frozenset[Life]:
        """Who was at a socket before the present process, and is not known to have ended."""
        return frozenset(life for at, life in self._last if at == socket and life != self._present.get(socket))

    def take_old(self, socket: str, sightings: Sequence[Sighting] | None, expected: AbstractSet[Life]) -> None:
        """Add what is new at the predecessors of a socket's process.

        Args:
            socket: whose predecessors they are.
            sightings: all of them; None where they are out of sight.
            expected: the predecessors that were known before this look. Those that are not among them have ended.
        """
        for sighting in sightings or ():
            self._add(sighting, is_first=socket not in self._looked_back)
        self._looked_back.add(socket)
        for gone in expected - {sighting.life for sighting in sightings or ()}:
            before = self._last.pop((socket, gone))
            if sightings is None:
                self._lost |= {self._owners.get(server.address, "") for server in before.values() if server.in_flight}

    def _add(self, sighting: Sighting, *, is_first: bool) -> None:
        before = self._last.get((sighting.socket, sighting.life), {})
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
        self._last[sighting.socket, sighting.life] = {(one.backend, one.name): one for one in sighting.servers}

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
