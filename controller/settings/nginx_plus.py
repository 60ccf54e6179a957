"""The settings of a gateway of type ``nginx-plus``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from adapters.port import WHOLE_BP
from controller.settings.address import Url
from controller.settings.problem import RefusedError
from controller.settings.quantity import weight
from controller.settings.shape import Shape

AGENT = "{agent}"


class KeyvalSettings(Shape):
    """Exact percentages: a keyval chooses among `split_clients` that the configuration holds."""

    zone: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[0-9A-Za-z_-]+$")]
    """The keyval's zone. Turnout writes an agent's percentage there under the agent's name, in one atomic change."""
    percentages: Annotated[tuple[Annotated[int, weight()], ...], Field(min_length=1, max_length=256)]
    """The percentages that the configuration has a choice for. Others are refused, so every step's weight must be among
    them, and 100, which every promotion comes to; 0 is always possible."""

    @model_validator(mode="after")
    def _reaches_a_promotion(self) -> KeyvalSettings:
        if WHOLE_BP not in self.percentages:
            remedy = "Add 100, and in the configuration a choice of the candidate's upstream for it."
            raise RefusedError(None, "lacks 100, without which no promotion ends", remedy, at=("percentages",))
        return self


class NginxPlusSettings(Shape):
    """How the NGINX Plus instances of one gateway are reached."""

    nodes: Annotated[tuple[Url, ...], Field(min_length=1, max_length=64)]
    """The API's URL of every instance, without its version: `http://127.0.0.1:8080/api`. At most 64, because a split is
    confirmed only when every one of them has been read back."""
    upstream: Annotated[str, Field(min_length=1, max_length=190, pattern=r"^[0-9A-Za-z._{}-]+$")] = AGENT
    """The upstream whose servers are weighted; `{agent}` stands for the agent's name. It needs a `zone`, and belongs to
    Turnout whole: servers that no version has are `down`. With a keyval there are two, `-stable` and `-candidate`."""
    keyval: KeyvalSettings | None = None
    """Divide by a keyval instead of by weights. None divides by weights."""
    authorization_env: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_]\w*$")] | None = None
    """The environment variable that holds the value of the `Authorization` header. None sends none."""
    authorization_file: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """The file that holds that value, instead of a variable. It is read for each request, so that it can be replaced
    while the controller runs."""
    ca_file: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """Certificates (PEM) of the authorities to trust for https. None trusts those that the system trusts."""

    @model_validator(mode="after")
    def _fits_together(self) -> NginxPlusSettings:
        if self.authorization_env is not None and self.authorization_file is not None:
            path = ("authorizationFile",)
            raise RefusedError(None, "names the header a second time", "Keep one of the two.", at=path)
        if AGENT not in self.upstream or self.upstream.replace(AGENT, "").strip("{}") != self.upstream.replace(
            AGENT, ""
        ):
            remedy = f"Put {AGENT} into it as it is, or two agents would share one upstream."
            raise RefusedError(self.upstream, "names no agent", remedy, at=("upstream",))
        if len(set(self.nodes)) != len(self.nodes):
            raise RefusedError(None, "names an instance twice", "Name each once.", at=("nodes",))
        return self
