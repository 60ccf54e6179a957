"""The three acts: propose a version, and follow what becomes of it. Nothing is steered but the agents' own faults."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from . import scene
from .measure import COMMON_CAUSE, PROMOTE, ROLLBACK, Played
from .timeline import Moment

ACT_S_MAX = 45.0
"""An act that has not ended by then is left as it is, and counted so."""

TAIL_S = 0.5
"""How long we go on looking after an act has ended: does a request still go where none should?"""

LOOK_EVERY_S = 0.02
"""How often the state is read until the rollback is confirmed: that much too late is what we measure at worst."""

ENDS = frozenset({"promoted", "rolled-back", "rejected", "expired", "superseded"})


@dataclass(frozen=True, slots=True)
class Script:
    """One act: its name, whose it is, and what the audience is told."""

    name: str
    candidate: str
    title: str


SCRIPTS = (
    Script(PROMOTE, scene.GOOD, f"Act 1: {scene.GOOD} is good. It should be promoted, and nobody should notice."),
    Script(ROLLBACK, scene.BAD, f"Act 2: {scene.BAD} breaks under traffic. It should be gone within seconds."),
    Script(
        COMMON_CAUSE,
        scene.UNLUCKY,
        f"Act 3: {scene.UNLUCKY} is good, but an outage hits both. It should not be blamed.",
    ),
)


class Controller(Protocol):
    """The part of the controller's API that the acts need; `pipeline.Pipeline` is it."""

    async def propose(self, agent: str, version: Mapping[str, Any], *, score: float, summary: str) -> str:
        """Submit a version."""
        ...

    async def agent(self, name: str) -> dict[str, Any]:
        """Where an agent stands."""
        ...


@dataclass(slots=True)
class Stage:
    """Where the acts are played.

    Attributes:
        controller: what decides.
        ports: where each version listens.
        outage: sets the part of all answers that fails, from 0 to 1.
        is_back: whether the agent's state, as the API tells it, is a confirmed rollback.
        say: tells the audience a moment.
        now_s: the clock, in seconds since the epoch.
        pause: lets time pass.
    """

    controller: Controller
    ports: Mapping[str, int]
    outage: Callable[[float], Awaitable[None]]
    is_back: Callable[[Mapping[str, Any]], bool]
    say: Callable[[Moment], None]
    now_s: Callable[[], float] = time.time
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    moments: asyncio.Queue[Moment] = field(default_factory=asyncio.Queue)

    async def listen(self, news: AsyncIterator[Moment]) -> None:
        """Bring the controller's news on stage until cancelled. Raises whatever ends them."""
        async for moment in news:
            await self.moments.put(moment)

    async def play(self, script: Script) -> Played:
        """Propose the act's candidate, and follow it to its end or to the act's limit."""
        act = _Run(self, script)
        begin_s = self.now_s()
        version = scene.version(script.candidate, self.ports[script.candidate])
        await self.controller.propose(scene.AGENT, version, score=0.97, summary=script.title)
        try:
            async with asyncio.timeout(ACT_S_MAX):
                await act.follow()
        except TimeoutError:
            await self.outage(0.0)
        await self.pause(TAIL_S)
        return Played(script.name, script.candidate, begin_s, self.now_s(), tuple(act.moments), act.back_s, act.outage)


class _Run:
    """What is known of an act while it is played."""

    def __init__(self, stage: Stage, script: Script) -> None:
        self._stage = stage
        self._script = script
        self.moments: list[Moment] = []
        self.back_s: float | None = None
        self.outage: tuple[float, float] | None = None

    async def follow(self) -> None:
        """Hear what is said until the rollout has ended."""
        async with asyncio.TaskGroup() as meanwhile:
            while not self.moments or self.moments[-1].what not in ENDS:
                moment = await self._stage.moments.get()
                self.moments.append(moment)
                self._stage.say(moment)
                if moment.what == "rolling-back":
                    meanwhile.create_task(self._wait_until_back())
                if self._is_cue(moment):
                    self.outage = (self._stage.now_s(), math.inf)
                    meanwhile.create_task(self._play_outage())

    def _is_cue(self, moment: Moment) -> bool:
        """The candidate of the third act has its share: now everybody's luck runs out."""
        ready = moment.what == "confirmed" and moment.percent == scene.OUTAGE_AT_PERCENT
        return ready and self._script.name == COMMON_CAUSE and self.outage is None

    async def _wait_until_back(self) -> None:
        stage = self._stage
        while not stage.is_back(await stage.controller.agent(scene.AGENT)):
            await stage.pause(LOOK_EVERY_S)
        self.back_s = stage.now_s()

    async def _play_outage(self) -> None:
        stage = self._stage
        begin_s = stage.now_s()
        await stage.outage(scene.OUTAGE_RATIO)
        await stage.pause(scene.OUTAGE_S)
        await stage.outage(0.0)
        self.outage = (begin_s, stage.now_s())
