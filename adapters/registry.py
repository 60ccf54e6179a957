"""Which kind of gateway is made how. Explicit: a kind that does not stand here does not exist."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from adapters.envoy.gateway import CAPABILITIES as ENVOY
from adapters.envoy.gateway import EnvoyGateway, EnvoyOptions
from adapters.nop import CAPABILITIES as NOP
from adapters.nop import NopGateway
from adapters.port import Adapter, Capabilities
from xds.server import XdsServer


@dataclass(frozen=True, slots=True)
class Shared:
    """What gateways of one controller have in common: the xDS server that every Envoy subscribes to."""

    xds: XdsServer


def _envoy(name: str, options: object, shared: Shared) -> Adapter:
    assert isinstance(options, EnvoyOptions), "an envoy gateway has an envoy gateway's options"
    return EnvoyGateway(name, options, shared.xds)


def _nop(name: str, options: object, shared: Shared) -> Adapter:
    del options, shared
    return NopGateway(name)


FACTORIES: Mapping[str, Callable[[str, object, Shared], Adapter]] = {"envoy": _envoy, "nop": _nop}
CAPABILITIES: Mapping[str, Capabilities] = {"envoy": ENVOY, "nop": NOP}
