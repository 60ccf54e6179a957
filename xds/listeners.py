"""Listeners: where clients connect, and which route table their requests are matched against."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.listener import v3 as listener
from envoy_data_plane.envoy.extensions.filters.http.router import v3 as router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.google.protobuf import Any

from xds.clusters import ads
from xds.errors import ResourceError
from xds.snapshot import Resource, ResourceType

LISTENERS_CACHED_MAX = 1_024


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
    """

    name: str
    address: str
    port: int
    routes: str
    stream_idle_timeout_s: float = 3600.0

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
        http_filters=[_router()],
        http_protocol_options=core.Http1ProtocolOptions(enable_trailers=True),
        stream_idle_timeout=timedelta(seconds=value.stream_idle_timeout_s),
        # At an edge the client's address is the connection's, and a path is matched only after its dots are resolved.
        use_remote_address=True,
        normalize_path=True,
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


def _rds(routes: str) -> hcm.Rds:
    return hcm.Rds(config_source=ads(), route_config_name=routes)


def _router() -> hcm.HttpFilter:
    return hcm.HttpFilter(name="envoy.filters.http.router", typed_config=Any.pack(router.Router()))
