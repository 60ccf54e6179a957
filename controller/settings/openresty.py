"""How an OpenResty, or an nginx with the Lua module, is steered."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from controller.settings.address import ip_address
from controller.settings.problem import LIMITS_KEY, RefusedError
from controller.settings.quantity import duration
from controller.settings.shape import Shape


def check_control(text: str) -> str:
    """``unix:`` and an absolute path, or ``http://`` and a loopback address with a port."""
    if text.startswith("unix:/") and text.isprintable() and len(text) > len("unix:/"):
        return text
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = None, None, None
    address = ip_address(host) if host else None
    is_bare = parts is not None and parts.scheme == "http" and not (parts.path or parts.query or parts.fragment)
    if not is_bare or "@" in text or not port or not (host == "localhost" or (address and address.is_loopback)):
        remedy = "Write unix:/run/turnout/control.sock, or http://127.0.0.1:10001: beyond loopback its token is open."
        raise RefusedError(text if "@" not in text else None, "is not a control endpoint", remedy)
    return text


Control = Annotated[
    str,
    AfterValidator(check_control),
    Field(max_length=256, json_schema_extra={LIMITS_KEY: "`unix:/path`, or `http://` and a loopback address and port"}),
]


class OpenRestySettings(Shape):
    """How an OpenResty, or an nginx with the Lua module, is steered. Where it listens is in its own configuration."""

    control: Control
    """Where `turnout_control.lua` is served. A unix socket or loopback, because it is HTTP without TLS."""
    token_file: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """The file with the token that the Lua module was started with. It is read again for each request, so that a token
    can be replaced. Either this or `tokenEnv`."""
    token_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")] | None = None
    """The environment variable with the token."""
    timeout_s: Annotated[float, duration("100ms", "10s")] = 2.0
    """The longest that one request to the control endpoint may take. It answers within milliseconds; what takes longer
    is stuck."""
    observe_interval_s: Annotated[float, duration("100ms", "1m")] = 1.0
    """How often the counters are read. One second lets a breach be seen within seconds, and costs nginx one request of
    less than a millisecond per agent."""

    @model_validator(mode="after")
    def _has_one_token(self) -> OpenRestySettings:
        if (self.token_file is None) == (self.token_env is None):
            remedy = "Add one of the two: tokenFile: /etc/turnout/openresty-token, or tokenEnv: OPENRESTY_TOKEN."
            raise RefusedError(None, "needs a token, from one place", remedy, at=("tokenFile",))
        return self
