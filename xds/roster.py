"""Who is connected, and which nodes have confirmed which generation. Pure.

A node has confirmed a generation when every stream that it has open took all that the generation has for it. A node
that went away may still be serving what it had: for a grace time it counts as pending, not as gone.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from xds.acks import Refusal

DEPARTED_MAX = 10_000
"""As many as may be connected: when all of them leave at once, none may be taken for one that has confirmed."""

Connected = Mapping[str, float]
"""Nodes that have a stream open, by id, and since when: the moment at which their oldest one was opened."""


class Standing(NamedTuple):
    """How far one stream has come: whether it took all that a generation has for it, and what it refused."""

    generation: int = 0
    confirmed: bool = False
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """One resource type on one stream: what was sent and what was taken last, and what was refused and still is."""

    type: str
    version_sent: str
    version_accepted: str
    error: str | None


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node of a group.

    Attributes:
        id: `node.id`.
        group: `node.cluster`.
        streams: how many it has open; 0 when it has left less than the grace time ago.
        since_s: when its oldest stream was opened, or when it left, on the server's clock.
        confirmed_generation: the newest generation that it has confirmed; 0 is none.
        types: per stream and type.
    """

    id: str
    group: str
    streams: int
    since_s: float
    confirmed_generation: int
    types: tuple[TypeStatus, ...]


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Where a group stands with a generation.

    Attributes:
        group: its name.
        generation: which was asked about.
        confirmed: ids of the nodes that took it, or a later one.
        pending: ids of those that have not answered, or have left a moment ago without having taken it.
        refusals: what was not taken, in the nodes' own words.
    """

    group: str
    generation: int
    confirmed: tuple[str, ...]
    pending: tuple[str, ...]
    refusals: tuple[Refusal, ...]

    @property
    def is_confirmed(self) -> bool:
        """Whether there is a node, and all of them took it."""
        return bool(self.confirmed) and not self.pending and not self.refusals

    @property
    def is_final(self) -> bool:
        """Whether waiting longer cannot change it without anybody's doing."""
        return self.is_confirmed or bool(self.refusals)


class Member:
    """One stream of a node, as the roster sees it."""

    __slots__ = ("confirmed_generation", "describe", "group", "node_id", "program", "since_s", "standing")

    def __init__(self, node_id: str, group: str, since_s: float, program: str = "") -> None:
        self.node_id = node_id
        self.group = group
        self.since_s = since_s
        self.program = program
        self.standing = Standing()
        self.confirmed_generation = 0
        self.describe: Callable[[], tuple[TypeStatus, ...]] = tuple


@dataclass(slots=True)
class _Departed:
    left_s: float
    confirmed_generation: int


class _Watch:
    def __init__(self, generation: int, on_final: Callable[[], None]) -> None:
        self.generation = generation
        self.on_final = on_final
        self.behind: set[Member] = set()


class Roster:
    """All streams by group, and those who wait for a group's confirmation."""

    def __init__(self, *, rejoin_grace_s: float) -> None:
        self._rejoin_grace_s = rejoin_grace_s
        self._members: dict[str, set[Member]] = {}
        self._connected: dict[str, Connected] = {}
        self._departed: dict[tuple[str, str], _Departed] = {}
        self._watches: dict[str, set[_Watch]] = {}

    def join(self, member: Member) -> None:
        """Count a stream in."""
        self._members.setdefault(member.group, set()).add(member)
        self._connected.pop(member.group, None)
        self._departed.pop((member.group, member.node_id), None)
        for watch in self._watches.get(member.group, ()):
            watch.behind.add(member)

    def leave(self, member: Member, now_s: float) -> None:
        """Count a stream out; its node is remembered for the grace time when it was the last one."""
        members = self._members.get(member.group, set())
        members.discard(member)
        self._connected.pop(member.group, None)
        if not members:
            self._members.pop(member.group, None)
        if not any(other.node_id == member.node_id for other in members):
            if len(self._departed) >= DEPARTED_MAX:
                self._departed.pop(next(iter(self._departed)))
            self._departed[member.group, member.node_id] = _Departed(now_s, member.confirmed_generation)
        for watch in tuple(self._watches.get(member.group, ())):
            watch.behind.discard(member)
            watch.on_final()

    def update(self, member: Member, standing: Standing) -> None:
        """Take note of how far a stream has come."""
        if standing == member.standing:
            return
        member.standing = standing
        if standing.confirmed:
            member.confirmed_generation = standing.generation
        elif standing.refusals and member.confirmed_generation == standing.generation:
            # It took this generation, then asked for more of it, and refused that.
            member.confirmed_generation -= 1
        for watch in tuple(self._watches.get(member.group, ())):
            if standing.confirmed and standing.generation >= watch.generation:
                watch.behind.discard(member)
            if standing.refusals or not watch.behind:
                watch.on_final()

    @contextmanager
    def watch(self, group: str, generation: int, on_final: Callable[[], None]) -> Iterator[None]:
        """Call `on_final` whenever the confirmation of a generation may have become final."""
        watch = _Watch(generation, on_final)
        watch.behind = {member for member in self._members.get(group, ()) if member.confirmed_generation < generation}
        watches = self._watches.setdefault(group, set())
        watches.add(watch)
        try:
            yield
        finally:
            watches.discard(watch)
            if not watches and self._watches.get(group) is watches:
                del self._watches[group]

    def confirmation(self, group: str, generation: int, now_s: float) -> Confirmation:
        """Say who has confirmed a generation, who has not, and who refused."""
        confirmed: set[str] = set()
        pending: set[str] = set()
        refusals: list[Refusal] = []
        for member in self._members.get(group, ()):
            if member.confirmed_generation >= generation:
                confirmed.add(member.node_id)
            elif member.standing.generation >= generation and member.standing.refusals:
                refusals.extend(member.standing.refusals)
            else:
                pending.add(member.node_id)
        for node_id, departed in self._departures(group, now_s):
            if departed.confirmed_generation < generation:
                pending.add(node_id)
        refused = {refusal.node_id for refusal in refusals}
        return Confirmation(
            group,
            generation,
            confirmed=tuple(sorted(confirmed - pending - refused)),
            pending=tuple(sorted(pending - refused)),
            refusals=tuple(sorted(set(refusals), key=lambda refusal: (refusal.node_id, refusal.type))),
        )

    def grace_ends_s(self, group: str, now_s: float) -> float | None:
        """Return when the next node that has left stops being waited for; None when there is none."""
        return min((gone.left_s + self._rejoin_grace_s for _, gone in self._departures(group, now_s)), default=None)

    def nodes(self, group: str, now_s: float) -> tuple[NodeStatus, ...]:
        """Return the nodes of a group by id, those that left less than the grace time ago included."""
        by_id: dict[str, list[Member]] = {}
        for member in self._members.get(group, ()):
            by_id.setdefault(member.node_id, []).append(member)
        present = [_status(node_id, group, members) for node_id, members in by_id.items()]
        departed = [
            NodeStatus(node_id, group, 0, gone.left_s, gone.confirmed_generation, ())
            for node_id, gone in self._departures(group, now_s)
        ]
        return tuple(sorted(present + departed, key=lambda node: node.id))

    def behind(self, group: str, generation: int, now_s: float) -> tuple[NodeStatus, ...]:
        """Return the nodes by id that have not confirmed a generation, those included that left a moment ago.

        Nearly always there are none, and it is asked often: the others are not described.
        """
        late = {member.node_id for member in self._members.get(group, ()) if member.confirmed_generation < generation}
        late.update(name for name, gone in self._departures(group, now_s) if gone.confirmed_generation < generation)
        return tuple(node for node in self.nodes(group, now_s) if node.id in late) if late else ()

    def connected(self, group: str) -> Connected:
        """Return who is connected. It is worked out when somebody has come or gone, and not at every push."""
        known = self._connected.get(group)
        if known is None:
            since_s: dict[str, float] = {}
            for member in self._members.get(group, ()):
                since_s[member.node_id] = min(member.since_s, since_s.get(member.node_id, member.since_s))
            known = MappingProxyType(since_s)
            if since_s:
                self._connected[group] = known
        return known

    def programs(self, group: str) -> tuple[str, ...]:
        """Return what programs are connected, with their versions, each once."""
        return tuple(sorted({member.program for member in self._members.get(group, ()) if member.program}))

    def has_left(self, group: str, now_s: float) -> bool:
        """Whether a node has left less than the grace time ago, and may still be serving."""
        return next(self._departures(group, now_s), None) is not None

    def groups(self) -> tuple[str, ...]:
        """Return the names of the groups that have a stream open."""
        return tuple(sorted(self._members))

    def streams(self, group: str) -> int:
        """Return how many streams a group has open."""
        return len(self._members.get(group, ()))

    def _departures(self, group: str, now_s: float) -> Iterator[tuple[str, _Departed]]:
        for (of_group, node_id), gone in tuple(self._departed.items()):
            if now_s >= gone.left_s + self._rejoin_grace_s:
                del self._departed[of_group, node_id]
            elif of_group == group:
                yield node_id, gone


def _status(node_id: str, group: str, members: list[Member]) -> NodeStatus:
    return NodeStatus(
        node_id,
        group,
        len(members),
        min(member.since_s for member in members),
        min(member.confirmed_generation for member in members),
        tuple(status for member in members for status in member.describe()),
    )
