"""What one group of nodes should have: immutable, versioned by content, able to say whether it is consistent.

A changed resource replaces one set; the other sets are shared with the snapshot before, as the very same objects.
Streams rely on that: a set that is the same object needs no look.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from hashlib import sha256
from types import MappingProxyType
from typing import Self

from xds.errors import SnapshotError

RESOURCE_BYTES_MAX = 16 * 1024 * 1024

type_prefix = "type.googleapis.com/envoy.config."


class ResourceType(Enum):
    """The types that are served, in the order of make-before-break: what is referred to goes before what refers."""

    CLUSTER = ("cds", type_prefix + "cluster.v3.Cluster")
    ENDPOINTS = ("eds", type_prefix + "endpoint.v3.ClusterLoadAssignment")
    LISTENER = ("lds", type_prefix + "listener.v3.Listener")
    ROUTES = ("rds", type_prefix + "route.v3.RouteConfiguration")

    # Enum hashes its name in Python; the identity is as good a hash for members, and these are looked up at every push.
    __hash__ = object.__hash__

    def __init__(self, label: str, url: str) -> None:
        """Keep the short name that metrics and nonces use, and the type URL.

        `full_state` says whether a state-of-the-world response is the whole set, so that absence from it is removal.
        """
        self.label = label
        self.url = url
        self.full_state = label in {"cds", "lds"}


Reference = tuple[ResourceType, str]
"""A resource that another one needs, by type and name."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One named resource as bytes.

    Attributes:
        type: what it is.
        name: its name, unique in its type.
        version: a hash of the content; two resources of one name and version are equal.
        body: the encoded message.
        references: what must be there for this one to work, at the moment traffic can reach it.
        known: whether there is a content to send; see `unknown`.
    """

    type: ResourceType
    name: str
    version: str
    body: bytes = field(compare=False, repr=False)
    references: frozenset[Reference] = field(compare=False, repr=False, default=frozenset())
    known: bool = True

    @classmethod
    def of(cls, type_: ResourceType, name: str, body: bytes, references: Iterable[Reference] = ()) -> Self:
        """Make a resource, versioned by its content. Raises SnapshotError when it has no name or is too large."""
        if not name:
            raise SnapshotError(f"A {type_.label} resource has no name. Give it one.")
        if len(body) > RESOURCE_BYTES_MAX:
            raise SnapshotError(f"{type_.label} {name!r} has {len(body)} bytes; the limit is {RESOURCE_BYTES_MAX}.")
        return cls(type_, name, sha256(body).hexdigest()[:16], body, frozenset(references))

    @classmethod
    def unknown(cls, type_: ResourceType, name: str) -> Self:
        """Make a resource that is there, and of which nobody knows yet what it holds.

        It is never sent: a client that has one of this name keeps it, and one that has none waits for it as long as it
        likes. So it can only be of a type whose absence from a response is no removal.
        """
        assert not type_.full_state, f"a client would drop {type_.label} {name!r}"
        return cls(type_, name, "unknown", b"", known=False)

    def refreshed(self, serial: int) -> Self:
        """Return the same content under a new version, so that it is sent again although nothing changed.

        Endpoints that go stale (`ClusterEndpoints.stale_after_s`) live only as long as they are sent again.
        """
        content_version = self.version.partition("+")[0]
        return type(self)(self.type, self.name, f"{content_version}+{serial}", self.body, self.references)


@dataclass(frozen=True, eq=False)
class ResourceSet:
    """All resources of one type; compared by identity, shared between snapshots while nothing in it changes."""

    type: ResourceType
    resources: Mapping[str, Resource]

    @classmethod
    def of(cls, type_: ResourceType, resources: Iterable[Resource]) -> Self:
        """Make a set. Raises SnapshotError when two resources have one name."""
        by_name: dict[str, Resource] = {}
        for resource in resources:
            assert resource.type is type_, f"{resource.name} is {resource.type.label}, not {type_.label}"
            if by_name.setdefault(resource.name, resource) is not resource:
                raise SnapshotError(f"Two {type_.label} resources are named {resource.name!r}. Names are unique.")
        return cls(type_, MappingProxyType(by_name))

    @cached_property
    def version(self) -> str:
        """A hash of the names and versions: the order in which resources were given does not matter."""
        return content_version(self.resources.values())

    @cached_property
    def needs(self) -> frozenset[Reference]:
        """What the resources refer to, all together."""
        return frozenset().union(*(resource.references for resource in self.resources.values()))

    @cached_property
    def unknown(self) -> frozenset[str]:
        """Names of those that cannot be sent yet."""
        return frozenset(name for name, resource in self.resources.items() if not resource.known)

    @cached_property
    def keys(self) -> frozenset[Reference]:
        """What a reference to each resource looks like."""
        return frozenset((self.type, name) for name in self.resources)

    def changed(self, put: Iterable[Resource], remove: frozenset[str]) -> "ResourceSet":
        """Return the set after replacing and removing; the very same set when that changes nothing."""
        put = [entry for entry in put if entry.name in remove or self.resources.get(entry.name) != entry]
        if not put and remove.isdisjoint(self.resources):
            return self
        kept = {name: resource for name, resource in self.resources.items() if name not in remove}
        kept.update((resource.name, resource) for resource in put)
        return ResourceSet(self.type, MappingProxyType(kept))


def content_version(resources: Iterable[Resource]) -> str:
    """Hash the names and versions of some resources, whatever their order."""
    lines = sorted(f"{resource.name}={resource.version}" for resource in resources)
    return sha256("\n".join(lines).encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The resources of all types that one group of nodes should have at one time."""

    sets: Mapping[ResourceType, ResourceSet]

    @classmethod
    def of(cls, resources: Iterable[Resource] = ()) -> Self:
        """Make a snapshot of these resources. Raises SnapshotError when two of one type have one name."""
        by_type: dict[ResourceType, list[Resource]] = {type_: [] for type_ in ResourceType}
        for resource in resources:
            by_type[resource.type].append(resource)
        return cls(MappingProxyType({type_: ResourceSet.of(type_, listed) for type_, listed in by_type.items()}))

    def replace(self, *put: Resource, remove: Iterable[Reference] = ()) -> "Snapshot":
        """Return the snapshot after putting and removing some resources; what is not named is shared, not copied."""
        removed = frozenset(remove)
        sets = {
            type_: of_type.changed(
                [resource for resource in put if resource.type is type_],
                frozenset(name for removed_type, name in removed if removed_type is type_),
            )
            for type_, of_type in self.sets.items()
        }
        return Snapshot(MappingProxyType(sets))

    def sharing(self, older: "Snapshot") -> "Snapshot":
        """Return this snapshot with every set of equal content taken from `older`; `older` itself when all are."""
        sets = {
            type_: older.sets[type_] if older.sets[type_].version == of_type.version else of_type
            for type_, of_type in self.sets.items()
        }
        if all(sets[type_] is older.sets[type_] for type_ in sets):
            return older
        return Snapshot(MappingProxyType(sets))

    def problems(self) -> tuple[str, ...]:
        """Return what is referred to and is not there, one sentence each; empty when the snapshot is consistent."""
        return tuple(self._problems())

    def _problems(self) -> Iterator[str]:
        here = frozenset().union(*(of_type.keys for of_type in self.sets.values()))
        for of_type in self.sets.values():
            if of_type.needs <= here:
                continue
            for resource in of_type.resources.values():
                for needed_type, needed in sorted(resource.references, key=lambda reference: reference[1]):
                    if needed not in self.sets[needed_type].resources:
                        yield (
                            f"{resource.type.label} {resource.name!r} refers to {needed_type.label} {needed!r}, "
                            "which is not in the snapshot."
                        )
