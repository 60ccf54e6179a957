"""Which kind of gateway is made how. Explicit: a kind that does not stand here does not exist."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from adapters.capabilities import Capabilities
from adapters.envoy.gateway import CAPABILITIES as ENVOY
from adapters.envoy.gateway import EnvoyGateway, EnvoyOptions
from adapters.haproxy.gateway import HaproxyGateway
from adapters.haproxy.options import CAPABILITIES as HAPROXY
from adapters.haproxy.options import HaproxyOptions
from adapters.haproxy.options import capabilities as haproxy_capabilities
from adapters.kong.gateway import CAPABILITIES as KONG
from adapters.kong.gateway import KongGateway, KongOptions
from adapters.kong.gateway import capabilities as kong_capabilities
from adapters.nginx_plus.gateway import CAPABILITIES as NGINX_PLUS
from adapters.nginx_plus.gateway import NginxPlusGateway, NginxPlusOptions
from adapters.nop import CAPABILITIES as NOP
from adapters.nop import NopGateway
from adapters.openresty.gateway import CAPABILITIES as OPENRESTY
from adapters.openresty.gateway import OpenRestyGateway, OpenRestyOptions
from adapters.port import Adapter
from adapters.traefik.gateway import CAPABILITIES as TRAEFIK
from adapters.traefik.gateway import TraefikGateway, TraefikOptions
from xds.server import XdsServer


@dataclass(frozen=True, slots=True)
class Shared:
    """What gateways of one controller have in common: the xDS server that every Envoy subscribes to."""

    xds: XdsServer


def _envoy(name: str, options: object, shared: Shared) -> Adapter:
    assert isinstance(options, EnvoyOptions), "an envoy gateway has an envoy gateway's options"
    return EnvoyGateway(name, options, shared.xds)


def _haproxy(name: str, options: object, shared: Shared) -> Adapter:
    del shared
    assert isinstance(options, HaproxyOptions), "a haproxy gateway has a haproxy gateway's options"
    return HaproxyGateway(name, options)


def _kong(name: str, options: object, shared: Shared) -> Adapter:
    del shared
    assert isinstance(options, KongOptions), "a kong gateway has a kong gateway's options"
    return KongGateway(name, options)


def _nginx_plus(name: str, options: object, shared: Shared) -> Adapter:
    del shared
    assert isinstance(options, NginxPlusOptions), "an nginx-plus gateway has an nginx-plus gateway's options"
    return NginxPlusGateway(name, options)


def _nop(name: str, options: object, shared: Shared) -> Adapter:
    del options, shared
    return NopGateway(name)


def _openresty(name: str, options: object, shared: Shared) -> Adapter:
    del shared
    assert isinstance(options, OpenRestyOptions), "an openresty gateway has an openresty gateway's options"
    return OpenRestyGateway(name, options)


def _traefik(name: str, options: object, shared: Shared) -> Adapter:
    del shared
    assert isinstance(options, TraefikOptions), "a traefik gateway has a traefik gateway's options"
    return TraefikGateway(name, options)


FACTORIES: Mapping[str, Callable[[str, object, Shared], Adapter]] = {
    "envoy": _envoy,
    "haproxy": _haproxy,
    "kong": _kong,
    "nginx-plus": _nginx_plus,
    "nop": _nop,
    "openresty": _openresty,
    "traefik": _traefik,
}
CAPABILITIES: Mapping[str, Capabilities] = {
    "envoy": ENVOY,
    "haproxy": HAPROXY,
    "kong": KONG,
    "nginx-plus": NGINX_PLUS,
    "nop": NOP,
    "openresty": OPENRESTY,
    "traefik": TRAEFIK,
}


def capabilities_of(kind: str, options: object) -> Capabilities:
    """What a gateway of this kind can do with these options; an adapter that is made with them says the same."""
    match options:
        case HaproxyOptions():
            return haproxy_capabilities(options)
        case KongOptions():
            return kong_capabilities(options)
        case _:
            return CAPABILITIES[kind]
