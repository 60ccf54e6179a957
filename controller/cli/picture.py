"""What the API says (docs/api.md), as values. Only what the command line shows; the rest is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from controller.cli.failure import Exit, Failure

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Build:
    """One version of an agent."""

    version: str
    endpoints: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """A split, in percent."""

    candidate_percent: float
    mirror_percent: float = 0.0

    @property
    def all_stable(self) -> bool:
        """Whether the candidate gets nothing, not even copies."""
        return not (self.candidate_percent or self.mirror_percent)

    def __str__(self) -> str:
        mirrored = f", mirroring {self.mirror_percent:g} %" if self.mirror_percent else ""
        return f"{self.candidate_percent:g} %{mirrored}"


@dataclass(frozen=True, slots=True)
class Stop:
    """One step of a rollout."""

    number: int
    candidate_percent: float
    mirror_percent: float = 0.0
    hold_s: float = 0.0
    approval: bool = False


@dataclass(frozen=True, slots=True)
class Rollout:
    """The rollout under way (``active``), or the last one. ``step`` counts from 1; None before, after and between."""

    id: str
    version: str
    digest: str
    active: bool
    step: int | None
    steps: tuple[Stop, ...]
    paused_by: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Timer:
    """What is waited for, and how much longer."""

    timer: str
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a gateway last answered."""

    outcome: str
    split: Share
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a gateway was seen to do with requests since it confirmed the split."""

    requests: int
    candidate_percent: float | None


@dataclass(frozen=True, slots=True)
class Link:
    """One agent at one gateway. ``confirmed`` is the last split that it confirmed; None if none. ``remark`` is what is
    amiss there although it has confirmed.
    """

    gateway: str
    confirmed: Share | None
    up_to_date: bool
    receipt: Receipt | None
    observed: Observed | None
    in_flight: Mapping[str, int | None]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Events of one track."""

    valid: int
    bad_fraction: float | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What an objective says of the candidate. ``evidence_ratio`` 1 is a breach."""

    objective: str
    guardrail: bool
    verdict: str
    evidence_ratio: float
    candidate: Counts
    stable: Counts


@dataclass(frozen=True, slots=True)
class Drain:
    """A version that takes no new request."""

    version: str
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Agent:
    """Where an agent stands."""

    name: str
    phase: str
    change: int
    changed_by: str
    stable: Build
    candidate: Build | None
    wanted: Share
    rollout: Rollout | None
    timers: tuple[Timer, ...]
    gateways: tuple[Link, ...]
    verdict: str
    findings: tuple[Finding, ...]
    drains: tuple[Drain, ...]

    @property
    def confirmed_everywhere(self) -> bool:
        """Whether every gateway follows what is wanted now. No gateway at all confirms nothing."""
        return bool(self.gateways) and all(link.up_to_date for link in self.gateways)

    def in_flight(self, build: Build | None) -> int | None:
        """Requests in flight on a version over all gateways; None unless every gateway can say."""
        if build is None:
            return None
        seen = [link.in_flight.get(build.version) for link in self.gateways]
        known = [count for count in seen if count is not None]
        return sum(known) if seen and len(known) == len(seen) else None


@dataclass(frozen=True, slots=True)
class Held:
    """One agent at a gateway, as the gateway's own page tells it."""

    agent: str
    confirmed: Share | None
    up_to_date: bool
    receipt: Receipt | None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One data plane."""

    name: str
    kind: str
    reachable: bool
    detail: str
    nodes: tuple[str, ...]
    last_error: str | None
    agents: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class Stranger:
    """An Envoy that is connected and belongs to no gateway."""

    node: str
    cluster: str


@dataclass(frozen=True, slots=True)
class Gateways:
    """The answer of ``GET /v1/gateways``."""

    gateways: tuple[Gateway, ...]
    strangers: tuple[Stranger, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a pipeline wants rolled out."""

    id: str
    agent: str
    phase: str
    candidate: Build
    digest: str
    steps: tuple[Stop, ...]
    bake_s: float
    submitted_by: str = ""
    summary: str = ""
    reason: str = ""
    verification_score: float | None = None


@dataclass(frozen=True, slots=True)
class News:
    """One event of the stream."""

    agent: str
    what: str
    text: str
    at: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """One record of the journal."""

    seq: int
    at: datetime
    agent: str
    kind: str
    actor: str
    body: Mapping[str, Any]
    version: int
    previous: str
    digest: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, and what to ask for next; None at the journal's end."""

    records: tuple[Told, ...]
    next_after: int | None


@dataclass(frozen=True, slots=True)
class Drained:
    """How a drain ended: ``empty``, ``deadline``, ``serving`` or ``nothing``."""

    agent: str
    outcome: str
    version: str | None = None
    in_flight: int | None = None
    detail: str = ""


def read(shape: type[Value], document: Any) -> Value:  # noqa: ANN401 - JSON
    """The value that an answer means. Raises :class:`Failure` if it means none: another program, or another release."""
    try:
        return TypeAdapter(shape).validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise Failure(
            "answer-not-understood",
            f"The controller's answer is not understood: {field}: {first['msg']}.",
            remedy="Use the turnout of the same release as the controller (turnout version), or --output json.",
            exit_code=Exit.UNREACHABLE,
        ) from error


def read_agents(document: Any) -> tuple[Agent, ...]:  # noqa: ANN401 - JSON
    """The answer of ``GET /v1/agents``."""
    return read(_Agents, document).agents


@dataclass(frozen=True, slots=True)
class _Agents:
    agents: tuple[Agent, ...]
