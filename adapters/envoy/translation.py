"""One agent's assignment as xDS resources. Pure.

An agent is two clusters, ``<agent>/stable`` and ``<agent>/candidate``, and a route that divides requests over them in
basis points, stable first, so that a hashed session moves only towards the track that grows. Within a cluster each
version is a locality of its own, so that load reports count per version. What is in flight is reported only for as long
as its endpoint stays in the cluster where it began. So a version that gets nothing new in a cluster stays there,
draining; Envoy (1.29 and later) leaves it out of the cluster's health, which the dead-man switch goes by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from adapters.port import Assignment, Stickiness, Track, Version, host_port
from xds.resources import (
    Cluster,
    ClusterEndpoints,
    Endpoint,
    FallbackCluster,
    HashByCookie,
    HashByHeader,
    HeaderMatch,
    Health,
    Mirror,
    Resource,
    ResourceType,
    Retry,
    Route,
    Share,
    VersionEndpoints,
)

Addresses = Mapping[str, tuple[str, ...]]
"""What each ``host:port`` endpoint resolves to: ``address:port`` each."""

FALLBACK = "candidate-or-stable"
"""The dead-man switch: the candidate while its endpoints are fresh, else stable."""


@dataclass(frozen=True, slots=True)
class AgentResources:
    """What one agent contributes to a snapshot.

    Attributes:
        hosts: the domains that its route is for.
        route: its route.
        clusters: clusters and endpoint sets.
        mortal: the endpoint set that goes stale unless it is sent again in time; None without a dead-man switch.
        located: names of the versions that have endpoints there. Of these, and no others, load reports say what is in
            flight.
    """

    hosts: tuple[str, ...]
    route: Route
    clusters: tuple[Resource, ...]
    mortal: Resource | None
    located: frozenset[str]


def cluster_name(agent: str, track: Track) -> str:
    """The cluster of an agent's track."""
    return f"{agent}/{track.value}"


def translate(assignment: Assignment, addresses: Addresses, *, for_grpc: bool = False) -> AgentResources:
    """An assignment as resources.

    Args:
        assignment: what is wanted.
        addresses: where each endpoint of its versions is; one that is not there is left out. While the stable version
            has none at all, its endpoints are unknown: subscribers keep those that they have.
        for_grpc: for subscribers that are gRPC clients and no Envoy: they match plain prefixes, and report load only
            when they are told to.

    Raises:
        ResourceError: something that Envoy would refuse.
    """
    agent, outcomes = assignment.agent, tuple(f"named_metrics.{name}" for name in assignment.indicators)
    stable = _cluster(agent, Track.STABLE, assignment.stable, outcomes, report_load=for_grpc)
    members = _members(assignment.stable, assignment.draining, addresses)
    located = {each.version for each in members if each.endpoints}
    resources = [stable.resource(), _endpoints(stable.name, members)]
    slot, mortal = cluster_name(agent, Track.CANDIDATE), None
    if assignment.candidate is not None or assignment.draining:
        # After a promotion it stays while anything drains: requests that began in it are of a version that may go back.
        first, *others = sorted(assignment.versions, key=lambda version: version is not assignment.candidate)
        candidate = _cluster(agent, Track.CANDIDATE, first, outcomes, report_load=for_grpc)
        members = _members(first, others, addresses)
        mortal_s = assignment.dead_man_s if assignment.candidate is not None else None
        endpoints = _endpoints(candidate.name, members, mortal_s)
        resources += [candidate.resource(), endpoints]
        if members:
            located.add(first.name)
        if mortal_s is not None:
            slot, mortal = f"{agent}/{FALLBACK}", endpoints
            resources.append(FallbackCluster(slot, (candidate.name, stable.name)).resource())
    route = _route(assignment, stable.name, slot, whole_segments=not for_grpc)
    return AgentResources(assignment.route.hosts, route, tuple(resources), mortal, frozenset(located))


def _members(first: Version, others: Iterable[Version], addresses: Addresses) -> tuple[VersionEndpoints, ...]:
    """Who stands in a cluster: the version that takes its requests, and those that only end what they have, if they
    speak its protocol; nobody while the first has no address.
    """
    healthy = _located(first, addresses, Health.HEALTHY)
    if not healthy.endpoints:
        return ()
    alike = (version for version in others if version.http2 == first.http2)
    return (healthy, *(_located(version, addresses, Health.DRAINING) for version in alike))


def _endpoints(cluster: str, members: tuple[VersionEndpoints, ...], stale_after_s: float | None = None) -> Resource:
    if not members:
        return Resource.unknown(ResourceType.ENDPOINTS, cluster)
    return ClusterEndpoints(cluster, members, stale_after_s).resource()


def _route(assignment: Assignment, stable: str, slot: str, *, whole_segments: bool) -> Route:
    split, match = assignment.split, assignment.route
    shares = [Share(stable, split.stable_bp)]
    if assignment.candidate is not None:
        shares.append(Share(slot, split.candidate_bp))
    mirrors = (Mirror(cluster_name(assignment.agent, Track.CANDIDATE), split.mirror_bp),) if split.mirror_bp else ()
    return Route(
        prefix=match.path_prefix,
        shares=tuple(shares),
        headers=tuple(HeaderMatch(header.name, header.value) for header in match.headers),
        whole_segments=whole_segments,
        hash_by=_hash_by(assignment.stickiness),
        retry=Retry(retries_max=assignment.retries) if assignment.retries else None,
        mirrors=mirrors,
        timeout_s=assignment.request_timeout_s or 0,
    )


def _hash_by(stickiness: Stickiness | None) -> HashByHeader | HashByCookie | None:
    if stickiness is None:
        return None
    if stickiness.header is not None:
        return HashByHeader(stickiness.header)
    assert stickiness.cookie is not None, "stickiness has a header or a cookie"
    return HashByCookie(stickiness.cookie)


def _cluster(agent: str, track: Track, version: Version, outcomes: tuple[str, ...], *, report_load: bool) -> Cluster:
    return Cluster(cluster_name(agent, track), http2=version.http2, outcomes=outcomes, report_load=report_load)


def _located(version: Version, addresses: Addresses, health: Health) -> VersionEndpoints:
    found = dict.fromkeys(address for endpoint in version.endpoints for address in addresses.get(endpoint, ()))
    return VersionEndpoints(version.name, tuple(Endpoint(*host_port(address), health) for address in found))
