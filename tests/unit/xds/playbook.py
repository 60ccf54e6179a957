"""A subscriber's side of a stream, to write protocol tests as a script: asks, hears, hears_nothing. All in bytes."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from xds import wire_pb2 as wire
from xds.acks import Refusal
from xds.cache import Cache
from xds.counters import Counters
from xds.roster import Roster
from xds.snapshot import Reference, Resource, ResourceType, Snapshot
from xds.stream import AdsStream
from xds.subscription import Mode

CDS, EDS, LDS, RDS = ResourceType
SOTW, DELTA = Mode
GROUP = "edge"


def cluster(name: str, content: str = "1") -> Resource:
    """A cluster with endpoints of the same name."""
    return Resource.of(CDS, name, f"cluster {name} {content}".encode(), [(EDS, name)])


def aggregate(name: str, *members: str) -> Resource:
    return Resource.of(CDS, name, f"aggregate {name} {members}".encode(), [(CDS, member) for member in members])


def endpoints(name: str, content: str = "1") -> Resource:
    return Resource.of(EDS, name, f"endpoints {name} {content}".encode())


def listener(name: str, content: str = "1", routes: str = "table") -> Resource:
    return Resource.of(LDS, name, f"listener {name} {content}".encode(), [(RDS, routes)])


def routes(name: str, content: str = "1", to: Iterable[str] = ()) -> Resource:
    references: list[Reference] = [(CDS, target) for target in to]
    return Resource.of(RDS, name, f"routes {name} {content} {sorted(to)}".encode(), references)


def agent(name: str, content: str = "1") -> tuple[Resource, Resource]:
    """A cluster and its endpoints."""
    return cluster(name, content), endpoints(name, content)


@dataclass(frozen=True)
class Heard:
    """A response, decoded."""

    type: ResourceType
    resources: tuple[tuple[str, bytes], ...]
    removed: tuple[str, ...]
    version: str
    nonce: str

    @property
    def names(self) -> list[str]:
        return sorted(name for name, _ in self.resources)


def decode(mode: Mode, data: bytes) -> Heard:
    if mode is SOTW:
        message = wire.DiscoveryResponse.FromString(data)
        assert all(resource.type_url == message.type_url for resource in message.resources)
        # The bodies of these tests say their name.
        named = tuple((resource.value.split()[1].decode(), resource.value) for resource in message.resources)
        removed: tuple[str, ...] = ()
        version = message.version_info
    else:
        message = wire.DeltaDiscoveryResponse.FromString(data)
        named = tuple((resource.name, resource.resource.value) for resource in message.resources)
        removed = tuple(message.removed_resources)
        version = message.system_version_info
    type_ = next(t for t in ResourceType if t.url == message.type_url)
    return Heard(type_, named, removed, version, message.nonce)


@dataclass
class World:
    """The server's side, shared by the streams of a test."""

    cache: Cache = field(default_factory=Cache)
    roster: Roster = field(default_factory=lambda: Roster(rejoin_grace_s=15.0))
    counters: Counters = field(default_factory=Counters)

    def serve(self, *resources: Resource, group: str = GROUP) -> int:
        return self.cache.set(group, Snapshot.of(resources))

    def client(self, mode: Mode = SOTW, node_id: str = "envoy-1", group: str = GROUP) -> "Client":
        return Client(self, mode, node_id, group)


class Client:
    """A subscriber that says and hears bytes, and answers only when it is told to."""

    def __init__(self, world: World, mode: Mode, node_id: str, group: str) -> None:
        self.stream = AdsStream(mode, world.cache, world.roster, world.counters)
        self.mode = mode
        self.now_s = 0.0
        self.last: dict[ResourceType, Heard] = {}
        self.nonces: list[str] = []
        self._introduction = (
            wire.DiscoveryRequestNode(node=wire.Node(id=node_id, cluster=group))
            if mode is SOTW
            else wire.DeltaDiscoveryRequestNode(node=wire.Node(id=node_id, cluster=group))
        ).SerializeToString()

    def _say(self, message: wire.DiscoveryRequest | wire.DeltaDiscoveryRequest) -> Refusal | None:
        introduction, self._introduction = self._introduction, b""
        # Protobuf messages merge by concatenation.
        return self.stream.receive(introduction + message.SerializeToString(), self.now_s)

    def asks(self, type_: ResourceType, *names: str, nonce: str = "", version: str = "") -> None:
        """State of the world: name the whole set."""
        self._say(
            wire.DiscoveryRequest(type_url=type_.url, resource_names=names, response_nonce=nonce, version_info=version)
        )

    def subscribes(
        self,
        type_: ResourceType,
        *names: str,
        unsubscribe: Iterable[str] = (),
        nonce: str = "",
        versions: dict[str, str] | None = None,
    ) -> None:
        """Delta: say what comes and goes."""
        self._say(
            wire.DeltaDiscoveryRequest(
                type_url=type_.url,
                resource_names_subscribe=names,
                resource_names_unsubscribe=unsubscribe,
                initial_resource_versions=versions or {},
                response_nonce=nonce,
            )
        )

    def acks(self, type_: ResourceType, *names: str) -> None:
        """Take the last response; in state of the world, naming again what is asked for."""
        heard = self.last[type_]
        if self.mode is SOTW:
            self.asks(type_, *names, nonce=heard.nonce, version=heard.version)
        else:
            self.subscribes(type_, nonce=heard.nonce)

    def nacks(self, type_: ResourceType, *names: str, error: str = "no") -> Refusal | None:
        """Refuse the last response."""
        detail = wire.Status(code=3, message=error)
        nonce = self.last[type_].nonce
        if self.mode is SOTW:
            return self._say(
                wire.DiscoveryRequest(
                    type_url=type_.url, resource_names=names, response_nonce=nonce, error_detail=detail
                )
            )
        return self._say(wire.DeltaDiscoveryRequest(type_url=type_.url, response_nonce=nonce, error_detail=detail))

    def hears(self, type_: ResourceType, *names: str) -> Heard:
        """Take the next response, which has to be of this type and hold exactly these resources."""
        data = self.stream.pull(self.now_s)
        assert data is not None, f"nothing came where {type_.label} {names} should have"
        heard = decode(self.mode, data)
        assert (heard.type.label, heard.names) == (type_.label, sorted(names)), "the wrong response came"
        assert heard.nonce not in self.nonces, "a nonce came twice on one stream"
        self.nonces.append(heard.nonce)
        self.last[type_] = heard
        return heard

    def hears_nothing(self) -> None:
        data = self.stream.pull(self.now_s)
        assert data is None, f"something came where nothing should have: {decode(self.mode, data)}"

    def takes(self, type_: ResourceType, *names: str) -> Heard:
        """Hear a response and take it, asking for the same as before."""
        heard = self.hears(type_, *names)
        subscription = next(ledger for ledger in self.stream.ledgers() if ledger.type is type_).subscription
        assert subscription is not None
        self.acks(type_, *subscription.names, *(["*"] if subscription.wildcard and not subscription.by_default else []))
        return heard
