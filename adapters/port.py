"""What every gateway must be able to do, and the values that cross the border. No I/O is imported here.

The controller speaks of *agents*, *versions*, *tracks* and *splits*; a gateway speaks of clusters, servers, targets or
weights. An adapter translates. It is told what is wanted (an :class:`Assignment`), and answers with what it saw:
a :class:`Receipt`, a :class:`Verification`, an :class:`Observation`. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from adapters.capabilities import Capabilities

WHOLE_BP = 10_000
"""All the traffic of an agent, in basis points (1/100 of a percent)."""


class Track(StrEnum):
    """The role that a version plays now."""

    STABLE = "stable"
    CANDIDATE = "candidate"


@dataclass(frozen=True, slots=True)
class Split:
    """How live traffic is divided over the tracks, in basis points; the two shares sum to 10,000.

    Attributes:
        candidate_bp: the candidate's share of live requests, 0 to 10,000.
        mirror_bp: the share of stable's requests that are copied to the candidate, whose answers nobody sees.
    """

    candidate_bp: int = 0
    mirror_bp: int = 0

    def __post_init__(self) -> None:
        for name in ("candidate_bp", "mirror_bp"):
            if not 0 <= getattr(self, name) <= WHOLE_BP:
                raise ValueError(f"{name} must be between 0 and {WHOLE_BP}, not {getattr(self, name)}")

    @property
    def stable_bp(self) -> int:
        """What is left for the stable version."""
        return WHOLE_BP - self.candidate_bp

    def __str__(self) -> str:
        mirrored = f", mirroring {self.mirror_bp / 100:g} %" if self.mirror_bp else ""
        return f"{self.candidate_bp / 100:g} % candidate{mirrored}"


ALL_STABLE = Split()
"""Where every rollback goes."""


@dataclass(frozen=True, slots=True)
class Version:
    """One deployable build of an agent.

    Attributes:
        name: the version string, e.g. ``1.3.0``.
        endpoints: ``host:port`` of each instance; a host is an IP address or a name that the adapter resolves.
        digest: what identifies the build, e.g. an image digest; empty when the operator gave none.
        http2: whether the instances speak HTTP/2 without TLS (gRPC agents do).
        drain_url: called when the version starts to drain, with ``?deadline_s=``, so that it can end its streams.
    """

    name: str
    endpoints: tuple[str, ...]
    digest: str = ""
    http2: bool = False
    drain_url: str | None = None


def latency_over(limit_s: float) -> str:
    """The indicator "the answer took longer than `limit_s` seconds", as one canonical name, in tallies and verdicts."""
    if not limit_s > 0:
        raise ValueError(f"a latency limit is a positive number of seconds, not {limit_s!r}")
    return f"latency_over:{limit_s:.10g}s"


def host_port(endpoint: str) -> tuple[str, int]:
    """``host:port`` as two values; an IPv6 address loses its brackets."""
    host, _, port = endpoint.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """A request belongs to the agent only if this header has exactly this value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Route:
    """Which requests belong to an agent: host, then path prefix, then headers.

    Attributes:
        hosts: domain names, ``*`` for any, ``*.example.com`` for a suffix.
        path_prefix: matched at a path separator: ``/v1`` takes ``/v1`` and ``/v1/x``, not ``/v10``.
        headers: all must match.
    """

    hosts: tuple[str, ...] = ("*",)
    path_prefix: str = "/"
    headers: tuple[HeaderMatch, ...] = ()


@dataclass(frozen=True, slots=True)
class Stickiness:
    """What keeps a session on its version: a header that clients send, or a cookie that the gateway sets."""

    header: str | None = None
    cookie: str | None = None

    def __post_init__(self) -> None:
        if (self.header is None) == (self.cookie is None):
            raise ValueError("stickiness needs a header or a cookie, and not both")


@dataclass(frozen=True, slots=True)
class Assignment:
    """All that one gateway must know of one agent. It is whole, idempotent, and replaces what was there before.

    Attributes:
        agent: the agent's name.
        route: which requests belong to it.
        stable: the version that plays the stable track.
        candidate: the version that plays the candidate track, if there is one.
        split: how live requests are divided. ``candidate_bp`` is 0 when there is no candidate.
        draining: versions that take no new request but may still have some in flight; they stay known to the gateway,
            so that what is in flight is seen, and so that an instant return needs no warm-up.
        stickiness: what keeps a session on its version; None divides each request by chance.
        dead_man_s: go back to stable by yourself after this long without a word from the controller; None never does.
        request_timeout_s: the longest that a request may take; None sets no limit (agents stream).
        retries: how often the gateway may try a failed request again, on a newly drawn version.
        indicators: the outcomes that the agent's answers report (ORCA named metrics), e.g. ``task_failed``.
        latency_limits_s: count the requests that take longer than each of these, in seconds, from the whole request to
            the headers of its answer; the counts are in ``Tally.indicators`` under :func:`latency_over`.
        drain_deadline_s: the longest that requests are left to end; none that is older is in flight.
    """

    agent: str
    route: Route
    stable: Version
    candidate: Version | None = None
    split: Split = ALL_STABLE
    draining: tuple[Version, ...] = ()
    stickiness: Stickiness | None = None
    dead_man_s: float | None = None
    request_timeout_s: float | None = None
    retries: int = 0
    indicators: tuple[str, ...] = ()
    latency_limits_s: tuple[float, ...] = ()
    drain_deadline_s: float = 600.0

    def __post_init__(self) -> None:
        if self.candidate is None and (self.split.candidate_bp or self.split.mirror_bp):
            raise ValueError(f"{self.agent}: a split needs a candidate")

    @property
    def versions(self) -> tuple[Version, ...]:
        """Every version that the gateway must know, stable first."""
        candidate = (self.candidate,) if self.candidate else ()
        return (self.stable, *candidate, *self.draining)


class Applied(StrEnum):
    """How a gateway answered ``apply``. Only CONFIRMED means that new requests follow the split."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of one ``apply``.

    Attributes:
        gateway: who answered.
        outcome: see :class:`Applied`.
        split: the split that was asked for.
        detail: the gateway's own words, for people; empty when all is well. One that is confirmed may have some too.
        took_s: from the call to the answer, in seconds.
        code: why it is not confirmed, in a word that programs can match on: a code of :class:`GatewayError`, or
            ``refused`` where the gateway gives no reason of that kind. The outcome where nothing better is known.
    """

    gateway: str
    outcome: Applied
    split: Split
    detail: str = ""
    took_s: float = 0.0
    code: str = ""

    def __post_init__(self) -> None:
        if not self.code and self.outcome is not Applied.CONFIRMED:
            object.__setattr__(self, "code", self.outcome.value)


class Proof(StrEnum):
    """What ``verify`` found when it read the gateway back. Never a bool that may be None.

    RESET and DRIFTED both say that something else stands there than was applied and confirmed. RESET: the gateway began
    again (another process, another epoch, its own file read anew), and what was applied went with that; it is applied
    again at once. DRIFTED: it has been up all the time, so somebody has changed it. An adapter that cannot tell says
    RESET where what stands there is what the gateway starts with, and DRIFTED where it is not. Where all of it stands,
    and a host name has other addresses by now, it is PENDING: they are applied at once, and that was no restart.
    """

    APPLIED = "applied"
    PENDING = "pending"
    DRIFTED = "drifted"
    RESET = "reset"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNPROVABLE = "unprovable"


@dataclass(frozen=True, slots=True)
class Verification:
    """What stands at the gateway now, compared with what was last applied.

    Attributes:
        detail: for people. With APPLIED it is what is amiss all the same, e.g. a full disk, for as long as it is so.
    """

    gateway: str
    proof: Proof
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """Cumulative counts of one version at one gateway since ``Observation.epoch``. They only grow within one epoch.

    Attributes:
        requests: requests that ended, or whose answer began (a stream counts at its headers).
        errors: those of them that failed: 5xx, reset before headers, timeout, refused.
        indicators: per outcome indicator, (requests that reported it, sum of its values); per latency limit, (requests
            that were answered or have waited for longer, those that took longer).
    """

    requests: int = 0
    errors: int = 0
    indicators: Mapping[str, tuple[int, float]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class SessionTally:
    """Sessions that a gateway hashes onto the points of a ring, each counted once under a split.

    A session counts by its first request under the split, and not before every request of that age has ended: those of
    a fast version are logged sooner than those of a slow one.

    Attributes:
        counts: per version *name*, cumulative as those of a :class:`Tally`.
        stable_points, candidate_points: how many points each track has. The fewer there are, the further may their
            share of the ring be, by chance, from their share of the points.
    """

    counts: Mapping[str, int]
    stable_points: int
    candidate_points: int


@dataclass(frozen=True, slots=True)
class Observation:
    """What one gateway has seen of one agent, per version name.

    Attributes:
        gateway: who saw it.
        agent: whose requests.
        epoch: changes when the counters started again from zero (a restart); counts of two epochs never mix.
        tallies: per version *name*, cumulative counts. A version that is absent was not reported: that is not zero.
        in_flight: per version name, requests now open, streams included. Absent means that it cannot be seen.
        age_s: how long ago the oldest of these figures was read at the gateway, in seconds.
        sessions: where sessions were guided; None where nobody counts them.
    """

    gateway: str
    agent: str
    epoch: str
    tallies: Mapping[str, Tally]
    in_flight: Mapping[str, int]
    age_s: float = 0.0
    sessions: SessionTally | None = None


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """One gateway, for ``GET /v1/gateways``.

    Attributes:
        name: the gateway's name.
        kind: ``envoy``, ``haproxy``, ...
        reachable: whether it can be spoken to now.
        detail: its program's version, or why it cannot be reached.
        nodes: the processes it consists of, as far as the adapter sees them.
    """

    name: str
    kind: str
    reachable: bool
    detail: str = ""
    nodes: tuple[str, ...] = ()


class GatewayError(Exception):
    """A gateway could not do what was asked. ``code`` says why in one word, ``retryable`` whether to ask again.

    The codes are ``unreachable``, ``denied``, ``not-found``, ``invalid``, ``conflict``, ``read-only``,
    ``unconfirmed`` and ``partial``.
    """

    def __init__(self, gateway: str, code: str, message: str, *, retryable: bool) -> None:
        super().__init__(f"{gateway}: {message}")
        self.gateway = gateway
        self.code = code
        self.retryable = retryable


class Adapter(Protocol):
    """One kind of gateway. Every method is idempotent, bounded in time, and safe to cancel."""

    @property
    def name(self) -> str:
        """The gateway's name in the operator's YAML."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; constant."""
        ...

    async def start(self, assignments: Sequence[Assignment]) -> None:
        """Begin, knowing every agent of this gateway from the first moment: a gateway must never be told of only some.

        Nothing is confirmed by this; ``apply`` is called for each of them afterwards.
        """
        ...

    async def apply(self, assignment: Assignment, *, timeout_s: float) -> Receipt:
        """Make the gateway take the assignment, and wait until it is confirmed, refused, or ``timeout_s`` has passed.

        Shares are raised before others are lowered, and never all of them are zero. Where everything goes to stable,
        whatever holds sessions on the candidate (cookies, stick tables) is broken too.

        What was asked for stays wanted after a timeout: a gateway that comes back later still gets it.
        Trouble with the gateway is an outcome of the receipt, not an exception.
        """
        ...

    async def verify(self, agent: str) -> Verification:
        """Read the gateway back, and compare with what was last applied."""
        ...

    async def observe(self, agent: str) -> Observation:
        """Read the cumulative counters. Raises :class:`GatewayError` when they cannot be read."""
        ...

    async def cut(self, agent: str, version: str) -> None:
        """End what is still in flight on a version that takes nothing new, where ``capabilities.cuts_streams``.

        Raises :class:`GatewayError` when it cannot be done; elsewhere it does nothing.
        """
        ...

    async def remove(self, agent: str) -> None:
        """Forget an agent that is no longer configured."""
        ...

    async def status(self) -> GatewayStatus:
        """Say how the gateway is."""
        ...

    async def close(self) -> None:
        """Stop. The gateway keeps serving what it has."""
        ...
