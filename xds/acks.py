"""What one client was sent of one type on one stream, and what it took. Pure.

Three things are kept apart that are easily mixed up: what was sent, what was accepted, and what was refused. A client
that refuses a response goes on with what it had accepted before; what it refused is not sent to it again until it
changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from xds.cache import NOTHING, Delivery, Group, Holdings
from xds.snapshot import Resource, ResourceSet, ResourceType
from xds.subscription import Interpretation, Subscription


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response that a client did not take (a NACK).

    Attributes:
        node_id: who refused.
        group: its group.
        type: what it refused, `cds`, `eds`, `lds` or `rds`.
        generation: of the snapshot that the response was made of.
        version: of the response.
        names: the resources in the response; one bad resource is enough to refuse all of them.
        error: the client's own words.
    """

    node_id: str
    group: str
    type: str
    generation: int
    version: str
    names: tuple[str, ...]
    error: str


class Outstanding(NamedTuple):
    """A response that was sent and not answered yet."""

    nonce: str
    generation: int
    sent_at_s: float
    delivery: Delivery


class Ledger:
    """The books of one type on one stream.

    Attributes:
        subscription: what the client asks for.
        held: what it was sent, taken or not.
        accepted: what it took.
        again: names that are to be sent again, although it holds them.
        outstanding: the response that it has not answered; there is one at most, so that a client which does not keep
            up gets the newest state next, and never a backlog.
        refusal: the last response that it refused, until what was in it changes.
        settled_on: the set that it has been brought to as far as possible; None when that has to be looked at.
    """

    __slots__ = (
        "_refused",
        "_sends",
        "accepted",
        "again",
        "held",
        "nonce_sent",
        "outstanding",
        "refusal",
        "settled_on",
        "subscription",
        "type",
        "version_accepted",
        "version_sent",
    )

    def __init__(self, type_: ResourceType) -> None:
        self.type = type_
        self.subscription: Subscription | None = None
        self.held: Holdings = NOTHING
        self.accepted: Holdings = NOTHING
        self.again: frozenset[str] = frozenset()
        self.outstanding: Outstanding | None = None
        self.refusal: Refusal | None = None
        self.settled_on: ResourceSet | None = None
        self.nonce_sent = ""
        self.version_sent = ""
        self.version_accepted = ""
        self._refused: Mapping[str, Resource] = NOTHING
        self._sends = (0, 0)

    def ask(self, interpretation: Interpretation, group: Group) -> None:
        """Take what a request asks for."""
        before, after = self.subscription, interpretation.subscription
        if after is before and not interpretation.forgotten:
            return
        self.subscription = group.shared(after)
        self.settled_on = None
        if interpretation.forgotten:
            self.repeat(interpretation.forgotten)
        if before is not None and (before.wildcard or before.names - after.names):
            known = self.held.keys() | self.accepted.keys() | self._refused.keys()
            self._drop(frozenset(name for name in known if not after.covers(name)), group)

    def claim(self, versions: Mapping[str, str]) -> None:
        """Take a client's word for what it has from an earlier stream."""
        assert self.subscription is not None, "a client claims together with its first request"
        claimed = {
            name: Resource(self.type, name, version, b"")
            for name, version in versions.items()
            if self.subscription.covers(name)
        }
        self.held = self.accepted = MappingProxyType(claimed)

    def repeat(self, names: frozenset[str]) -> None:
        """Have some names sent again, although the client holds them: what it holds, it still uses meanwhile."""
        again = self.again | (names & self.held.keys())
        if again != self.again:
            self.again = again
            self.settled_on = None

    def _drop(self, names: frozenset[str], group: Group) -> None:
        self.held = group.without(self.held, names)
        self.accepted = group.without(self.accepted, names)
        self.again -= names
        if not names.isdisjoint(self._refused):
            # What is given up may be the bad one, for which all that came with it was refused.
            others = frozenset(self._refused) - names
            self._refused = NOTHING
            self._clear_refusal()
            self.repeat(others)

    def next_nonce(self, generation: int) -> str:
        """Return a nonce that was not on this stream before, and that streams in the same state have in common."""
        count = self._sends[1] + 1 if self._sends[0] == generation else 0
        self._sends = (generation, count)
        return f"{generation}.{self.type.label}.{count}"

    def sent(self, outstanding: Outstanding) -> None:
        """Note a response that is being sent."""
        delivery = outstanding.delivery
        self.outstanding = outstanding
        self.held = delivery.after
        self.again &= delivery.withheld
        self.nonce_sent = outstanding.nonce
        self.version_sent = delivery.version
        self.settled_on = None
        if self._refused:
            # In state of the world a set is sent whole: what was refused goes along with what is new.
            sent = {resource.name for resource in delivery.resources}
            self._refused = {name: resource for name, resource in self._refused.items() if name not in sent}
            self._clear_refusal()

    def settle(self, delivery: Delivery) -> bool:
        """Note that there is nothing to send: what the client holds is what it should hold.

        Returns whether it uses less than it was known to: what that referred to may be free to go.
        """
        used = len(self.accepted)
        if self.accepted is self.held:
            self.accepted = delivery.after
        else:
            # After a refusal the two differ, yet what is silently gone is gone from both.
            still = {name: resource for name, resource in self.accepted.items() if name in delivery.after}
            self.accepted = MappingProxyType(still)
        self.held = delivery.after
        self.again &= delivery.withheld
        self.settled_on = delivery.target if delivery.complete else None
        return len(self.accepted) < used

    def ack(self) -> Outstanding | None:
        """Note that the last response was taken, and return it; None when that was known."""
        answered, self.outstanding = self.outstanding, None
        if answered is not None:
            delivery = answered.delivery
            self.accepted = self._accepted(delivery.after) if self._refused else delivery.after
            self.version_accepted = delivery.version
            if self.held is not delivery.after:
                self._take_back(delivery)
            elif delivery.subscription is self.subscription and delivery.complete and not self.again:
                # Nearly every ACK: it has all that it asked for, and that need not be worked out again.
                self.settled_on = delivery.target
        return answered

    def _take_back(self, delivery: Delivery) -> None:
        """Count in what the client gave up and asked for again while the response was on its way: it has that now."""
        assert self.subscription is not None, "a client takes what it asked for"
        back = {
            resource.name: resource
            for resource in delivery.resources
            if self.subscription.covers(resource.name) and resource.name not in self.held
        }
        if back:
            self.held = MappingProxyType({**self.held, **back})
            self.repeat(frozenset(back))

    def _accepted(self, after: Holdings) -> Holdings:
        merged = {name: resource for name, resource in after.items() if name not in self._refused}
        merged.update((name, self.accepted[name]) for name in self._refused if name in self.accepted)
        return MappingProxyType(merged)

    def nack(self, node_id: str, group: str, error: str) -> Refusal | None:
        """Note that the last response was refused, and return the refusal; None when that was known."""
        answered, self.outstanding = self.outstanding, None
        if answered is None:
            return None
        resources = answered.delivery.resources
        if resources:
            self._keep(answered.delivery.removed)
        self._refused = {**self._refused, **{resource.name: resource for resource in resources}}
        self.refusal = Refusal(
            node_id,
            group,
            self.type.label,
            answered.generation,
            answered.delivery.version,
            tuple(resource.name for resource in resources),
            error,
        )
        return self.refusal

    def _keep(self, names: tuple[str, ...]) -> None:
        """Count in what was to be removed by a response that was refused for something else: it is removed apart."""
        assert self.subscription is not None, "a client refuses what it asked for"
        kept = {
            name: self.accepted.get(name, Resource(self.type, name, "", b""))
            for name in names
            if self.subscription.covers(name)
        }
        if kept:
            self.held = MappingProxyType({**self.held, **kept})
            self.settled_on = None

    def reconsider(self, target: ResourceSet) -> frozenset[str]:
        """Return the names that stay refused; when one of them has changed, all are to be sent again.

        One bad resource makes a client refuse all that came with it, so the good ones must come again with the cure.
        """
        if not self._refused:
            return frozenset()
        refused = frozenset(self._refused)
        wanted = target.resources
        if all(name in wanted and wanted[name].body == resource.body for name, resource in self._refused.items()):
            return refused
        self._refused = NOTHING
        self._clear_refusal()
        self.repeat(refused)
        return frozenset()

    def _clear_refusal(self) -> None:
        if not self._refused:
            self.refusal = None
