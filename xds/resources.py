"""Plain values that become xDS resources: pure, encoded once, kept by content.

A value says what turnout means and nothing else that Envoy could do; `resource()`, or `route_table()` for routes, turns
it into bytes with a version and with references to what it needs.
"""

from xds.clusters import Cluster, FallbackCluster
from xds.endpoints import ClusterEndpoints, Endpoint, Health, VersionEndpoints
from xds.listeners import ApiListener, LatencyLog, Listener
from xds.routes import (
    HashByCookie,
    HashByHeader,
    HeaderMatch,
    Mirror,
    Retry,
    Route,
    Share,
    VirtualHost,
    route_table,
    share_hosts,
)
from xds.snapshot import Resource, ResourceType, Snapshot

__all__ = [
    "ApiListener",
    "Cluster",
    "ClusterEndpoints",
    "Endpoint",
    "FallbackCluster",
    "HashByCookie",
    "HashByHeader",
    "HeaderMatch",
    "Health",
    "LatencyLog",
    "Listener",
    "Mirror",
    "Resource",
    "ResourceType",
    "Retry",
    "Route",
    "Share",
    "Snapshot",
    "VersionEndpoints",
    "VirtualHost",
    "route_table",
    "share_hosts",
]
