"""Route tables: which request goes to which cluster, and in what share.

One route costs about a millisecond to encode, a table of a thousand a second. So each route is encoded once and keeps
its bytes; a virtual host is the bytes of its name and domains followed by those of its routes, and a table the bytes of
its name followed by those of its virtual hosts. What changes every minute, the shares, is written here, by hand, behind
what stays of the route: a changed share costs microseconds.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property, lru_cache

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.type import v3 as envoy_type
from envoy_data_plane.envoy.type.matcher import v3 as matcher

from xds.errors import ResourceError
from xds.snapshot import Reference, Resource, ResourceType

SHARES_TOTAL_BP = 10_000

# Protobuf's wire format: the key of a field that holds a message is its number and type 2, then comes its length.
_ROUTE_IN_VIRTUAL_HOST = b"\x1a"
_VIRTUAL_HOST_IN_TABLE = b"\x12"
_ACTION_IN_ROUTE = b"\x12"
_WEIGHTED_CLUSTERS_IN_ACTION = b"\x1a"
_SHARE_IN_WEIGHTED_CLUSTERS = b"\x0a"
_NAME_IN_SHARE = b"\x0a"
_WEIGHT_IN_SHARE = b"\x12"
_VALUE_OF_WEIGHT = b"\x08"

ENCODED_CACHED_MAX = 4_096

_COOKIE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_COOKIE_PATH = re.compile(r"/[A-Za-z0-9/._~-]*")

OUTCOME_HEADERS = ("endpoint-load-metrics", "endpoint-load-metrics-bin")
"""The headers in which an agent tells its outcomes (ORCA): read for the load reports, not meant for clients."""


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """A header that a request must have: with exactly this value, or with any when `value` is None."""

    name: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A cluster and its share of a route's requests, in basis points."""

    cluster: str
    weight_bp: int

    @property
    def encoded(self) -> bytes:
        """What this share adds to an encoded `WeightedCluster`; a weight of nothing is said, too."""
        weight = _VALUE_OF_WEIGHT + _varint(self.weight_bp) if self.weight_bp else b""
        cluster = _field(_NAME_IN_SHARE, self.cluster.encode())
        return _field(_SHARE_IN_WEIGHTED_CLUSTERS, cluster + _field(_WEIGHT_IN_SHARE, weight))


@dataclass(frozen=True, slots=True)
class Mirror:
    """A cluster that gets a copy of this share of the requests, in basis points; its answers go nowhere."""

    cluster: str
    share_bp: int = SHARES_TOTAL_BP


@dataclass(frozen=True, slots=True)
class HashByHeader:
    """Requests with the same value of a header go to the same cluster; those without it are spread at random."""

    name: str


@dataclass(frozen=True, slots=True)
class HashByCookie:
    """Requests with the same cookie go to the same cluster.

    Envoy makes a cookie only for load balancers that hash, and too late to choose the cluster by it. So a request
    without one is hashed by its `x-request-id`, and its answer sets the cookie to just that: the next hashes the same.

    Attributes:
        name: of the cookie.
        path: for which a cookie that is made here is valid.
        ttl_s: make the cookie when a request has none, to live this long; 0 makes it a session's cookie, and None
            leaves it to the agent to set one.
    """

    name: str
    path: str = "/"
    ttl_s: int | None = 0

    def __post_init__(self) -> None:
        """Refuse what is not a cookie (RFC 6265), and what Envoy would take for a format string."""
        if not _COOKIE_NAME.fullmatch(self.name):
            raise ResourceError(f"{self.name!r} is not the name of a cookie. Use letters, digits, '-' and '_'.")
        if not _COOKIE_PATH.fullmatch(self.path):
            raise ResourceError(f"{self.path!r} is not the path of a cookie. Use letters, digits and '/-_.~'.")

    @property
    def set_cookie(self) -> str:
        """The header that makes the cookie, as a format string of Envoy's."""
        age = f"; Max-Age={self.ttl_s}" if self.ttl_s else ""
        return f"{self.name}=%REQ(X-REQUEST-ID)%; Path={self.path}{age}; HttpOnly"


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed request is tried again, and on what (Envoy's `retry_on`).

    With `choose_cluster_again` a retry draws its cluster anew, so that a broken candidate stays invisible to clients
    while its errors are counted (Envoy's `refresh_cluster_on_retry`).
    """

    retry_on: str = "connect-failure,refused-stream,reset-before-request,gateway-error"
    retries_max: int = 1
    choose_cluster_again: bool = True


@dataclass(frozen=True)
class Route:
    """Requests below one prefix, and the clusters that share them.

    Attributes:
        prefix: begins with `/`. It matches whole segments, `/a` matches `/a/b` and not `/ab`, unless `whole_segments`
            is False, which is what gRPC's own client understands (`/package.Service/`).
        shares: sums to 10,000 basis points. Keep stable first and its place the same: then a session that is
            hashed moves only to the cluster that grows.
        timeout_s: of the whole answer; 0 is none, which is what event streams need.
        idle_timeout_s: of a stream on which nothing moves; None leaves it to the listener.
        hide_headers: removed from answers before clients see them.
    """

    prefix: str
    shares: tuple[Share, ...]
    headers: tuple[HeaderMatch, ...] = ()
    whole_segments: bool = True
    hash_by: HashByHeader | HashByCookie | None = None
    retry: Retry | None = None
    mirrors: tuple[Mirror, ...] = ()
    timeout_s: float = 0
    idle_timeout_s: float | None = None
    hide_headers: tuple[str, ...] = OUTCOME_HEADERS

    def __post_init__(self) -> None:
        """Refuse what Envoy would refuse, or would take and not serve."""
        if not self.prefix.startswith("/"):
            raise ResourceError(f"The prefix {self.prefix!r} does not begin with '/'.")
        total_bp = sum(share.weight_bp for share in self.shares)
        if total_bp != SHARES_TOTAL_BP or any(share.weight_bp < 0 for share in self.shares):
            raise ResourceError(f"The shares of {self.prefix!r} sum to {total_bp} basis points, not {SHARES_TOTAL_BP}.")
        if any(not 0 <= mirror.share_bp <= SHARES_TOTAL_BP for mirror in self.mirrors):
            raise ResourceError(f"A mirror of {self.prefix!r} has a share outside 0 to {SHARES_TOTAL_BP} basis points.")

    @cached_property
    def encoded(self) -> bytes:
        """What this route adds to an encoded virtual host."""
        weighted, action, routes = _without_shares(replace(self, shares=_ANY_SHARES))
        weighted = b"".join([weighted, *(share.encoded for share in self.shares)])
        action = _field(_ACTION_IN_ROUTE, action + _field(_WEIGHTED_CLUSTERS_IN_ACTION, weighted))
        return b"".join(_field(_ROUTE_IN_VIRTUAL_HOST, entry + action) for entry in routes)

    @cached_property
    def references(self) -> frozenset[Reference]:
        """The clusters that can get a request: those of share 0 need not be there."""
        served = {share.cluster for share in self.shares if share.weight_bp}
        mirrored = {mirror.cluster for mirror in self.mirrors if mirror.share_bp}
        return frozenset((ResourceType.CLUSTER, cluster) for cluster in served | mirrored)

    @property
    def specificity(self) -> tuple[int, int, str, tuple[tuple[str, str], ...]]:
        """Routes of one host are tried in this order: longer prefixes first, then more header matches."""
        headers = tuple((header.name, header.value or "") for header in self.headers)
        return (-len(self.prefix), -len(self.headers), self.prefix, headers)


@dataclass(frozen=True)
class VirtualHost:
    """The routes of some domains (`*`, `agents.example.com`, `*.example.com`), tried in their order."""

    name: str
    domains: tuple[str, ...]
    routes: tuple[Route, ...]

    @cached_property
    def encoded(self) -> bytes:
        """What this virtual host adds to an encoded table."""
        head = _virtual_host_head(self.name, self.domains)
        return _field(_VIRTUAL_HOST_IN_TABLE, b"".join([head, *(entry.encoded for entry in self.routes)]))

    @cached_property
    def references(self) -> frozenset[Reference]:
        """The clusters that can get a request."""
        return frozenset().union(*(entry.references for entry in self.routes))


def route_table(name: str, virtual_hosts: Iterable[VirtualHost], *, validate_clusters: bool = False) -> Resource:
    """Make a RouteConfiguration. A domain takes requests to it on any port.

    Args:
        name: what a listener names in its `routes`.
        virtual_hosts: each domain stands in one of them only.
        validate_clusters: let Envoy refuse a table that names an unknown cluster, instead of answering 503.

    Raises:
        ResourceError: two virtual hosts have one name or one domain.
    """
    hosts = tuple(virtual_hosts)
    _check_unique("name", [host.name for host in hosts], name)
    _check_unique("domain", [domain.lower() for host in hosts for domain in host.domains], name)
    head = _table_head(name, validate_clusters=validate_clusters)
    body = b"".join([head, *(host.encoded for host in hosts)])
    references: frozenset[Reference] = frozenset().union(*(host.references for host in hosts))
    return Resource.of(ResourceType.ROUTES, name, body, references)


def share_hosts(claims: Iterable[tuple[Iterable[str], Route]]) -> tuple[VirtualHost, ...]:
    """Turn routes with the hosts they are for into virtual hosts: agents that share a host share its virtual host.

    The longest prefix is tried first, and of equal ones that with the most header matches. Hosts with the same routes
    become one virtual host, named by its first host.

    Raises:
        ResourceError: two routes of one host have the same prefix and the same header matches.
    """
    by_host: dict[str, list[Route]] = {}
    for hosts, entry in claims:
        for host in dict.fromkeys(host.lower() for host in hosts):
            by_host.setdefault(host, []).append(entry)
    hosts_of: dict[tuple[Route, ...], list[str]] = {}
    for host, entries in sorted(by_host.items()):
        claimed = [(entry.prefix, entry.whole_segments, frozenset(entry.headers)) for entry in entries]
        _check_unique("prefix", claimed, host)
        ordered = sorted(entries, key=lambda entry: entry.specificity)
        hosts_of.setdefault(tuple(ordered), []).append(host)
    return tuple(VirtualHost(hosts[0], tuple(hosts), entries) for entries, hosts in hosts_of.items())


def _check_unique(what: str, values: Sequence[object], where: str) -> None:
    seen: set[object] = set()
    for value in values:
        if value in seen:
            raise ResourceError(
                f"The {what} {value!r} stands twice in {where!r}; one of the two would never be served."
            )
        seen.add(value)


def _field(key: bytes, message: bytes) -> bytes:
    """A field of a message that holds another one: protobuf messages merge by concatenation of their fields."""
    return b"".join((key, _varint(len(message)), message))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


@lru_cache(maxsize=ENCODED_CACHED_MAX)
def _table_head(name: str, *, validate_clusters: bool) -> bytes:
    # Clients send `agents.test:23000` wherever the port is not the protocol's own; domains are names without port.
    return bytes(
        route.RouteConfiguration(
            name=name, validate_clusters=validate_clusters or None, ignore_port_in_host_matching=True
        )
    )


@lru_cache(maxsize=ENCODED_CACHED_MAX)
def _virtual_host_head(name: str, domains: tuple[str, ...]) -> bytes:
    return bytes(route.VirtualHost(name=name, domains=list(domains)))


_ANY_SHARES = (Share("any", SHARES_TOTAL_BP),)
"""Stands for the shares where it does not matter which."""


@lru_cache(maxsize=ENCODED_CACHED_MAX)
def _without_shares(entry: Route) -> tuple[bytes, bytes, tuple[bytes, ...]]:
    """Encode what stays when the shares change: weighted clusters, action and routes, none of which holds another.

    No field is written twice when what is missing is appended, so it need not be merged by whoever reads it.
    """
    weighted = bytes(route.WeightedCluster(use_hash_policy=True if entry.hash_by else None))
    return weighted, bytes(_action(entry)), tuple(bytes(each) for each in _routes(entry))


def _routes(entry: Route) -> list[route.Route]:
    """Return Envoy's routes for one of ours, without action: a second one sets a cookie where a request has none."""
    hide = list(entry.hide_headers)
    plain = route.Route(match=_match(entry), response_headers_to_remove=hide)
    if not isinstance(entry.hash_by, HashByCookie) or entry.hash_by.ttl_s is None:
        return [plain]
    cookie = core.HeaderValueOption(
        header=core.HeaderValue(key="set-cookie", value=entry.hash_by.set_cookie),
        append_action=core.HeaderValueOptionHeaderAppendAction.APPEND_IF_EXISTS_OR_ADD,
    )
    makes_cookie = route.Route(match=_match(entry), response_headers_to_remove=hide, response_headers_to_add=[cookie])
    regex = matcher.RegexMatcher(regex=rf"(?:.*;\s*)?{entry.hash_by.name}=[^;].*")
    assert plain.match is not None, "every route has a match"
    plain.match.headers.append(route.HeaderMatcher(name="cookie", string_match=matcher.StringMatcher(safe_regex=regex)))
    return [plain, makes_cookie]


def _match(entry: Route) -> route.RouteMatch:
    headers = [
        route.HeaderMatcher(name=header.name, present_match=True)
        if header.value is None
        else route.HeaderMatcher(name=header.name, string_match=matcher.StringMatcher(exact=header.value))
        for header in entry.headers
    ]
    bare = entry.prefix.rstrip("/")
    if entry.whole_segments and bare:
        return route.RouteMatch(path_separated_prefix=bare, headers=headers)
    return route.RouteMatch(prefix=entry.prefix, headers=headers)


def _action(entry: Route) -> route.RouteAction:
    idle_timeout = None if entry.idle_timeout_s is None else timedelta(seconds=entry.idle_timeout_s)
    return route.RouteAction(
        timeout=timedelta(seconds=entry.timeout_s),
        idle_timeout=idle_timeout,
        hash_policy=_hash_policies(entry.hash_by) if entry.hash_by else [],
        retry_policy=_retry_policy(entry.retry) if entry.retry else None,
        request_mirror_policies=[_mirror_policy(mirror) for mirror in entry.mirrors if mirror.share_bp],
    )


def _hash_policies(hash_by: HashByHeader | HashByCookie) -> list[route.RouteActionHashPolicy]:
    if isinstance(hash_by, HashByHeader):
        return [_hash_header(hash_by.name)]
    cookie = route.RouteActionHashPolicyCookie(name=hash_by.name)
    by_cookie = route.RouteActionHashPolicy(cookie=cookie, terminal=True)
    return [by_cookie] if hash_by.ttl_s is None else [by_cookie, _hash_header("x-request-id")]


def _hash_header(name: str) -> route.RouteActionHashPolicy:
    return route.RouteActionHashPolicy(header=route.RouteActionHashPolicyHeader(header_name=name))


def _retry_policy(retry: Retry) -> route.RetryPolicy:
    return route.RetryPolicy(
        retry_on=retry.retry_on,
        num_retries=retry.retries_max,
        refresh_cluster_on_retry=retry.choose_cluster_again,
    )


def _mirror_policy(mirror: Mirror) -> route.RouteActionRequestMirrorPolicy:
    share = envoy_type.FractionalPercent(
        numerator=mirror.share_bp, denominator=envoy_type.FractionalPercentDenominatorType.TEN_THOUSAND
    )
    return route.RouteActionRequestMirrorPolicy(
        cluster=mirror.cluster, runtime_fraction=core.RuntimeFractionalPercent(default_value=share)
    )
