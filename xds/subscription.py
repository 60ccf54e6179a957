"""What a client asks for of one type on one stream: request in, meaning out. Pure.

State-of-the-world and delta differ only in how a request says it: the first names the whole set each time, the second
what comes and goes. Both become one `Request`, and `interpret` is the only reader of it.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

WILDCARD = "*"


class Mode(Enum):
    """The two variants of the protocol."""

    STATE_OF_THE_WORLD = "sotw"
    DELTA = "delta"

    # Enum hashes its name in Python; the identity is as good a hash for members, and this is looked up at every push.
    __hash__ = object.__hash__


class Meaning(Enum):
    """What a request is, besides what it asks for."""

    SUBSCRIBE = "subscribe"
    ACK = "ack"
    NACK = "nack"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Request:
    """A discovery request of either variant, without its node.

    Attributes:
        type_url: which type it is about.
        nonce: of the response that it answers; empty when it answers none.
        error: the client's own words when it refuses that response, else None.
        names: state of the world: everything that is asked for from now on; None in delta.
        subscribe: delta: what is asked for in addition.
        unsubscribe: delta: what is no longer asked for.
        versions: delta, first request: what the client has from an earlier stream, by name.
    """

    type_url: str
    nonce: str = ""
    error: str | None = None
    names: frozenset[str] | None = None
    subscribe: frozenset[str] = frozenset()
    unsubscribe: frozenset[str] = frozenset()
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is asked for: some names, everything, or everything and some names besides."""

    names: frozenset[str] = frozenset()
    wildcard: bool = False
    by_default: bool = False
    """Everything, because no name was ever given: that ends with the first name (only state of the world)."""

    def covers(self, name: str) -> bool:
        """Whether a resource of this name is asked for."""
        return self.wildcard or name in self.names


class Interpretation(NamedTuple):
    """A request, understood.

    Attributes:
        meaning: what it says about the last response.
        subscription: what is asked for from now on.
        forgotten: delta: names that are to be sent again although the client may have them.
    """

    meaning: Meaning
    subscription: Subscription
    forgotten: frozenset[str] = frozenset()


def interpret(before: Subscription | None, nonce_sent: str, request: Request, *, full_state: bool) -> Interpretation:
    """Say what a request means.

    Args:
        before: what was asked for until now; None on the first request for the type on this stream.
        nonce_sent: of the last response of this type on this stream; empty when there was none.
        request: the request.
        full_state: whether the type's first request without names asks for everything (clusters, listeners).
    """
    meaning = _meaning(nonce_sent, request)
    if before is not None and request.names == before.names and not before.wildcard:
        return Interpretation(meaning, before)  # nearly every request: an ACK that asks for the same again
    if request.names is None:
        return _delta(before, request, meaning, full_state=full_state)
    if meaning is Meaning.STALE:
        # It was sent before the client saw the last response, whose answer will name the whole set again.
        return Interpretation(meaning, before or Subscription())
    return _state_of_the_world(before, request.names, meaning, full_state=full_state)


def _meaning(nonce_sent: str, request: Request) -> Meaning:
    if not request.nonce or not nonce_sent:
        # No answer to anything on this stream: a client that reconnects may still carry the old stream's nonce.
        return Meaning.SUBSCRIBE
    if request.nonce != nonce_sent:
        return Meaning.STALE
    return Meaning.ACK if request.error is None else Meaning.NACK


def _state_of_the_world(
    before: Subscription | None, names: frozenset[str], meaning: Meaning, *, full_state: bool
) -> Interpretation:
    if not names and full_state and (before is None or before.by_default):
        return Interpretation(meaning, before or Subscription(wildcard=True, by_default=True))
    after = Subscription(names - {WILDCARD}, wildcard=WILDCARD in names)
    return Interpretation(meaning, before if before is not None and before == after else after)


def _delta(before: Subscription | None, request: Request, meaning: Meaning, *, full_state: bool) -> Interpretation:
    by_default = before is None and full_state and not request.subscribe
    before = before or Subscription()
    if not (by_default or request.subscribe or request.unsubscribe):
        return Interpretation(meaning, before)
    wildcard = (before.wildcard and WILDCARD not in request.unsubscribe) or WILDCARD in request.subscribe or by_default
    names = (before.names - request.unsubscribe) | (request.subscribe - {WILDCARD})
    after = replace(before, names=names, wildcard=wildcard)
    # Asking again for what one has is a request to get it again; so is giving up a name that the wildcard still covers.
    return Interpretation(meaning, after, (request.subscribe | request.unsubscribe) - {WILDCARD})
