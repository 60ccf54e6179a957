"""The current snapshot of each group, and what it takes to bring a client there. Pure.

What a client gets depends on what it holds, what it asks for and what it should have, and on nothing else. A thousand
streams of a group that are in the same state are therefore one case: the difference is worked out once and its response
encoded once, whatever the number of streams.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar, cast

from xds.envelope import encode_response
from xds.errors import SnapshotError
from xds.snapshot import Resource, ResourceSet, ResourceType, Snapshot, content_version
from xds.subscription import Mode, Subscription

Holdings = Mapping[str, Resource]
"""Resources that a client has, by name. Never changed once made: streams in the same state share one object."""

NOTHING: Holdings = MappingProxyType({})

T = TypeVar("T")

SHARED_MAX = 1_024
ENCODED_BYTES_MAX = 64 * 1024 * 1024
"""Of one group's responses, kept for streams in the same state. Each has a nonce of its own, so a client that asks for
the same again and again would fill the memory."""
PROBLEMS_NAMED_MAX = 5


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """The way from what a client holds to what it should hold.

    Attributes:
        target: the set that it leads to.
        subscription: what the client asks for.
        resources: what is sent; empty together with `removed` when there is nothing to say.
        removed: names that are gone.
        after: what the client holds once it has taken this.
        version: of the state that the response describes.
        withheld: names for which the client keeps what it holds, for now.
        gone: names that the client holds and the snapshot has not.
    """

    mode: Mode
    target: ResourceSet
    subscription: Subscription
    resources: tuple[Resource, ...]
    removed: tuple[str, ...]
    after: Holdings
    version: str
    withheld: frozenset[str]
    gone: frozenset[str] = frozenset()

    @property
    def complete(self) -> bool:
        """Whether `after` is all that the snapshot has for this subscription."""
        return not self.withheld

    @property
    def is_empty(self) -> bool:
        """Whether nothing needs to be sent."""
        return not self.resources and not self.removed

    def encode(self, nonce: str) -> bytes:
        """Return the response in bytes."""
        return encode_response(self.mode, self.target.type, self.version, nonce, self.resources, self.removed)


def deliver(
    mode: Mode,
    target: ResourceSet,
    subscription: Subscription,
    held: Holdings,
    withheld: frozenset[str] = frozenset(),
    again: frozenset[str] = frozenset(),
) -> Delivery:
    """Work out what to send.

    Args:
        mode: in state of the world, clusters and listeners are always sent as the whole set, and a missing route
            table or endpoint set is not a removal.
        target: what the group should have.
        subscription: what the client asks for.
        held: what it has.
        withheld: names for which the client has to keep what it holds, for now.
        again: names to send even where the client holds just that.
    """
    after = _after(target, subscription, held, withheld)
    due = again - withheld - target.unknown
    changed = tuple(resource for name, resource in after.items() if name in due or held.get(name) != resource)
    removed = tuple(name for name in held if name not in after)
    gone = frozenset(name for name in held if name not in target.resources)
    version = target.version if not withheld else content_version(after.values())
    if mode is Mode.STATE_OF_THE_WORLD:
        # An empty set is never the first thing that a client hears: to it, that would be the loss of everything.
        whole = target.type.full_state and bool(changed or removed)
        resources = tuple(after.values()) if whole else changed
        removed = removed if whole else ()
        return Delivery(mode, target, subscription, resources, removed, after, version, withheld, gone)
    return Delivery(mode, target, subscription, changed, removed, after, version, withheld, gone)


def _after(target: ResourceSet, subscription: Subscription, held: Holdings, withheld: frozenset[str]) -> Holdings:
    # Nobody waits for what is unknown: to keep that is all that there is to do about it.
    kept = withheld | target.unknown
    if subscription.wildcard and not kept:
        return target.resources
    resources = target.resources
    names = resources if subscription.wildcard else [name for name in subscription.names if name in resources]
    after = {name: resources[name] for name in names if name not in kept}
    after.update((name, held[name]) for name in kept if name in held)
    return MappingProxyType(after)


class Group:
    """The nodes that share a snapshot: those whose `node.cluster` is its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.snapshot: Snapshot | None = None
        self.generation = 0
        self.watchers: set[Callable[[], None]] = set()
        # Results are kept by the identity of the holdings they are about, and keep those alive with them.
        self._shared: dict[tuple[object, ...], tuple[object, object]] = {}
        self._subscriptions: dict[Subscription, Subscription] = {}
        self._encoded: dict[tuple[int, str], tuple[Delivery, bytes]] = {}
        self._encoded_bytes = 0

    def become(self, snapshot: Snapshot) -> None:
        """Take a new snapshot and wake whoever watches."""
        self.snapshot = snapshot
        self.generation += 1
        self._shared.clear()
        self._forget_encoded()
        for wake in tuple(self.watchers):
            wake()

    def deliver(
        self,
        mode: Mode,
        type_: ResourceType,
        subscription: Subscription,
        held: Holdings,
        withheld: frozenset[str] = frozenset(),
        again: frozenset[str] = frozenset(),
    ) -> Delivery:
        """Return what `deliver` says, worked out once for all streams in this state."""
        key = (mode, type_, id(held), id(subscription), withheld, again)
        kept = self._shared.get(key)
        if kept is None:  # and not by `_share`: that would make a function per stream and push, to be called once
            assert self.snapshot is not None, "nothing is delivered before there is a snapshot"
            target = self.snapshot.sets[type_]
            kept = self._keep(key, (held, subscription), deliver(mode, target, subscription, held, withheld, again))
        return cast("Delivery", kept[1])

    def encode(self, delivery: Delivery, nonce: str) -> bytes:
        """Return a response in bytes: encoded once per nonce, and streams in the same state use the same nonce."""
        key = (id(delivery), nonce)
        kept = self._encoded.get(key)
        if kept is None:
            kept = (delivery, delivery.encode(nonce))
            if self._encoded_bytes + len(kept[1]) > ENCODED_BYTES_MAX:
                self._forget_encoded()
            self._encoded[key] = kept
            self._encoded_bytes += len(kept[1])
        return kept[1]

    def _forget_encoded(self) -> None:
        self._encoded.clear()
        self._encoded_bytes = 0

    def without(self, held: Holdings, names: frozenset[str]) -> Holdings:
        """Return the holdings less some names; the same object when it has none of them."""
        if not held or names.isdisjoint(held):
            return held
        return self._share(
            ("without", id(held), names),
            held,
            lambda: MappingProxyType({name: resource for name, resource in held.items() if name not in names}),
        )

    def needed(self, held: Holdings, type_: ResourceType) -> frozenset[str]:
        """Return the names of a type that the resources held refer to."""
        return self._share(
            ("needed", id(held), type_),
            held,
            lambda: frozenset(
                name for resource in held.values() for of_type, name in resource.references if of_type is type_
            ),
        )

    def covers(self, subscription: Subscription, held: Holdings, type_: ResourceType) -> bool:
        """Whether a subscription asks for everything of a type that the resources held refer to."""
        if subscription.wildcard:
            return True
        key = ("covers", id(held), type_, subscription)
        return self._share(key, held, lambda: self.needed(held, type_) <= subscription.names)

    def shared(self, subscription: Subscription) -> Subscription:
        """Return an equal subscription, the same object for all streams that ask for the same."""
        if len(self._subscriptions) >= SHARED_MAX:
            self._subscriptions.clear()
        return self._subscriptions.setdefault(subscription, subscription)

    def _share(self, key: tuple[object, ...], alive: object, compute: Callable[[], T]) -> T:
        kept = self._shared.get(key)
        if kept is None:
            kept = self._keep(key, alive, compute())
        return cast("T", kept[1])

    def _keep(self, key: tuple[object, ...], alive: object, result: object) -> tuple[object, object]:
        if len(self._shared) >= SHARED_MAX:
            self._shared.clear()
        kept = self._shared[key] = (alive, result)
        return kept


class Cache:
    """The groups. Nothing is served to one before its first `set`."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}

    def set(self, group: str, snapshot: Snapshot) -> int:
        """Serve a snapshot to a group from now on, and return its generation; the same content is the same generation.

        Raises:
            SnapshotError: it refers to what it does not hold. What is served goes on.
        """
        problems = snapshot.problems()
        if problems:
            raise SnapshotError(
                f"The snapshot for {group!r} has {len(problems)} problems: " + " ".join(problems[:PROBLEMS_NAMED_MAX])
            )
        entry = self.group(group)
        shared = snapshot if entry.snapshot is None else snapshot.sharing(entry.snapshot)
        if shared is not entry.snapshot:
            entry.become(shared)
        return entry.generation

    def group(self, name: str) -> Group:
        """Return a group, made on first mention: its nodes may connect before it has a snapshot."""
        return self._groups.setdefault(name, Group(name))

    def snapshot(self, group: str) -> Snapshot | None:
        """Return what is served to a group; None when that is nothing yet."""
        entry = self._groups.get(group)
        return entry.snapshot if entry else None

    def release(self, group: Group) -> None:
        """Forget a group that has neither a snapshot nor a stream, so that strangers cannot fill the memory."""
        if group.snapshot is None and not group.watchers:
            self._groups.pop(group.name, None)

    def __iter__(self) -> Iterator[Group]:
        return iter(tuple(self._groups.values()))
