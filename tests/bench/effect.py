"""From a command to its effect, on real gateways: until a client sees the first answer of the other version.

The floor is the same command sent by hand, to the same program, in the same minute. Kong and NGINX Plus are simulators
here: an effect of theirs would be our own work, and is not measured.
"""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from adapters.port import WHOLE_BP
from controller.demo.gateway import envoy_program, haproxy_program, nginx_program, traefik_program
from controller.errors import NotFoundError
from tests.bench.line import Line, bounded, compared
from tests.bench.program import Program, program
from tests.contract.play import AGENT, Play, confirmed, until_served
from tests.contract.stage import free_ports
from tests.contract.stages.openresty import TOKEN
from tests.contract.stages.traefik import THROTTLE_S
from tests.contract.traffic import Agent

OLD, NEW, NEXT = "1.0.0", "1.1.0", "1.2.0"
VERSION_AT = {0: OLD, WHOLE_BP: NEW}
WAYS = {WHOLE_BP: "a step", 0: "the way back"}
ROUNDS = {"envoy": 50, "haproxy": 50, "openresty": 50, "traefik": 15}
RATIO_MAX = 2.0
BEYOND_THROTTLE_S = 0.15

PROGRAMS: Mapping[str, Callable[[], Path]] = {
    "envoy": envoy_program,
    "haproxy": haproxy_program,
    "openresty": nginx_program,
    "traefik": traefik_program,
}
"""Where each gateway's program is. Raises NotFoundError, which says how to have it."""

Command = Callable[[], Awaitable[object]]
Commander = Callable[[int], Awaitable[Command]]
"""Gets a share (basis points) ready, and returns the command that gives it: only that is timed."""


# --- the same command by hand -----------------------------------------------------------------------------------------


@asynccontextmanager
async def _envoy_by_hand(stage: Any, play: Play) -> AsyncIterator[Commander]:
    """Nobody can steer an Envoy by hand: what the adapter has published is published again, without the adapter."""
    cache, name, published = stage._server.cache, stage.adapter.name, {}
    for bp in VERSION_AT:
        await confirmed(stage.adapter, play.at(bp))
        published[bp] = cache.snapshot(name)

    async def ready(bp: int) -> Command:
        async def publish() -> None:
            cache.set(name, published[bp])

        return publish

    yield ready


@asynccontextmanager
async def _haproxy_by_hand(stage: Any, play: Play) -> AsyncIterator[Commander]:
    """`set map` over the socket."""

    async def ready(bp: int) -> Command:
        return partial(stage.tamper, bp)

    yield ready


@asynccontextmanager
async def _openresty_by_hand(stage: Any, play: Play) -> AsyncIterator[Commander]:
    """PATCH of the share, over the adapter's own connection: another one might end at another worker.

    It matters: the worker that takes a command writes the state file, and lets its clients wait for the disk.
    """
    session, headers = stage.adapter._control._connected(), {"authorization": f"Bearer {TOKEN}"}

    async def ready(bp: int) -> Command:
        async def patch() -> None:
            url = f"{stage.control}/agents/{AGENT}?candidate_bp={bp}&by=hand"
            async with session.patch(url, headers=headers) as answer:
                assert answer.status == 200, await answer.text()

        return patch

    yield ready


@asynccontextmanager
async def _traefik_by_hand(stage: Any, play: Play) -> AsyncIterator[Commander]:
    """A rename in the directory, of a document that lies ready."""
    file, documents = stage.directory / f"turnout-{stage.adapter.name}.yml", {}
    for bp in VERSION_AT:
        await confirmed(stage.adapter, play.at(bp))
        documents[bp] = file.read_bytes()

    async def ready(bp: int) -> Command:
        draft = file.with_suffix(".new")
        draft.write_bytes(documents[bp])

        async def rename() -> None:
            draft.replace(file)

        return rename

    yield ready


BY_HAND: Mapping[str, Callable[[Any, Play], AbstractAsyncContextManager[Commander]]] = {
    "envoy": _envoy_by_hand,
    "haproxy": _haproxy_by_hand,
    "openresty": _openresty_by_hand,
    "traefik": _traefik_by_hand,
}


# --- measuring --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Effects:
    """How long each command took until the client saw it, in seconds, by the share that it gave.

    The two ways are told apart: the way back may do less before its command, and their common median would be neither.
    """

    ours_s: dict[int, list[float]] = field(default_factory=lambda: {bp: [] for bp in VERSION_AT})
    floor_s: dict[int, list[float]] = field(default_factory=lambda: {bp: [] for bp in VERSION_AT})


async def _seen(watcher: Program, commander: Commander, bp: int) -> float:
    """Give a command, and return how long it took until a client saw it."""
    command = await commander(bp)
    began_s = time.monotonic()
    await command()
    change = await watcher.line()
    assert change["version"] == VERSION_AT[bp], f"{bp} bp was asked for, and {change['version']} answered"
    return float(change["at_s"]) - began_s


async def effects(kind: str, rounds: int) -> Effects:
    """All traffic to the candidate and back, by hand and by us in turns."""
    found = Effects()
    stage = importlib.import_module(f"tests.contract.stages.{kind}").STAGE()
    async with program("watcher", OLD, NEW) as watcher:
        serving = await watcher.line()
        old, new = (Agent(name, endpoints=tuple(serving[name])) for name in (OLD, NEW))
        play = Play(old, new, Agent(NEXT))

        async def apply(bp: int) -> Command:
            return partial(confirmed, stage.adapter, play.at(bp))

        with tempfile.TemporaryDirectory() as folder:
            try:
                await stage.open(Path(folder), free_ports(), play.at(0))
                await confirmed(stage.adapter, play.at(0))
                await until_served(stage.url, OLD)
                async with BY_HAND[kind](stage, play) as by_hand:
                    await confirmed(stage.adapter, play.at(0))
                    watcher.tell(stage.url)
                    await watcher.line()
                    for _ in range(rounds):
                        for bp in (WHOLE_BP, 0):
                            found.floor_s[bp].append(await _seen(watcher, by_hand, bp))
                        # A hand has been there: to find out is no part of a command.
                        await confirmed(stage.adapter, play.at(0))
                        for bp in (WHOLE_BP, 0):
                            found.ours_s[bp].append(await _seen(watcher, apply, bp))
            finally:
                await watcher.close()
                await stage.close()
    return found


async def effect_lines(rounds: Mapping[str, int] = ROUNDS) -> list[Line]:
    """Every gateway whose program is here; of the others, why not."""
    lines: list[Line] = []
    for kind, located in PROGRAMS.items():
        what = f"command to effect: {kind}"
        try:
            located()
        except NotFoundError as error:
            lines.append(Line(what, note=f"not measured: {error}"))
            continue
        found = await effects(kind, rounds[kind])
        for bp, way in WAYS.items():
            lines.append(compared(f"{what}, {way}", found.ours_s[bp], found.floor_s[bp], RATIO_MAX))
            if kind == "traefik":
                goal = f"≤ {THROTTLE_S + BEYOND_THROTTLE_S:g} s: throttle + {BEYOND_THROTTLE_S:g} s"
                lines.append(bounded(f"{what}, {way}, in all", found.ours_s[bp], THROTTLE_S + BEYOND_THROTTLE_S, goal))
    return lines
