"""Simulated gateways: each takes splits, serves traffic, counts, and fails in the ways that real ones do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from adapters.capabilities import Capabilities
from adapters.port import (
    Applied,
    Assignment,
    GatewayError,
    GatewayStatus,
    Observation,
    Proof,
    Receipt,
    Split,
    Tally,
    Verification,
)

from .clock import now_s

LINGER_S = 1.5
"""How long requests stay in flight on a version that has lost its traffic."""

CAPABILITIES = Capabilities(
    share_bp_min=1,
    sees_in_flight=True,
    cuts_streams=False,
    counts_per_version=True,
    mirrors=True,
    dead_man=False,
    proves_effect=True,
)

BadRates = Callable[[str, float], Mapping[str, float]]
"""What fraction of a version's requests is bad at a time, by indicator; ``error`` and ``task_failed``."""


@dataclass(slots=True)
class _Count:
    requests: int = 0
    errors: int = 0
    failed: int = 0


@dataclass(slots=True)
class SimGateway:
    """The data plane. It outlives controllers.

    Attributes:
        subscriber: it asks for what is wanted when it comes back, as an Envoy does; else it must be told again.
        delay_s: from being told to having confirmed.
        refuses: it refuses every candidate share.
        touched: somebody has changed it by hand since it was last told.
        crooked: it confirms a share, and gives another; `crooked_once` once it has.
        took: hears every assignment at the moment when requests begin to follow it.
    """

    name: str
    chance: random.Random
    rates: BadRates
    took: Callable[[SimGateway, Assignment | None], None]
    requests_per_s: float = 50.0
    delay_s: float = 0.05
    subscriber: bool = False
    up: bool = True
    frozen: bool = False
    refuses: bool = False
    touched: bool = False
    crooked: bool = False
    crooked_once: bool = False
    able_since_s: float = 0.0
    held: Assignment | None = None
    wanted: Assignment | None = None
    epoch: int = 0
    counts: dict[str, _Count] = field(default_factory=dict)
    last_served_s: dict[str, float] = field(default_factory=dict)
    served_up_to_s: float = 0.0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def able(self) -> bool:
        """It answers, and takes what it is told."""
        return self.up and not self.frozen

    def turn(self, *, up: bool | None = None, frozen: bool | None = None, refuses: bool | None = None) -> None:
        """Something happens to it, or is over."""
        self.serve()
        was_able = self.able and not self.refuses
        self.up = self.up if up is None else up
        self.frozen = self.frozen if frozen is None else frozen
        self.refuses = self.refuses if refuses is None else refuses
        if self.able and not self.refuses and not was_able:
            self.able_since_s = now_s()
        if self.able and self.subscriber and self.wanted is not None and not self.refused(self.wanted):
            self.take(self.wanted)
        woken, self.changed = self.changed, asyncio.Event()
        woken.set()

    def restart(self) -> None:
        """It begins again: no assignment, and counters at zero."""
        self.serve()
        self.epoch += 1
        self.counts = {}
        self.last_served_s = {}
        self.take(None)
        self.able_since_s = now_s()
        self.turn()

    def touch(self, candidate_bp: int) -> bool:
        """Somebody gives the candidate another share by hand; False where there is none to give."""
        self.serve()
        if self.held is None or self.held.candidate is None or self.held.split.candidate_bp == candidate_bp:
            return False
        self.held, self.touched = replace(self.held, split=Split(candidate_bp)), True
        self.crooked_once = True
        self.able_since_s = now_s()
        return True

    def bend(self, crooked: bool) -> None:
        """It begins, or ceases, to give another share than it was told."""
        self.serve()
        self.crooked, self.crooked_once = crooked, True

    def refused(self, assignment: Assignment) -> bool:
        return self.refuses and assignment.split.candidate_bp > 0

    def take(self, assignment: Assignment | None) -> None:
        """From now on requests follow this."""
        self.serve()
        self.held, self.touched = assignment, False
        self.took(self, assignment)

    def serve(self) -> None:
        """Serve what has come since it was last asked."""
        since_s, self.served_up_to_s = self.served_up_to_s, now_s()
        if self.held is None:
            return
        expected = self.requests_per_s * (self.served_up_to_s - since_s)
        total = int(expected) + (self.chance.random() < expected % 1.0)
        share = self.held.split.candidate_bp / 10_000
        if self.crooked and 0.0 < share < 1.0:
            share /= 4
        candidate = self._binomial(total, share) if share else 0
        if self.held.candidate is not None:
            self._count(self.held.candidate.name, candidate)
        self._count(self.held.stable.name, total - candidate)

    def _count(self, version: str, requests: int) -> None:
        count = self.counts.setdefault(version, _Count())
        if not requests:
            return
        rates = self.rates(version, self.served_up_to_s)
        if rates.get("silent"):
            return
        self.last_served_s[version] = self.served_up_to_s
        count.requests += requests
        count.errors += self._binomial(requests, rates["error"])
        count.failed += self._binomial(requests, rates["task_failed"])

    def _binomial(self, n: int, p: float) -> int:
        if p in (0.0, 1.0):
            return int(n * p)
        draw = self.chance.random
        return sum(draw() < p for _ in range(n))

    def observation(self, agent: str) -> Observation:
        """What it has counted."""
        self.serve()
        tallies = {
            name: Tally(count.requests, count.errors, {"task_failed": (count.requests, float(count.failed))})
            for name, count in self.counts.items()
        }
        in_flight = {
            name: 3 if now_s() - self.last_served_s.get(name, -1e9) < LINGER_S else 0
            for name in {*self.counts, *(version.name for version in (self.held.versions if self.held else ()))}
        }
        return Observation(self.name, agent, str(self.epoch), tallies, in_flight)


Point = Callable[[str], bool]
"""A moment at which the controller may be killed; whether it is alive after it."""


START_S = 0.2
"""How long an adapter takes to start: names are looked up, files are read. Whatever is decided meanwhile must stand."""


class Handle:
    """The adapter of one life of the controller. When that life is over, it reaches the gateway no more."""

    capabilities = CAPABILITIES

    def __init__(self, gateway: SimGateway, point: Point, saw: Callable[[Observation], None]) -> None:
        self.gateway = gateway
        self.name = gateway.name
        self._point = point
        self._saw = saw

    async def _pause(self, duration_s: float, what: str) -> None:
        """Time passes; the controller may die meanwhile, and then nothing follows."""
        await asyncio.sleep(duration_s)
        if not self._point(f"{what} {self.name}"):
            await asyncio.get_running_loop().create_future()

    async def start(self, assignments: Sequence[Assignment]) -> None:
        await self._pause(START_S, "start")
        self.gateway.wanted = next(iter(assignments), None)

    async def apply(self, assignment: Assignment, *, timeout_s: float) -> Receipt:
        gateway, began_s = self.gateway, now_s()
        if not self._point(f"apply {self.name}"):
            await asyncio.get_running_loop().create_future()
        gateway.wanted = assignment
        try:
            async with asyncio.timeout(timeout_s):
                outcome = await self._apply(assignment)
        except TimeoutError:
            outcome = Applied.UNCONFIRMED
        detail = "" if outcome is Applied.CONFIRMED else "simulated"
        return Receipt(self.name, outcome, assignment.split, detail, now_s() - began_s)

    async def _apply(self, assignment: Assignment) -> Applied:
        gateway = self.gateway
        while True:
            if not gateway.up and not gateway.subscriber:
                await self._pause(0.1, "unreachable")
                return Applied.UNREACHABLE
            if not gateway.able:
                await gateway.changed.wait()
                continue
            await self._pause(gateway.delay_s / 2, "sent")
            if not gateway.able:
                continue
            if gateway.refused(assignment):
                return Applied.REFUSED
            gateway.take(assignment)
            epoch = gateway.epoch
            await self._pause(gateway.delay_s / 2, "taken")
            if gateway.able and gateway.epoch == epoch:
                return Applied.CONFIRMED

    async def verify(self, agent: str) -> Verification:
        gateway = self.gateway
        await self._pause(gateway.delay_s / 2, "verify")
        if gateway.frozen:
            await asyncio.get_running_loop().create_future()  # it is the caller who must have patience, or not
        if not gateway.up:
            raise GatewayError(self.name, "unreachable", "simulated", retryable=True)
        same = gateway.held is not None and gateway.held == gateway.wanted
        if same:
            return Verification(self.name, Proof.APPLIED)
        return Verification(self.name, Proof.DRIFTED if gateway.touched else Proof.RESET, "simulated")

    async def observe(self, agent: str) -> Observation:
        await self._pause(self.gateway.delay_s / 2, "observe")
        if self.gateway.frozen:
            await asyncio.get_running_loop().create_future()
        if not self.gateway.up:
            raise GatewayError(self.name, "unreachable", "simulated", retryable=True)
        observation = self.gateway.observation(agent)
        self._saw(observation)
        return observation

    async def remove(self, agent: str) -> None:
        await self._pause(self.gateway.delay_s, "remove")
        if self.gateway.subscriber:
            self.gateway.wanted = None
        if not self.gateway.able:
            raise GatewayError(self.name, "unreachable", "simulated", retryable=True)
        self.gateway.wanted = None
        self.gateway.take(None)

    async def status(self) -> GatewayStatus:
        return GatewayStatus(self.name, "simulated", self.gateway.able)

    async def close(self) -> None:
        """It keeps what it has."""
