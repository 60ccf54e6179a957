"""One performance: everything is started, the acts are played under load, everything is ended."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import aiohttp
from rich.console import Console

from controller.errors import TurnoutError

from . import scene
from .acts import SCRIPTS, Stage
from .children import Child, ChildError, Children, free_ports
from .gateway import Addresses, Gateway
from .load import Load
from .measure import Played
from .pipeline import Pipeline, PipelineError, all_back
from .records import Records, share_of
from .screen import Screen
from .timeline import Moment

START_DEADLINE_S = 20.0
"""A process that is not ready after this long will not be."""

READY = re.compile(r"is ready: (?P<url>http://\S+) xds://\S+:(?P<xds_port>\d+)")
PYTHON = (sys.executable, "-P")
"""This Python, without the present folder on its path: another `controller` may lie there."""

RUN = "from controller.cli.main import main; main()"
"""The console script, whether or not it is on the path."""

KNOCK_EVERY_S = 0.05
LOOK_EVERY_S = 0.5
LOOK_BACK_S = 2.0

STYLES = {"promoted": "green", "rolling-back": "yellow", "rolled-back": "green", "paused": "yellow", "resumed": "green"}


class Performance:
    """One run of the demo.

    Args:
        folder: for logs, settings and the journal; nothing is written anywhere else.
        seed: where chance begins.
        gateways: which gateways to start, by name.
        console: where progress is told.

    Attributes:
        records: what clients saw so far.
        played: the acts that were played.
        where: where it is now, in a sentence.
    """

    def __init__(self, folder: Path, seed: int, gateways: Mapping[str, Gateway], console: Console) -> None:
        self.records = Records()
        self.played: list[Played] = []
        self.where = "It was starting."
        self._folder = folder
        self._seed = seed
        self._gateways = gateways
        self._screen = Screen(console)
        self._candidate, self._percent = "", 0.0

    async def run(self) -> None:
        """Start everything, play every act, end everything. Raises TurnoutError."""
        with self._screen:
            try:
                async with Children(self._folder) as children:
                    await self._play_or_blame(children)
            except* TurnoutError as group:
                raise _first(group) from None

    async def _play_or_blame(self, children: Children) -> None:
        """A controller that cannot be spoken to may be gone; then its last words say more than our own surprise."""
        try:
            await self._start_and_play(children)
        except* PipelineError:
            await children.look_for_trouble()
            raise

    async def _start_and_play(self, children: Children) -> None:
        self._screen.now("Starting agents, controller and gateways ...")
        agents, ports = await self._start_agents(children)
        addresses = self._addresses()
        url, xds_port = await self._start_controller(children, addresses, ports)
        for name, gateway in self._gateways.items():
            await gateway.start(replace(addresses[name], xds_port=xds_port), children)
        doors = {name: each.clients for name, each in addresses.items()}
        async with Pipeline(url) as pipeline, pipeline.news(scene.AGENT) as news, asyncio.TaskGroup() as cast:
            watching = cast.create_task(children.watch())
            for name, door in doors.items():
                await self._until_served(door)
                self._screen.say(f"{scene.FIRST} serves through the gateway {name} at {door}, guided by {url}")
            stage = Stage(pipeline, ports, lambda ratio: _steer(agents, ratio), all_back, self._say)
            tasks = [
                watching,
                cast.create_task(Load(doors, self.records, self._seed).run()),
                cast.create_task(stage.listen(news)),
                cast.create_task(self._look()),
            ]
            for script in SCRIPTS:
                self.where = f"It was at {script.title}"
                self._screen.act(script.title)
                self._candidate, self._percent = script.candidate, 0.0
                self.played.append(await stage.play(script))
            self._screen.now("Ending what was started ...")
            for task in tasks:
                task.cancel()

    # --- starting -----------------------------------------------------------------------------------------------------

    def _addresses(self) -> dict[str, Addresses]:
        ports = iter(free_ports(2 * len(self._gateways)))
        return {
            name: Addresses(next(ports), xds_port=0, control_port=next(ports), folder=self._folder, name=name)
            for name in self._gateways
        }

    async def _start_agents(self, children: Children) -> tuple[Child, Mapping[str, int]]:
        argv = [*PYTHON, "-m", "controller.demo.agent", scene.cast(self._seed).to_json()]
        agents = await children.start("agents", argv, piped=True)
        return agents, json.loads(await _first_line(agents))["ports"]

    async def _start_controller(
        self, children: Children, addresses: Mapping[str, Addresses], ports: Mapping[str, int]
    ) -> tuple[str, int]:
        config = self._folder / "turnout.yaml"
        specs = {name: gateway.spec(addresses[name]) for name, gateway in self._gateways.items()}
        sees_outcomes = all(gateway.sees_outcomes for gateway in self._gateways.values())
        config.write_text(scene.settings(specs, ports, sees_outcomes=sees_outcomes))
        places = ["--config", str(config), "--state-dir", str(self._folder / "state")]
        doors = ["--http", "127.0.0.1:0", "--xds", "127.0.0.1:0"]
        argv = [*PYTHON, "-c", RUN, "run", *places, *doors]
        controller = await children.start("controller", argv, piped=True)
        line = await _first_line(controller)
        found = READY.search(line)
        if found is None:
            raise controller.trouble(f"said {line!r} and not where it is")
        return found["url"], int(found["xds_port"])

    async def _until_served(self, address: str) -> None:
        """Wait until a request through the gateway is answered by the first version."""
        status: object = "nobody answers"
        try:
            async with asyncio.timeout(START_DEADLINE_S), aiohttp.ClientSession() as session:
                while status != 200:
                    with suppress(aiohttp.ClientError, OSError):
                        async with session.post(f"http://{address}/", json={"task": 0}) as response:
                            status = response.status
                    await asyncio.sleep(KNOCK_EVERY_S)
        except TimeoutError:
            raise ChildError(
                f"The gateway at {address} did not serve within {START_DEADLINE_S:g} s: {status}.",
                remedy=f"The logs are in {self._folder}.",
            ) from None

    # --- the audience -------------------------------------------------------------------------------------------------

    def _say(self, moment: Moment) -> None:
        self._percent = 100.0 if moment.what == "promoted" else moment.percent
        self._screen.say(f"{moment.what}: {moment.text}", STYLES.get(moment.what, ""))

    async def _look(self) -> None:
        """Say again and again how it goes."""
        loop = asyncio.get_running_loop()
        seen: list[tuple[float, int]] = []
        while True:
            seen = [*seen, (loop.time(), len(self.records.requests))][-int(LOOK_BACK_S / LOOK_EVERY_S) - 1 :]
            recent = self.records.requests[seen[0][1] :]
            rate = len(recent) / max(seen[-1][0] - seen[0][0], LOOK_EVERY_S)
            share, _ = share_of(self._candidate, recent)
            got = "no answer" if share is None else f"{share:.1%}"
            self._screen.now(
                f"{rate:.0f} requests/s, {self.records.failed} failed · "
                f"{self._candidate}: {self._percent:g} % wanted, {got} observed"
            )
            await asyncio.sleep(LOOK_EVERY_S)


async def _first_line(child: Child) -> str:
    """What a child says first on its standard output. Raises ChildError when it says nothing."""
    assert child.process.stdout is not None
    try:
        async with asyncio.timeout(START_DEADLINE_S):
            line = await child.process.stdout.readline()
            if line:
                return line.decode(errors="replace")
            await child.process.wait()
    except TimeoutError:
        raise child.trouble(f"was not ready within {START_DEADLINE_S:g} s") from None
    raise child.trouble("did not start")


async def _steer(agents: Child, outage_ratio: float) -> None:
    """Let every version fail for this part of its answers."""
    assert agents.process.stdin is not None
    agents.process.stdin.write(json.dumps({"outage_ratio": outage_ratio}).encode() + b"\n")
    await agents.process.stdin.drain()


def _first(group: BaseExceptionGroup[TurnoutError]) -> TurnoutError:
    """The first error of a group, however deep."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
