"""What the API needs of the controller, and what it keeps for itself while it serves."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import web

from controller.journal.writer import AsyncJournal
from controller.metrics.outcomes import Outcomes
from controller.observe.meters import Meters
from controller.runtime.broadcast import Broadcast
from controller.runtime.fleet import Fleet
from controller.settings.access import AccessSettings

from .errors import BusyError
from .known import KnownProposals


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the settings stand.

    Attributes:
        digest: of the settings that are in force.
        refused: why the files, as they are now, are not in force; one line per fault, empty when they are.
    """

    digest: str
    refused: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Stranger:
    """A node that subscribes to us and gets nothing, because it says that it belongs to a gateway that is none of ours.

    Attributes:
        node: its ``node.id``.
        cluster: its ``node.cluster``, which should be a gateway's name.
    """

    node: str
    cluster: str


@dataclass(frozen=True, slots=True)
class Context:
    """The controller, as the API sees it.

    Attributes:
        fleet: the agents' drivers and the gateways' adapters.
        journal: is only read.
        broadcast: what is told to listeners.
        meters: the controller's own.
        access: who holds a token, as the settings say now; None when no token is asked for.
        settings: which are in force, and why newer ones are not.
        ready: whether everything is brought up; ``/readyz`` asks.
        now_s: the clock, in seconds since the epoch.
        outcomes: what agents push.
        strangers: who is connected and belongs to no gateway.
    """

    fleet: Fleet
    journal: AsyncJournal
    broadcast: Broadcast
    meters: Meters
    access: Callable[[], AccessSettings | None]
    settings: Callable[[], Standing]
    ready: Callable[[], bool]
    now_s: Callable[[], float]
    outcomes: Outcomes = field(default_factory=lambda: Outcomes(0.0))
    strangers: Callable[[], Sequence[Stranger]] = tuple


class Pool(StrEnum):
    """Requests that share a limit. Readers and reporters keep no operator out, and those who wait keep nobody out."""

    PROBE = "probe"
    READ = "read"
    STEER = "steer"
    REPORT = "report"
    WAIT = "wait"
    LISTEN = "listen"


IN_POOL_MAX = {Pool.PROBE: 64, Pool.READ: 64, Pool.STEER: 64, Pool.REPORT: 64, Pool.WAIT: 96, Pool.LISTEN: 128}
"""Who waits listens to the same broadcast: together they stay below its own limit."""

ENDLESS = frozenset({Pool.WAIT, Pool.LISTEN})
"""Requests that take as long as what they wait for."""


class Pools:
    """How many requests are being answered, per pool."""

    def __init__(self) -> None:
        self._inside = dict.fromkeys(Pool, 0)

    @contextmanager
    def enter(self, pool: Pool) -> Iterator[None]:
        """Be counted while the context is open. Raises BusyError when the pool is full."""
        if self._inside[pool] >= IN_POOL_MAX[pool]:
            raise BusyError(
                f"{IN_POOL_MAX[pool]} requests of this kind are being answered already.", remedy="Ask again later."
            )
        self._inside[pool] += 1
        try:
            yield
        finally:
            self._inside[pool] -= 1


@dataclass(frozen=True, slots=True)
class Desk:
    """What the API keeps while it serves.

    Attributes:
        context: the controller.
        pools: who is being answered.
        proposals: the newest that are known.
        proposing: held by whoever submits a proposal, so that one supersedes another as a whole.
        stopping: set when those who wait must not wait any longer.
        born: tells this life of the controller from another: numbers of news begin again with it.
    """

    context: Context
    pools: Pools = field(default_factory=Pools)
    proposals: KnownProposals = field(default_factory=KnownProposals)
    proposing: asyncio.Lock = field(default_factory=asyncio.Lock)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    born: str = field(default_factory=lambda: secrets.token_hex(4))
    _waiting: set[asyncio.Timeout] = field(default_factory=set)

    @asynccontextmanager
    async def patience(self, limit_s: float | None) -> AsyncIterator[None]:
        """Wait for something inside. Raises TimeoutError after ``limit_s``, and at once when the API stops."""
        async with asyncio.timeout(0 if self.stopping.is_set() else limit_s) as scope:
            self._waiting.add(scope)
            try:
                yield
            finally:
                self._waiting.discard(scope)

    def stop(self) -> None:
        """Let nobody wait any longer."""
        self.stopping.set()
        for scope in self._waiting:
            scope.reschedule(asyncio.get_running_loop().time())


DESK = web.AppKey("DESK", Desk)
