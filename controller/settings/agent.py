"""``kind: Agent``: a service that clients call through gateways, its versions, and how a new one is brought in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from adapters.port import HeaderMatch, Route, Stickiness, Version
from controller.settings.address import Build, Endpoint, HeaderName, HeaderValue, Host, Name, PathPrefix, Url
from controller.settings.objective import ERROR, AnalysisSpec, DrainSpec, GateSpec, ObjectiveSpec
from controller.settings.quantity import duration
from controller.settings.shape import Header, Shape
from controller.settings.strategy import StrategySpec


class HeaderSpec(Shape):
    """A request belongs to the agent only if this header has exactly this value."""

    name: HeaderName
    """The header's name; case does not matter."""
    value: HeaderValue
    """The header's whole value; case matters."""


class RouteSpec(Shape):
    """Which requests belong to the agent: host, then path prefix, then headers."""

    hosts: Annotated[tuple[Host, ...], Field(min_length=1, max_length=32)] = ("*",)
    """Domain names without port; `*.example.com` for a suffix, `*` for any."""
    path_prefix: PathPrefix = "/"
    """Matched at a path separator: `/v1` takes `/v1` and `/v1/x`, not `/v10`."""
    headers: Annotated[tuple[HeaderSpec, ...], Field(max_length=8)] = ()
    """All must match. At most 8, because a gateway compares each of them for every request."""


class VersionSpec(Shape):
    """One deployable build of the agent."""

    version: Build
    """The version string, such as 1.3.0. In quotes if it looks like a number (\"1.3\")."""
    digest: Annotated[str, Field(max_length=256, pattern=r"^[0-9A-Za-z@:./_+-]*$")] = ""
    """What identifies the build exactly, such as an image digest. Empty when there is none."""
    endpoints: Annotated[tuple[Endpoint, ...], Field(min_length=1, max_length=256)]
    """`host:port` of each instance, an IPv6 address in brackets. At most 256, so that a journal
    record holds a whole rollout: beyond that, put a load balancer in between."""
    http2: bool = False
    """Whether the instances speak HTTP/2 without TLS, as gRPC agents do."""
    drain_url: Url | None = None
    """Called when the version starts to drain, with `?deadline_s=`, so that it can end its streams. None calls nothing.
    Without credentials, because URLs end up in logs."""

    def as_version(self) -> Version:
        """The value that adapters take."""
        return Version(self.version, self.endpoints, self.digest, self.http2, self.drain_url)


class AgentSpec(Shape):
    """Where the agent is, which requests are its own, and how a candidate is brought in and judged."""

    gateways: Annotated[tuple[Name, ...], Field(min_length=1, max_length=16)]
    """The gateways that carry the agent's traffic. A step is done when every one of them has confirmed it."""
    route: RouteSpec = RouteSpec()
    """Which requests belong to the agent. By default all that the gateway takes."""
    stable: VersionSpec
    """The version that serves until a rollout has promoted another. After that the journal knows better than this
    file."""
    candidate: VersionSpec | None = None
    """A candidate with no rollout, so that an operator can set percentages by hand. It starts at 0 %. None declares
    none."""
    strategy: StrategySpec = StrategySpec()
    """How a candidate is brought in."""
    objectives: Annotated[tuple[ObjectiveSpec, ...], Field(max_length=16)] = ()
    """What a candidate is judged by. Without any, steps advance by time alone. At most 16, because they share alpha."""
    analysis: AnalysisSpec = AnalysisSpec()
    """How sure a decision must be."""
    gate: GateSpec = GateSpec()
    """What a proposal must bring before it is served."""
    drain: DrainSpec = DrainSpec()
    """How a track that has lost its traffic is emptied."""
    dead_man_s: Annotated[float, duration("2s", "1d")] | None = None
    """Where the gateway can: back to stable by itself after this long without a controller. None leaves the last split
    in place. At least 2s, because the split must be renewed several times within it."""

    on_drift: Literal["ask", "take-over", "give-way"] = "ask"
    """What is done when somebody has changed a gateway by hand. `ask` pauses the rollout, and leaves what was changed
    until a person resumes it or rolls back; where no step is under way it takes over. `take-over` applies again what
    was decided. `give-way` pauses as well, and leaves the change at rest too, until something else is to be applied.
    The way back gives way to nobody, and what a gateway's own restart has undone is applied again at once."""


class AgentSettings(Header):
    """A service that clients call through gateways."""

    kind: Literal["Agent"]
    """What the document is."""
    spec: AgentSpec
    """All about the agent."""

    @property
    def gateways(self) -> tuple[str, ...]:
        """The names of the gateways that carry the agent's traffic."""
        return self.spec.gateways

    def route(self) -> Route:
        """Which requests belong to the agent, as adapters take it; header names in lower case."""
        spec = self.spec.route
        headers = tuple(HeaderMatch(header.name.lower(), header.value) for header in spec.headers)
        return Route(spec.hosts, spec.path_prefix, headers)

    def stable_version(self) -> Version:
        """The version that serves until a rollout has promoted another."""
        return self.spec.stable.as_version()

    def candidate_version(self) -> Version | None:
        """The candidate that is steered by hand, if one is declared."""
        return self.spec.candidate.as_version() if self.spec.candidate else None

    def stickiness(self) -> Stickiness | None:
        """What keeps a session on its version."""
        spec = self.spec.strategy.stickiness
        return Stickiness(spec.header and spec.header.lower(), spec.cookie) if spec else None

    def indicators(self) -> tuple[str, ...]:
        """The outcomes that the agent's answers must report (ORCA metric names), each once, in order."""
        metrics = (objective.indicator.metric for objective in self.spec.objectives)
        return tuple(dict.fromkeys(metric for metric in metrics if metric and metric != ERROR))

    def latency_limits_s(self) -> tuple[float, ...]:
        """The limits of its latency objectives, in seconds, each once, the shortest first."""
        limits = {objective.indicator.latency_over_s for objective in self.spec.objectives}
        return tuple(sorted(limit for limit in limits if limit is not None))

    @property
    def dead_man_s(self) -> float | None:
        """Back to stable after this long without a controller, in seconds."""
        return self.spec.dead_man_s

    @property
    def request_timeout_s(self) -> float | None:
        """The longest that a request may take, in seconds."""
        return self.spec.strategy.request_timeout_s

    @property
    def retries(self) -> int:
        """How often a gateway may try a failed request again."""
        return self.spec.strategy.retries

    @property
    def drain_deadline_s(self) -> float:
        """How long requests in flight may go on, in seconds."""
        return self.spec.drain.deadline_s
