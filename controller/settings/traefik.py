"""The settings of a gateway of type ``traefik``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from controller.settings.address import Listener, PathPrefix, Url
from controller.settings.problem import RefusedError
from controller.settings.quantity import duration
from controller.settings.shape import Shape

EntryPoint = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[0-9A-Za-z_-]+$")]
FilePath = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f]+$")]


class InstanceCheckSettings(Shape):
    """How Traefik looks whether an instance lives.

    The share of a version whose instances are all down goes to the other one.
    """

    path: PathPrefix
    """What Traefik asks each instance for; 2xx and 3xx mean that it lives."""
    interval_s: Annotated[float, duration("100ms", "10m")] = 5.0
    """How often."""
    timeout_s: Annotated[float, duration("10ms", "1m")] = 2.0
    """How long an instance may take to answer; less than the interval."""

    @model_validator(mode="after")
    def _ends_before_the_next(self) -> InstanceCheckSettings:
        if self.timeout_s >= self.interval_s:
            raise RefusedError(None, "is not shorter than the interval", "Make it shorter.", at=("timeout",))
        return self


class TraefikSettings(Shape):
    """How one Traefik is guided: through a directory that it watches, or by what it polls."""

    api: Url
    """Where Traefik's API is, without `/api`, such as http://127.0.0.1:8080. Nothing is taken for applied that it does
    not show."""
    metrics: Url | None = None
    """Traefik's Prometheus page. None stands for `/metrics` beside the API. It needs `addServicesLabels`, which is
    Traefik's default."""
    provider: Literal["file", "http"] = "file"
    """By which of Traefik's providers it gets its routes: `file` watches `directory`; `http` polls `listen`, for a
    Traefik that shares no disk with Turnout. One that restarts while Turnout is away answers 404 with `http`, and
    serves on with `file`."""
    directory: FilePath | None = None
    """For `file`: the directory that Traefik watches, as Turnout sees it. One file of ours is written there,
    `turnout-<gateway>.yml`, and no other file is touched."""
    listen: Listener | None = None
    """For `http`: where Turnout serves the document that Traefik polls (any path). Keep it on loopback or in a network
    that only Traefik can reach: it tells where every instance is."""
    poll_interval_s: Annotated[float, duration("100ms", "1m")] = 5.0
    """For `http`: the same as Traefik's `providers.http.pollInterval`, whose default this is. A rollback waits for
    it."""
    throttle_s: Annotated[float, duration("0s", "1m")] = 2.0
    """The same as Traefik's `providers.providersThrottleDuration`, whose default this is. A change that Traefik does
    not show within this (and the poll interval) and two seconds is called unconfirmed."""
    entry_points: Annotated[tuple[EntryPoint, ...], Field(max_length=16)] = ()
    """The entry points where agents' routers listen. None named: Traefik's default ones."""
    health_check: InstanceCheckSettings | None = None
    """None lets Traefik trust every instance; one that is down then fails its requests."""
    authorization_file: FilePath | None = None
    """The file that holds what the API and the metrics page want to see as `Authorization`, such as `Basic ...`. It is
    read again for each request. None sends none."""
    authorization_env: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z_][0-9A-Za-z_]*$")] | None = None
    """The environment variable that holds it, instead of a file."""

    @model_validator(mode="after")
    def _fits_together(self) -> TraefikSettings:
        belongs = {"file": "directory", "http": "listen"}
        needed, other = belongs[self.provider], belongs["http" if self.provider == "file" else "file"]
        if getattr(self, needed) is None:
            example = "/etc/traefik/dynamic" if needed == "directory" else '"127.0.0.1:8901"'
            raise RefusedError(None, f"is missing for provider {self.provider}", f"Add it: {example}.", at=(needed,))
        if getattr(self, other) is not None:
            remedy = f"Remove it, or use provider: {'http' if self.provider == 'file' else 'file'}."
            raise RefusedError(None, f"is not for provider {self.provider}", remedy, at=(other,))
        if self.authorization_file is not None and self.authorization_env is not None:
            remedy = "Keep authorizationEnv or authorizationFile."
            raise RefusedError(None, "names the credential a second time", remedy, at=("authorizationEnv",))
        return self
