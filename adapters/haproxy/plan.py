"""What stands at one HAProxy, compared with what is wanted: the commands that are left to do, in their order. Pure.

Two ways to divide. By *map*, each track is a backend, and the candidate's share is an entry of a map that the
configuration compares with a random number: exact to a hundredth of a percent, one command per change. By *weights*,
both tracks are servers of one backend.

Nothing left to do is what "applied" means. Servers are known by their addresses; the servers of an agent's backends are
all ours. What rises comes first: at no moment is there nobody to take a request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from adapters.port import Assignment

from .answers import Server, share_bp
from .shares import WEIGHT_MAX, Weights, weights

FULL = 1
"""The weight of a server in map mode, where servers of a track are equal: what HAProxy gives one that has none set."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the operator's configuration names what belongs to an agent; ``{agent}`` is its name.

    Attributes:
        stable, candidate: the backend of each track; the same one where weights divide.
        map: the map's file, as the configuration names it; None where weights divide.
    """

    stable: str
    candidate: str
    map: str | None

    def backends(self, agent: str) -> tuple[str, ...]:
        """Every backend of an agent."""
        both = self.stable.replace("{agent}", agent), self.candidate.replace("{agent}", agent)
        return tuple(dict.fromkeys(both))


@dataclass(frozen=True, slots=True)
class Place:
    """One endpoint where it belongs. ``endpoint`` is an address, not a name."""

    backend: str
    endpoint: str
    weight: int
    is_stable: bool


@dataclass(frozen=True, slots=True)
class Target:
    """What is wanted of one agent.

    Attributes:
        places: the servers that serve, or may serve at once.
        share: the map's entry (key, basis points); None where weights divide.
        problem: why the split cannot be given at all; the target is then the way back.
    """

    places: tuple[Place, ...]
    share: tuple[str, int] | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What stands: every server of the agent's backends, and the map's entries."""

    servers: tuple[Server, ...]
    entries: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is left to do.

    Attributes:
        commands: in their order.
        evicted: (backend, server's id) of those that lose their sessions.
        problem: what cannot be done.
    """

    commands: tuple[str, ...] = ()
    evicted: tuple[tuple[str, int], ...] = ()
    problem: str = ""

    @property
    def only_guides(self) -> bool:
        """Whether every server stands as it should, and the map alone says another share."""
        return bool(self.commands) and all(command.startswith(("set map ", "add map ")) for command in self.commands)


def target(wanted: Assignment, layout: Layout, addresses: Mapping[str, Sequence[str]]) -> Target:
    """What an assignment is at an HAProxy.

    Args:
        wanted: the assignment.
        layout: names of backends.
        addresses: what each endpoint resolves to.
    """
    stable = _resolved(wanted.stable.endpoints, addresses)
    candidate = _resolved(wanted.candidate.endpoints if wanted.candidate else (), addresses)
    bp, problem = wanted.split.candidate_bp, ""
    if bp and not candidate:
        bp, problem = 0, "the candidate has no address"
    stable_backend, candidate_backend = layout.backends(wanted.agent)[0], layout.backends(wanted.agent)[-1]
    if layout.map is not None:
        given: Weights | None = Weights(FULL, FULL)
    else:
        given = weights(bp, len(stable), len(candidate) or 1)
        if given is None:
            given, problem = weights(0, 1, 1), f"{bp / 100:g} % is less than weights can give; divide by map instead"
    assert given is not None, "a share of 0 can always be given"
    places = [Place(stable_backend, endpoint, given.stable, is_stable=True) for endpoint in stable]
    taken = {(place.backend, place.endpoint) for place in places}
    places += [
        Place(candidate_backend, endpoint, given.candidate, is_stable=False)
        for endpoint in candidate
        if (candidate_backend, endpoint) not in taken
    ]
    return Target(tuple(places), (wanted.agent, bp) if layout.map is not None else None, problem)


def _resolved(endpoints: Sequence[str], addresses: Mapping[str, Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(address for endpoint in endpoints for address in addresses.get(endpoint, ())))


def nameless(wanted: Assignment, addresses: Mapping[str, Sequence[str]]) -> list[str]:
    """The endpoints of a track that has no address at all: it cannot serve until its names are known."""
    serving = (wanted.stable, *((wanted.candidate,) if wanted.candidate and wanted.split.candidate_bp else ()))
    return [
        endpoint for version in serving if not _resolved(version.endpoints, addresses) for endpoint in version.endpoints
    ]


def plan(wanted: Target, seen: Seen, layout: Layout) -> Plan:
    """What is left to do. See the module.

    A server that is taken out of service here may be what another endpoint waits for, so a second round may follow.
    """
    draft = _Draft(seen, {(place.backend, place.endpoint) for place in wanted.places})
    for place in wanted.places:
        draft.place(place)
    has_place = {place.is_stable for place in wanted.places if place not in draft.missing}
    problem = "; ".join(
        [wanted.problem] * bool(wanted.problem)
        + [f"{place.backend} has no free server for {place.endpoint}" for place in draft.missing]
    )
    if wanted.share is None and False not in has_place and not all(place.is_stable for place in wanted.places):
        return plan(_way_back(wanted, problem), seen, layout)
    if wanted.share is not None and layout.map is not None:
        agent, bp = wanted.share
        draft.guide(layout.map, agent, bp if has_place == {True, False} else 0)
    if True in has_place:
        draft.retire()
    elif layout.map is None:
        return Plan(problem=problem)  # what serves now goes on, whoever it is
    return Plan(draft.commands, tuple(draft.evicted), problem)


def _way_back(wanted: Target, problem: str) -> Target:
    """Where the candidate has no server: all to stable."""
    return Target(tuple(replace(place, weight=WEIGHT_MAX) for place in wanted.places if place.is_stable), None, problem)


class _Draft:
    """The commands so far, in three groups: what rises, what guides, what falls."""

    def __init__(self, seen: Seen, wanted: set[tuple[str, str]]) -> None:
        self.missing: list[Place] = []
        self.evicted: list[tuple[str, int]] = []
        self._seen = seen
        self._wanted = wanted
        self._used: set[tuple[str, str]] = set()
        self._rising: list[str] = []
        self._guiding: list[str] = []
        self._falling: list[str] = []

    @property
    def commands(self) -> tuple[str, ...]:
        return (*self._rising, *self._guiding, *self._falling)

    def place(self, place: Place) -> None:
        """Have a server for an endpoint, with its weight, in service; or out of it, with no weight."""
        here = [server for server in self._seen.servers if server.backend == place.backend]
        server = next((server for server in here if server.address == place.endpoint), None)
        if server is None:
            server = next((server for server in here if self._can_have(server)), None)
            if server is None:
                self.missing.append(place)
                return
            host, _, port = place.endpoint.rpartition(":")
            self._rising.append(f"set server {_at(server)} addr {host.strip('[]')} port {port}")
        self._used.add((server.backend, server.name))
        if place.weight == 0:
            self._empty(server)
            return
        group = self._rising if server.state != "ready" or server.weight < place.weight else self._falling
        if server.weight != place.weight:
            group.append(f"set server {_at(server)} weight {place.weight}")
        if server.state != "ready":
            group.append(f"set server {_at(server)} state ready")

    def _can_have(self, server: Server) -> bool:
        is_wanted = (server.backend, server.address) in self._wanted
        return server.is_free and not is_wanted and (server.backend, server.name) not in self._used

    def guide(self, name: str, key: str, bp: int) -> None:
        """Have the map say a share."""
        found = self._seen.entries.get(key)
        if share_bp(found) != bp or found is None:
            self._guiding.append(f"{'add' if found is None else 'set'} map {name} {key} {bp}")

    def retire(self) -> None:
        """Take every server that has no place out of service: whoever sticks to it moves, what it has goes on."""
        for server in self._seen.servers:
            if (server.backend, server.name) not in self._used:
                self._empty(server)

    def _empty(self, server: Server) -> None:
        if server.state == "maint":
            return
        if server.weight:
            self._falling.append(f"set server {_at(server)} weight 0")
        self._falling.append(f"set server {_at(server)} state maint")
        self.evicted.append((server.backend, server.id))


def _at(server: Server) -> str:
    return f"{server.backend}/{server.name}"
