"""Clusters: where a track's requests go, how Envoy connects there, and what it reports about it."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from envoy_data_plane.envoy.config.cluster import v3 as cluster
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.clusters.aggregate import v3 as aggregate
from envoy_data_plane.envoy.extensions.upstreams.http import v3 as upstream
from envoy_data_plane.envoy.type import v3 as envoy_type
from envoy_data_plane.google.protobuf import Any

from xds.errors import ResourceError
from xds.snapshot import Resource, ResourceType

CLUSTERS_CACHED_MAX = 16_384

AGENT_OUTCOMES = ("named_metrics.*",)
"""What an agent says of its own requests (ORCA's `named_metrics`), all of it."""


def ads() -> core.ConfigSource:
    """Return the source `the stream that this resource came by`."""
    return core.ConfigSource(ads=core.AggregatedConfigSource(), resource_api_version=core.ApiVersion.V3)


@dataclass(frozen=True, slots=True)
class Cluster:
    """One track of an agent; its endpoints have the same name and are discovered (EDS).

    Attributes:
        name: `<agent>/<track>`.
        connect_timeout_s: until a connection counts as failed.
        http2: speak HTTP/2 without TLS to the endpoints, as gRPC agents want it, instead of HTTP/1.1.
        outcomes: which ORCA metrics are summed into the load reports.
        report_load: name the server itself as the one to report load to. gRPC's own client reports only then; Envoy
            reports for all clusters anyway and ignores it.
    """

    name: str
    connect_timeout_s: float = 1.0
    http2: bool = False
    outcomes: tuple[str, ...] = AGENT_OUTCOMES
    report_load: bool = False

    def resource(self) -> Resource:
        """Return it encoded. Raises ResourceError when the time-out is not positive."""
        return _cluster(self)


@dataclass(frozen=True, slots=True)
class FallbackCluster:
    """A cluster made of others: the first that has a healthy endpoint gets all requests (an aggregate cluster).

    With endpoints that go stale in the first, it is the dead-man switch: nobody refreshes them, stable serves.
    """

    name: str
    clusters: tuple[str, ...]
    connect_timeout_s: float = 1.0

    def resource(self) -> Resource:
        """Return it encoded. Raises ResourceError when it has no members or the time-out is not positive."""
        return _fallback_cluster(self)


@lru_cache(maxsize=CLUSTERS_CACHED_MAX)
def _cluster(value: Cluster) -> Resource:
    message = cluster.Cluster(
        name=value.name,
        type=cluster.ClusterDiscoveryType.EDS,
        eds_cluster_config=cluster.ClusterEdsClusterConfig(eds_config=ads()),
        connect_timeout=_connect_timeout(value.name, value.connect_timeout_s),
        lb_policy=cluster.ClusterLbPolicy.ROUND_ROBIN,
        common_lb_config=_no_panic(),
        typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": Any.pack(_protocol(http2=value.http2))
        },
        lrs_report_endpoint_metrics=list(value.outcomes),
        lrs_server=core.ConfigSource(self=core.SelfConfigSource()) if value.report_load else None,
    )
    return Resource.of(ResourceType.CLUSTER, value.name, bytes(message), [(ResourceType.ENDPOINTS, value.name)])


@lru_cache(maxsize=CLUSTERS_CACHED_MAX)
def _fallback_cluster(value: FallbackCluster) -> Resource:
    if not value.clusters:
        raise ResourceError(f"The fallback cluster {value.name!r} has no members.")
    members = aggregate.ClusterConfig(clusters=list(value.clusters))
    message = cluster.Cluster(
        name=value.name,
        cluster_type=cluster.ClusterCustomClusterType(name="envoy.clusters.aggregate", typed_config=Any.pack(members)),
        connect_timeout=_connect_timeout(value.name, value.connect_timeout_s),
        lb_policy=cluster.ClusterLbPolicy.CLUSTER_PROVIDED,
    )
    references = [(ResourceType.CLUSTER, member) for member in value.clusters]
    return Resource.of(ResourceType.CLUSTER, value.name, bytes(message), references)


def _connect_timeout(name: str, timeout_s: float) -> timedelta:
    if timeout_s <= 0:
        raise ResourceError(f"The connect time-out of cluster {name!r} is {timeout_s} s. It must be more than 0.")
    return timedelta(seconds=timeout_s)


def _no_panic() -> cluster.ClusterCommonLbConfig:
    # By default Envoy sends requests to draining and unhealthy endpoints when there are no others: a drained candidate
    # would go on being served.
    return cluster.ClusterCommonLbConfig(healthy_panic_threshold=envoy_type.Percent(value=0.0))


def _protocol(*, http2: bool) -> upstream.HttpProtocolOptions:
    explicit = (
        upstream.HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=core.Http2ProtocolOptions())
        if http2
        # An agent that knows its outcome only at the end of a stream tells it in trailers.
        else upstream.HttpProtocolOptionsExplicitHttpConfig(
            http_protocol_options=core.Http1ProtocolOptions(enable_trailers=True)
        )
    )
    return upstream.HttpProtocolOptions(explicit_http_config=explicit)
