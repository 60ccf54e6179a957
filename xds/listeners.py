"""Listeners: where clients connect, and which route table their requests are matched against."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from math import ceil

from envoy_data_plane.envoy.config.accesslog import v3 as accesslog
from envoy_data_plane.envoy.config.common.mutation_rules import v3 as mutation_rules
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.listener import v3 as listener
from envoy_data_plane.envoy.data.accesslog.v3 import AccessLogType
from envoy_data_plane.envoy.extensions.access_loggers.grpc import v3 as grpc_log
from envoy_data_plane.envoy.extensions.filters.http.header_mutation import v3 as header_mutation
from envoy_data_plane.envoy.extensions.filters.http.router import v3 as router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.type.metadata import v3 as metadata
from envoy_data_plane.envoy.type.tracing import v3 as tracing
from envoy_data_plane.google.protobuf import Any

from xds.access_logs import AGE_TAG, VERSION_TAG
from xds.clusters import ads
from xds.endpoints import METADATA_NAMESPACE, METADATA_VERSION
from xds.errors import ResourceError
from xds.routes import OUTCOME_HEADERS
from xds.snapshot import Resource, ResourceType

LISTENERS_CACHED_MAX = 1_024

CONTROLLER_CLUSTER = "turnout"
"""The static cluster by which an Envoy's bootstrap reaches the controller (gateway-configs/envoy/bootstrap.yaml)."""
AGE_FORMAT = "%DURATION%"
"""In milliseconds; also of a request that goes on."""
LOG_BUFFER_BYTES = 64 * 1024
"""An Envoy's worker sends its entries when it has so many, about 160, or when the interval is over."""


@dataclass(frozen=True, slots=True)
class LatencyLog:
    """Have each request told to the controller (`access_logs`), for how long it took.

    It costs an Envoy 4 to 5 us per request. It needs Envoy 1.37 (`CustomTag.value`): an older one refuses the listener.
    A change of it is a change of the listener: Envoy takes new connections by the new one at once, and closes those
    that it has when its `--drain-time-s` is over.

    Attributes:
        interval_s: how often entries are sent, and an open request tells how it stands.
        limit_s: the longest wait of interest: a request that is older tells nothing more until it ends.
    """

    interval_s: float
    limit_s: float


@dataclass(frozen=True, slots=True)
class Listener:
    """An address that Envoy listens on for HTTP/1.1 and HTTP/2 without TLS.

    Attributes:
        name: unique; also the prefix of Envoy's statistics.
        address: an IP address; `0.0.0.0` is every IPv4 interface.
        port: 1 to 65535.
        routes: the name of the route table.
        stream_idle_timeout_s: a request on which nothing moves for so long is ended; 0 is never. An hour, because an
            agent that thinks sends nothing meanwhile (Envoy's own default, five minutes, would cut it off).
        latency_log: tell the controller how long requests take; None tells nothing.
    """

    name: str
    address: str
    port: int
    routes: str
    stream_idle_timeout_s: float = 3600.0
    latency_log: LatencyLog | None = None

    def __post_init__(self) -> None:
        """Refuse what Envoy would refuse."""
        if not 0 < self.port < 65_536:
            raise ResourceError(f"The port of listener {self.name!r} is {self.port}, not in 1 to 65535.")

    def resource(self) -> Resource:
        """Return it encoded."""
        return _listener(self)


@dataclass(frozen=True, slots=True)
class ApiListener:
    """What gRPC's own client asks for by its target: `xds:///agents` asks for the listener `agents`."""

    name: str
    routes: str

    def resource(self) -> Resource:
        """Return it encoded."""
        return _api_listener(self)


@lru_cache(maxsize=LISTENERS_CACHED_MAX)
def _listener(value: Listener) -> Resource:
    manager = hcm.HttpConnectionManager(
        stat_prefix=value.name,
        rds=_rds(value.routes),
        http_filters=[_outcome_trailers_removed(), _router()],
        http_protocol_options=core.Http1ProtocolOptions(enable_trailers=True),
        stream_idle_timeout=timedelta(seconds=value.stream_idle_timeout_s),
        # At an edge the client's address is the connection's, and a path is matched only after its dots are resolved.
        use_remote_address=True,
        normalize_path=True,
    )
    if value.latency_log is not None:
        manager.access_log = [_access_log(value.latency_log)]
        manager.access_log_options = hcm.HttpConnectionManagerHcmAccessLogOptions(
            access_log_flush_interval=timedelta(seconds=value.latency_log.interval_s)
        )
    filters = [
        listener.Filter(name="envoy.filters.network.http_connection_manager", typed_config=Any.pack(manager)),
    ]
    message = listener.Listener(
        name=value.name,
        address=core.Address(socket_address=core.SocketAddress(address=value.address, port_value=value.port)),
        filter_chains=[listener.FilterChain(filters=filters)],
    )
    return Resource.of(ResourceType.LISTENER, value.name, bytes(message), [(ResourceType.ROUTES, value.routes)])


@lru_cache(maxsize=LISTENERS_CACHED_MAX)
def _api_listener(value: ApiListener) -> Resource:
    manager = hcm.HttpConnectionManager(rds=_rds(value.routes), http_filters=[_router()])
    message = listener.Listener(name=value.name, api_listener=listener.ApiListener(api_listener=Any.pack(manager)))
    return Resource.of(ResourceType.LISTENER, value.name, bytes(message), [(ResourceType.ROUTES, value.routes)])


def _access_log(value: LatencyLog) -> accesslog.AccessLog:
    controller = core.GrpcServiceEnvoyGrpc(cluster_name=CONTROLLER_CLUSTER)
    version = tracing.CustomTagMetadata(
        kind=metadata.MetadataKind(host=metadata.MetadataKindHost()),
        metadata_key=metadata.MetadataKey(
            key=METADATA_NAMESPACE, path=[metadata.MetadataKeyPathSegment(key=METADATA_VERSION)]
        ),
    )
    sent = grpc_log.HttpGrpcAccessLogConfig(
        common_config=grpc_log.CommonGrpcAccessLogConfig(
            log_name=CONTROLLER_CLUSTER,
            grpc_service=core.GrpcService(envoy_grpc=controller),
            transport_api_version=core.ApiVersion.V3,
            buffer_flush_interval=timedelta(seconds=value.interval_s),
            buffer_size_bytes=LOG_BUFFER_BYTES,
            custom_tags=[
                tracing.CustomTag(tag=VERSION_TAG, metadata=version),
                tracing.CustomTag(tag=AGE_TAG, value=AGE_FORMAT),
            ],
        )
    )
    return accesslog.AccessLog(
        name="envoy.access_loggers.http_grpc", filter=_until_decided(value), typed_config=Any.pack(sent)
    )


def _until_decided(value: LatencyLog) -> accesslog.AccessLogFilter:
    """Every request's end; of those that go on, no more entries than show whether they were answered in time."""
    ends = accesslog.LogTypeFilter(types=[AccessLogType.DownstreamEnd])
    age_ms = core.RuntimeUInt32(
        default_value=ceil((value.limit_s + 2 * value.interval_s) * 1000), runtime_key="turnout.latency_log_ms_max"
    )
    young = accesslog.DurationFilter(
        comparison=accesslog.ComparisonFilter(op=accesslog.ComparisonFilterOp.LE, value=age_ms)
    )
    filters = [accesslog.AccessLogFilter(log_type_filter=ends), accesslog.AccessLogFilter(duration_filter=young)]
    return accesslog.AccessLogFilter(or_filter=accesslog.OrFilter(filters=filters))


def _rds(routes: str) -> hcm.Rds:
    return hcm.Rds(config_source=ads(), route_config_name=routes)


def _outcome_trailers_removed() -> hcm.HttpFilter:
    """A route removes headers only; an agent that tells its outcome in trailers would tell it to clients as well."""
    removals = [mutation_rules.HeaderMutation(remove=name) for name in OUTCOME_HEADERS]
    mutations = header_mutation.Mutations(response_trailers_mutations=removals)
    mutation = header_mutation.HeaderMutation(mutations=mutations)
    return hcm.HttpFilter(name="envoy.filters.http.header_mutation", typed_config=Any.pack(mutation))


def _router() -> hcm.HttpFilter:
    return hcm.HttpFilter(name="envoy.filters.http.router", typed_config=Any.pack(router.Router()))
