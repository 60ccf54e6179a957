"""Endpoints: the addresses behind a cluster, grouped by the version that answers there.

Envoy's load reports count by locality. One locality per version, named by it, makes them count by version. Access logs
know no locality, but each endpoint's metadata, which names the version too.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint
from envoy_data_plane.google.protobuf import Struct, Value

from xds.errors import ResourceError
from xds.snapshot import Resource, ResourceType

ENDPOINTS_CACHED_MAX = 16_384

METADATA_NAMESPACE = "turnout"
METADATA_VERSION = "version"


class Health(Enum):
    """What the controller says of an endpoint; Envoy adds what it finds out itself."""

    HEALTHY = core.HealthStatus.HEALTHY
    DRAINING = core.HealthStatus.DRAINING
    UNHEALTHY = core.HealthStatus.UNHEALTHY


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address: an IP address, since Envoy refuses host names here; whoever makes this has resolved them."""

    address: str
    port: int
    health: Health = Health.HEALTHY

    def __post_init__(self) -> None:
        """Refuse what Envoy would refuse."""
        try:
            ip_address(self.address)
        except ValueError as error:
            raise ResourceError(f"{self.address!r} is not an IP address. Resolve host names first.") from error
        if not 0 < self.port < 65_536:
            raise ResourceError(f"The port of {self.address}:{self.port} is not in 1 to 65535.")


@dataclass(frozen=True, slots=True)
class VersionEndpoints:
    """Where one version of an agent answers."""

    version: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class ClusterEndpoints:
    """All endpoints of one cluster.

    Attributes:
        cluster: the cluster's name.
        versions: grouped by version.
        stale_after_s: Envoy stops using them this long after it last got them; None is never. Send them again in time
            with `Resource.refreshed`.
    """

    cluster: str
    versions: tuple[VersionEndpoints, ...]
    stale_after_s: float | None = None

    def resource(self) -> Resource:
        """Return it encoded. Raises ResourceError when an endpoint goes stale at once."""
        return _cluster_endpoints(self)


@lru_cache(maxsize=ENDPOINTS_CACHED_MAX)
def _cluster_endpoints(value: ClusterEndpoints) -> Resource:
    if value.stale_after_s is not None and value.stale_after_s <= 0:
        raise ResourceError(
            f"Endpoints of {value.cluster!r} go stale after {value.stale_after_s} s. Make it more than 0."
        )
    message = endpoint.ClusterLoadAssignment(
        cluster_name=value.cluster,
        endpoints=[_locality(of_version) for of_version in value.versions if of_version.endpoints],
        policy=None
        if value.stale_after_s is None
        else endpoint.ClusterLoadAssignmentPolicy(endpoint_stale_after=timedelta(seconds=value.stale_after_s)),
    )
    return Resource.of(ResourceType.ENDPOINTS, value.cluster, bytes(message))


def _locality(of_version: VersionEndpoints) -> endpoint.LocalityLbEndpoints:
    named = Struct(fields={METADATA_VERSION: Value(string_value=of_version.version)})
    metadata = core.Metadata(filter_metadata={METADATA_NAMESPACE: named})
    return endpoint.LocalityLbEndpoints(
        locality=core.Locality(sub_zone=of_version.version),
        # gRPC's own client ignores a locality without a weight.
        load_balancing_weight=1,
        lb_endpoints=[
            endpoint.LbEndpoint(
                endpoint=endpoint.Endpoint(
                    address=core.Address(
                        socket_address=core.SocketAddress(address=entry.address, port_value=entry.port)
                    )
                ),
                health_status=entry.health.value,
                metadata=metadata,
            )
            for entry in of_version.endpoints
        ],
    )
