"""What is looked at again and again for an agent's counters: a gateway, outcomes that were pushed, a Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from adapters.port import Adapter, Observation, Track
from controller.analysis.counters import Reading

from .readings import reading

Judged = Mapping[str, Track | None]
"""The versions that are judged now, by name, and the track that each plays; None for one that is only kept ready."""


class SourceError(Exception):
    """A source could not say what it has counted. ``code`` says why in one word.

    The codes are ``unreachable``, ``denied``, ``not-found``, ``invalid`` (the question or the answer cannot be meant)
    and ``no-data`` (there is nothing, or no number, where a counter was asked for).
    """

    def __init__(self, source: str, code: str, message: str) -> None:
        super().__init__(f"{source}: {message}")
        self.source = source
        self.code = code


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look at a source brought.

    Attributes:
        source: its name; a gateway's has no slash in it, any other's has.
        observation: what a gateway has seen; None when it could not be read, and for any other source.
        readings: what has been counted. What is left out is not known: absent is not zero.
        trouble: why something could not be read, for people; empty when all is well.
    """

    source: str
    observation: Observation | None = None
    readings: tuple[Reading, ...] = ()
    trouble: str = ""


class Source(Protocol):
    """Something that counts an agent's events."""

    @property
    def name(self) -> str:
        """Unique among the agent's sources."""
        ...

    @property
    def every_s(self) -> float:
        """How long to wait between two looks, in seconds."""
        ...

    async def look(self, judged: Judged) -> Looked | None:
        """What it has counted until now; None when it has nothing to say that it has not said before.

        Safe to cancel. Raises SourceError, or GatewayError, when nothing of it can be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class GatewayCounters:
    """A gateway as a source of one agent's counters."""

    adapter: Adapter
    agent: str

    @property
    def name(self) -> str:
        """The gateway's own."""
        return self.adapter.name

    @property
    def every_s(self) -> float:
        """As often as its counters are worth a look."""
        return self.adapter.capabilities.observe_every_s

    async def look(self, _judged: Judged) -> Looked:
        """Everything that it has seen, whoever is judged. Raises GatewayError."""
        seen = await self.adapter.observe(self.agent)
        return Looked(self.name, seen, (reading(seen),))
