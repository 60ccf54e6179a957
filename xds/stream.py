"""One ADS stream, without a transport: `receive` takes a request's bytes, `pull` gives the next response's. Pure.

Nothing is queued. `pull` looks at the newest snapshot at the moment when the transport can take a response, and each
type has at most one response unanswered: a client that stalls gets the newest state afterwards and never a backlog.

Make before break. Clusters go first, then their endpoints, listeners, routes; beyond that order,
- a route table is held back while the client has not taken a cluster that the table guides requests to;
- what is gone from the snapshot is taken from the client only when nothing that the client may still be using refers
  to it: first the table that no longer uses a cluster is taken, then the cluster is removed;
- what a changed cluster or listener refers to is supplied again, since it starts anew and waits for that.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

from xds.acks import Ledger, Outstanding, Refusal
from xds.cache import Cache, Delivery, Group, Holdings
from xds.envelope import Node, decode_node, decode_request
from xds.errors import MalformedRequestError
from xds.roster import Member, Roster, Standing, TypeStatus
from xds.snapshot import ResourceSet, ResourceType
from xds.subscription import Meaning, Mode, Request, Subscription, interpret

NAMES_MAX = 100_000
UNKNOWN_TYPES_MAX = 16
NEVER = -1

TYPES_BY_URL: Mapping[str, ResourceType] = {type_.url: type_ for type_ in ResourceType}

SUPPLIED_AGAIN: Mapping[ResourceType, ResourceType] = {
    ResourceType.CLUSTER: ResourceType.ENDPOINTS,
    ResourceType.LISTENER: ResourceType.ROUTES,
}
"""What has to follow when a resource of the first type was sent, although it did not change itself."""

USERS: Mapping[ResourceType, ResourceType | None] = {
    ResourceType.CLUSTER: ResourceType.ROUTES,
    ResourceType.ENDPOINTS: ResourceType.CLUSTER,
    ResourceType.LISTENER: None,
    ResourceType.ROUTES: ResourceType.LISTENER,
}
"""Who refers to a type."""


class Meter(Protocol):
    """What somebody who counts wants to know. Types are `cds`, `eds`, `lds`, `rds`."""

    def stream_opened(self, group: str) -> None:
        """A discovery stream belongs to this group from now on."""

    def stream_closed(self, group: str) -> None:
        """It has ended."""

    def pushed(self, group: str, type_: str, size_bytes: int) -> None:
        """A response was handed to the transport."""

    def acked(self, group: str, type_: str, after_s: float) -> None:
        """A response was taken, this long after it was handed to the transport."""

    def nacked(self, refusal: Refusal) -> None:
        """A response was refused."""


class AdsStream:
    """One client's stream of all types.

    Attributes:
        node: who the client is; None before its first request.
        group: what it belongs to; None before its first request.
        unknown_types: type URLs that it asked for and that nobody serves, the first few.
    """

    __slots__ = (
        "_cache",
        "_ledgers",
        "_member",
        "_meter",
        "_rests_at",
        "_roster",
        "group",
        "mode",
        "node",
        "unknown_types",
    )

    def __init__(self, mode: Mode, cache: Cache, roster: Roster, meter: Meter) -> None:
        self.mode = mode
        self.node: Node | None = None
        self.group: Group | None = None
        self.unknown_types: set[str] = set()
        self._cache = cache
        self._roster = roster
        self._meter = meter
        self._member: Member | None = None
        self._ledgers: dict[ResourceType, Ledger] = {}
        self._rests_at = NEVER

    def receive(self, data: bytes, now_s: float) -> Refusal | None:
        """Take a request; return the refusal if it is one.

        Raises:
            MalformedRequestError: the bytes are not a request, the first one has no node, or it asks for too much.
        """
        request = decode_request(self.mode, data)
        self._rests_at = NEVER
        if self.group is None:
            self._join(data, now_s)
        type_ = TYPES_BY_URL.get(request.type_url)
        if type_ is None:
            if len(self.unknown_types) < UNKNOWN_TYPES_MAX:
                self.unknown_types.add(request.type_url)
            return None
        return self._take(type_, request, now_s)

    def pull(self, now_s: float) -> bytes | None:
        """Return the next response to send; None when there is none until something happens."""
        due = self._due()
        return None if due is None else self._send(*due, now_s)

    def rests(self) -> bool:
        """Whether there is nothing to send until something happens: then nobody needs to be woken to `pull`."""
        return self._due() is None

    def close(self, now_s: float) -> None:
        """Free what the stream holds. It is not used afterwards."""
        if self._member is not None and self.group is not None:
            self._roster.leave(self._member, now_s)
            self._meter.stream_closed(self.group.name)

    def ledgers(self) -> Iterator[Ledger]:
        """Return the books of each type that the client asked for."""
        return iter(self._ledgers.values())

    def _join(self, data: bytes, now_s: float) -> None:
        node = decode_node(self.mode, data)
        if node is None or not node.id:
            raise MalformedRequestError("The first request on a stream has no node id. Set `node.id` in the bootstrap.")
        self.node = node
        self.group = self._cache.group(node.cluster)
        self._member = Member(node.id, node.cluster, now_s, node.program)
        self._member.describe = self._describe
        self._roster.join(self._member)
        self._meter.stream_opened(node.cluster)

    def _take(self, type_: ResourceType, request: Request, now_s: float) -> Refusal | None:
        assert self.group is not None, "a request is taken after its sender is known"
        assert self.node is not None, "a group is known by its node"
        first = type_ not in self._ledgers
        ledger = self._open(type_) if first else self._ledgers[type_]
        understood = interpret(ledger.subscription, ledger.nonce_sent, request, full_state=type_.full_state)
        if len(understood.subscription.names) > NAMES_MAX:
            raise MalformedRequestError(f"More than {NAMES_MAX} names of {type_.label} are asked for on one stream.")
        if len(request.versions) > NAMES_MAX:
            raise MalformedRequestError(f"More than {NAMES_MAX} {type_.label} resources are claimed on one stream.")
        ledger.ask(understood, self.group)
        if first and request.versions:
            ledger.claim(request.versions)
        if understood.meaning is Meaning.ACK:
            answered = ledger.ack()
            if answered is not None:
                self._meter.acked(self.group.name, type_.label, max(0.0, now_s - answered.sent_at_s))
        elif understood.meaning is Meaning.NACK:
            refusal = ledger.nack(self.node.id, self.group.name, request.error or "")
            if refusal is not None:
                self._meter.nacked(refusal)
                return refusal
        return None

    def _open(self, type_: ResourceType) -> Ledger:
        ledgers = {**self._ledgers, type_: Ledger(type_)}
        self._ledgers = {each: ledgers[each] for each in ResourceType if each in ledgers}
        return ledgers[type_]

    def _due(self) -> tuple[Ledger, Delivery, Group] | None:
        """Return what is to be sent next; settle what need not be sent, and note how far the stream has come.

        This is asked several times per push and stream, and mostly the answer is that it was just asked.
        """
        group, member = self.group, self._member
        if group is None or member is None or group.snapshot is None or self._rests_at == group.generation:
            return None
        sets = group.snapshot.sets
        waits = refused = False
        released = True
        while released:
            released = False
            for type_, ledger in self._ledgers.items():
                if ledger.outstanding is not None:
                    waits = True
                elif ledger.settled_on is not (target := sets[type_]):
                    delivery = self._deliver(ledger, target, group)
                    if not delivery.is_empty:
                        return ledger, delivery, group
                    released |= ledger.settle(delivery)
                if ledger.refusal is not None:
                    refused = True
        self._rests_at = group.generation
        if refused or member.standing.refusals or not waits:
            self._roster.update(member, self._standing(group))
        return None

    def _deliver(self, ledger: Ledger, target: ResourceSet, group: Group) -> Delivery:
        assert ledger.subscription is not None, "a ledger is opened by a request"
        withheld = ledger.reconsider(target)
        if ledger.type is ResourceType.ROUTES:
            withheld |= self._not_ready(ledger, target, group)
        delivery = group.deliver(self.mode, ledger.type, ledger.subscription, ledger.held)
        if delivery.gone:
            withheld |= self._still_in_use(ledger, delivery.gone, group)
        if not withheld and not ledger.again:
            return delivery
        return group.deliver(self.mode, ledger.type, ledger.subscription, ledger.held, withheld, ledger.again)

    def _still_in_use(self, ledger: Ledger, gone: frozenset[str], group: Group) -> frozenset[str]:
        """Return what is gone from the snapshot and has to stay, because something that the client has refers to it."""
        user_type = USERS[ledger.type]
        if user_type is None:
            return frozenset()
        used: set[str] = set()
        user = self._ledgers.get(user_type)
        if user is not None:
            for held in _may_be_using(user):
                used |= group.needed(held, ledger.type)
        kept = gone & used
        # A cluster that is made of others keeps these too.
        frontier = kept
        while frontier:
            members = frozenset(n for name in frontier for t, n in ledger.held[name].references if t is ledger.type)
            frontier = (members & gone) - kept
            kept |= frontier
        return kept

    def _not_ready(self, ledger: Ledger, target: ResourceSet, group: Group) -> frozenset[str]:
        """Return the route tables that refer to a cluster which the client has not taken yet."""
        clusters = self._ledgers.get(ResourceType.CLUSTER)
        # A client that asks for clusters by name (gRPC's) learns the names from the table: it cannot have them before.
        if clusters is None or clusters.subscription is None:
            return frozenset()
        assert group.snapshot is not None, "something is delivered"
        whole = group.snapshot.sets[ResourceType.CLUSTER].resources
        # What it has taken it may be losing at this moment.
        has_for_sure = tuple(_may_be_using(clusters))
        if not clusters.subscription.wildcard or all(held is whole for held in has_for_sure):
            return frozenset()
        return frozenset(
            name
            for name, resource in target.resources.items()
            if ledger.subscription is not None
            and ledger.subscription.covers(name)
            and any(n not in held for t, n in resource.references if t is ResourceType.CLUSTER for held in has_for_sure)
        )

    def _send(self, ledger: Ledger, delivery: Delivery, group: Group, now_s: float) -> bytes:
        nonce = ledger.next_nonce(group.generation)
        data = group.encode(delivery, nonce)
        if SUPPLIED_AGAIN.get(ledger.type) in self._ledgers:
            self._supply_again(ledger, delivery)
        ledger.sent(Outstanding(nonce, group.generation, now_s, delivery))
        self._rests_at = NEVER
        self._meter.pushed(group.name, ledger.type.label, len(data))
        return data

    def _supply_again(self, ledger: Ledger, delivery: Delivery) -> None:
        """Have what the new or changed resources of a delivery refer to sent after them."""
        needed_type = SUPPLIED_AGAIN[ledger.type]
        changed = (
            resource
            for resource in delivery.resources
            if resource.name in ledger.again or ledger.held.get(resource.name) != resource
        )
        needed = (name for resource in changed for of_type, name in resource.references if of_type is needed_type)
        self._ledgers[needed_type].repeat(frozenset(needed))

    def _standing(self, group: Group) -> Standing:
        assert group.snapshot is not None, "standing is towards a snapshot"
        refusals: tuple[Refusal, ...] = ()
        confirmed, sets = True, group.snapshot.sets
        for type_, ledger in self._ledgers.items():
            if ledger.refusal is not None:
                refusals += (ledger.refusal,)
                confirmed = False
            elif confirmed:
                confirmed = (
                    ledger.outstanding is None
                    and ledger.settled_on is sets[type_]
                    and (type_ not in SUPPLIED_AGAIN or self._asked_for_all(ledger, group))
                )
        return Standing(group.generation, confirmed, refusals)

    def _asked_for_all(self, ledger: Ledger, group: Group) -> bool:
        """Whether the client has asked for what the clusters or listeners that it took cannot do without."""
        needed_type = SUPPLIED_AGAIN[ledger.type]
        follower = self._ledgers.get(needed_type)
        asked = follower.subscription if follower is not None else None
        return group.covers(asked or Subscription(), ledger.accepted, needed_type)

    def _describe(self) -> tuple[TypeStatus, ...]:
        return tuple(
            TypeStatus(
                ledger.type.label,
                ledger.version_sent,
                ledger.version_accepted,
                ledger.refusal.error if ledger.refusal else None,
            )
            for ledger in self._ledgers.values()
        )


def _may_be_using(ledger: Ledger) -> Iterator[Holdings]:
    """Return what the client has taken, and what it may be taking at this moment."""
    yield ledger.accepted
    if ledger.outstanding is not None:
        yield ledger.outstanding.delivery.after
