"""``kind: Gateway``: one data plane that one adapter controls."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from controller.settings.address import Listener
from controller.settings.haproxy import HaproxySettings
from controller.settings.kong import KongSettings
from controller.settings.nginx_plus import NginxPlusSettings
from controller.settings.openresty import OpenRestySettings
from controller.settings.problem import RefusedError
from controller.settings.quantity import duration
from controller.settings.shape import Header, Shape
from controller.settings.traefik import TraefikSettings

AVAILABLE = ("envoy", "haproxy", "kong", "nginx-plus", "nop", "openresty", "traefik")

EXAMPLES = {
    "envoy": '{listen: "0.0.0.0:10000"}',
    "haproxy": '{sockets: ["unix:/run/haproxy/admin.sock"]}',
    "kong": '{nodes: ["http://127.0.0.1:8001"]}',
    "nginx-plus": '{nodes: ["http://127.0.0.1:8080/api"]}',
    "openresty": '{control: "http://127.0.0.1:10001", tokenFile: /etc/turnout/openresty-token}',
    "traefik": "{api: http://127.0.0.1:8080, directory: /etc/traefik/dynamic}",
}
"""The least that a gateway of each type needs, of those that cannot do without settings."""

REPORTS_LATENCY = frozenset({"envoy", "openresty"})
"""The gateway types that report latency per version: what `Capabilities.reports_latency` says of their adapters."""

LATENCY_SETTINGS = {"haproxy": "latencyLog", "kong": "httpLog"}
"""What makes gateways of other types report it."""


class EnvoySettings(Shape):
    """How the Envoys of one gateway are served. They subscribe to us, so there is no address of theirs to know."""

    listen: Listener
    """Where the Envoys of this gateway take requests. An IP address and a port, because an Envoy binds no names."""
    load_report_interval_s: Annotated[float, duration("100ms", "1m")] = 1.0
    """How often each Envoy reports its load. One second lets a breach be seen within seconds, and costs an Envoy
    nothing that could be measured; a shorter one costs the controller more."""
    api_listener: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[0-9A-Za-z._-]+$")] | None = None
    """Also serve the routes under this name, which is not the gateway's own, to gRPC clients that dial `xds:///<name>`
    with no proxy. None serves no such listener."""


class NopSettings(Shape):
    """A gateway that takes every split and carries no traffic: for trying out the controller."""


class GatewaySpec(Shape):
    """Which kind of gateway it is, and that kind's own settings under its own name."""

    type: Literal["envoy", "haproxy", "kong", "nginx-plus", "nop", "openresty", "traefik"]
    """What kind of gateway it is."""
    envoy: EnvoySettings | None = None
    """The settings of a gateway of type `envoy`, which must have them."""
    haproxy: HaproxySettings | None = None
    """The settings of a gateway of type `haproxy`, which must have them."""
    kong: KongSettings | None = None
    """The settings of a gateway of type `kong`, which must have them."""
    nginx_plus: Annotated[NginxPlusSettings | None, Field(alias="nginx-plus")] = None
    """The settings of a gateway of type `nginx-plus`, which must have them."""
    nop: NopSettings | None = None
    """The settings of a gateway of type `nop`, which may leave them out."""
    openresty: OpenRestySettings | None = None
    """The settings of a gateway of type `openresty`, which must have them."""
    traefik: TraefikSettings | None = None
    """The settings of a gateway of type `traefik`, which must have them."""

    @model_validator(mode="after")
    def _has_its_own_settings(self) -> GatewaySpec:
        if self.type in EXAMPLES and self._own(self.type) is None:
            raise RefusedError(None, "is missing", f"Add it: {EXAMPLES[self.type]}.", at=(self.type,))
        for name in AVAILABLE:
            if name != self.type and self._own(name) is not None:
                remedy = f"Remove it, or change the type to {name}."
                raise RefusedError(None, f"does not belong to a gateway of type {self.type}", remedy, at=(name,))
        return self

    def _own(self, kind: str) -> Shape | None:
        own: Shape | None = getattr(self, kind.replace("-", "_"))
        return own


class GatewaySettings(Header):
    """One data plane that one adapter controls."""

    kind: Literal["Gateway"]
    """What the document is."""
    spec: GatewaySpec
    """Which kind of gateway, and how to reach it."""

    @model_validator(mode="after")
    def _listeners_have_two_names(self) -> GatewaySettings:
        api_listener = self.spec.envoy.api_listener if self.spec.envoy else None
        if api_listener == self.name:
            predicate, remedy = "is the gateway's name, which its own listener has", "Choose another, such as agents."
            raise RefusedError(api_listener, predicate, remedy, at=("spec", "envoy", "apiListener"))
        return self

    @property
    def type(self) -> str:
        """``envoy``, ``kong``, ...; the adapter registry's key."""
        return self.spec.type

    @property
    def is_logged(self) -> bool:
        """Whether a Kong posts what it logs to us: then it counts per version, and reports latency."""
        return self.spec.kong is not None and self.spec.kong.http_log is not None

    @property
    def shares_bp(self) -> tuple[int, ...] | None:
        """The only shares but 0 that it can give, in basis points; None where it gives any from the smallest on."""
        nginx = self.spec.nginx_plus
        return nginx.keyval.percentages if nginx is not None and nginx.keyval is not None else None

    @property
    def reports_latency(self) -> bool:
        """Whether latency is known per version."""
        haproxy = self.spec.haproxy
        logs_to_us = haproxy is not None and haproxy.latency_log is not None
        return self.type in REPORTS_LATENCY or self.is_logged or logs_to_us
