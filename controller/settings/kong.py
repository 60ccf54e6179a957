"""The settings of a gateway of type ``kong``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from controller.settings.address import Listener, Url
from controller.settings.problem import RefusedError
from controller.settings.quantity import duration
from controller.settings.shape import Shape

AGENT = "{agent}"


class HttpLogSettings(Shape):
    """Where Kong's http-log plugin posts what it logs, so that requests and errors are counted per version."""

    listen: Listener
    """Where to listen for the plugin's posts: its `http_endpoint` is `http://` and this. Keep it on loopback or in a
    network that only Kong can reach: whoever can post there can have a candidate rolled back."""


class KongSettings(Shape):
    """How the Kong nodes of one gateway are reached."""

    nodes: Annotated[tuple[Url, ...], Field(min_length=1, max_length=64)]
    """The Admin API's URL of every node, each its own: an address that several nodes answer at proves nothing. At most
    64, because a split is confirmed only when every one of them has been asked."""
    upstream: Annotated[str, Field(min_length=1, max_length=190, pattern=r"^[0-9A-Za-z._{}-]+$")] = "{agent}.turnout"
    """The upstream whose targets are weighted; `{agent}` stands for the agent's name. It belongs to Turnout whole:
    targets that no version has get weight 0. A Kong service comes there by its `host`."""
    workspace: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[0-9A-Za-z._~-]+$")] | None = None
    """The workspace of Kong Enterprise. None is for the default one, and for Kong without workspaces."""
    token_env: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][0-9A-Za-z_]*$")] | None = None
    """The environment variable that holds the Admin API's token (`Kong-Admin-Token`). None sends none."""
    token_file: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """The file that holds the token, instead of a variable. It is read again for each request, so that a token can be
    replaced while the controller runs."""
    ca_file: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """Certificates (PEM) of the authorities to trust for https. None trusts those that the system trusts."""
    timeout_s: Annotated[float, duration("100ms", "10s")] = 2.0
    """The longest that one request to an Admin API may take. Kong answers within milliseconds; a rollback must not wait
    long for a node that hangs."""
    http_log: HttpLogSettings | None = None
    """Counts per version from Kong's http-log plugin. None counts nothing: objectives then need what agents push."""

    @model_validator(mode="after")
    def _fits_together(self) -> KongSettings:
        if self.token_env is not None and self.token_file is not None:
            raise RefusedError(None, "names the token a second time", "Keep tokenEnv or tokenFile.", at=("tokenFile",))
        if self.upstream.replace(AGENT, "").strip("{}") != self.upstream.replace(AGENT, ""):
            raise RefusedError(self.upstream, "has a brace too many", f"Use {AGENT} as it is.", at=("upstream",))
        if AGENT not in self.upstream:
            remedy = f"Put {AGENT} into it, or two agents would share one upstream."
            raise RefusedError(self.upstream, "is the same for every agent", remedy, at=("upstream",))
        if len(set(self.nodes)) != len(self.nodes):
            raise RefusedError(None, "names a node twice", "Name each node once.", at=("nodes",))
        return self
