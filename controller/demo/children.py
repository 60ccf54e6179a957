"""The processes that the demo starts: each with a log, watched while it runs, and ended whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from controller.errors import TurnoutError

STOP_DEADLINE_S = 4.0
"""A child that has not ended this long after SIGTERM is killed."""

TROUBLE_S = 0.5
TAIL_LINES = 15
TAIL_BYTES = 16_384
LOOPBACK = "127.0.0.1"


class ChildError(TurnoutError):
    """A process that the demo needs did not start, or ended too early."""

    code = "child-failed"


@dataclass(frozen=True, slots=True)
class Child:
    """One process, and where it writes what it has to say."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    def trouble(self, what: str) -> ChildError:
        """An error that says what the child said last, and where the rest is."""
        last = tail(self.log) or "(it said nothing)"
        return ChildError(f"{self.name} {what}. Its last words:\n\n{last}\n", remedy=f"All of it is in {self.log}.")


class Children:
    """A family. Leaving the ``async with`` block ends all of them, the youngest first, and a cancellation waits for it.

    Args:
        folder: where their logs go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._children: list[Child] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await end([child.process for child in reversed(self._children)], STOP_DEADLINE_S)

    async def start(self, name: str, argv: Sequence[str | Path], *, piped: bool = False) -> Child:
        """Start a process. It does not get the terminal's Ctrl-C: it is ended in its turn.

        Args:
            name: what people know it as; its log is named after it.
            argv: its command.
            piped: whether we talk to it over its standard input and output; otherwise both are closed to us.

        Raises:
            ChildError: there is no such program, or it may not be run.
        """
        pipe = asyncio.subprocess.PIPE
        log = self.folder / f"{name.replace(' ', '-')}.log"
        with log.open("wb") as sink:
            try:
                process = await asyncio.create_subprocess_exec(
                    *argv,
                    stdin=pipe if piped else asyncio.subprocess.DEVNULL,
                    stdout=pipe if piped else sink,
                    stderr=sink,
                    start_new_session=True,
                )
            except OSError as failure:
                raise ChildError(f"{name} could not be started: {failure}") from failure
        child = Child(name, process, log)
        self._children.append(child)
        return child

    async def watch(self) -> None:
        """Return never; raise ChildError as soon as a child that was started before ends by itself."""
        async with asyncio.TaskGroup() as watchers:
            for child in self._children:
                watchers.create_task(_outlive(child))

    async def look_for_trouble(self) -> None:
        """Raise ChildError if one of them has ended by itself; the system gets a moment to say so."""
        with suppress(TimeoutError):
            async with asyncio.timeout(TROUBLE_S):
                await self.watch()


async def _outlive(child: Child) -> None:
    status = await child.process.wait()
    raise child.trouble(f"ended by itself, {in_words(status)}")


async def end(processes: Sequence[asyncio.subprocess.Process], deadline_s: float) -> None:
    """Ask processes to end, in this order, make those end that have not at the deadline, and wait until all have.

    A cancellation (a Ctrl-C while the demo is ending) waits as well: a process that nobody waits for might live on.
    """
    until_s: float | None = asyncio.get_running_loop().time() + deadline_s
    cancelled: asyncio.CancelledError | None = None
    try:
        for process in processes:
            with suppress(ProcessLookupError):
                process.terminate()
        while any(process.returncode is None for process in processes):
            try:
                async with asyncio.timeout_at(until_s):
                    for process in processes:
                        await process.wait()
            except TimeoutError:
                _kill(processes)
                until_s = None
            except asyncio.CancelledError as error:
                cancelled = error
    finally:
        _kill(processes)
    if cancelled is not None:
        raise cancelled


def _kill(processes: Sequence[asyncio.subprocess.Process]) -> None:
    """Kill those that are left, and whatever they have started: each leads a session of its own."""
    for process in processes:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def in_words(status: int) -> str:
    """An exit status for people."""
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"with exit code {status}"


def tail(log: Path) -> str:
    """The last lines of a log."""
    with log.open("rb") as opened:
        opened.seek(0, 2)
        opened.seek(max(0, opened.tell() - TAIL_BYTES))
        text = opened.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-TAIL_LINES:])


def free_ports(number: int) -> list[int]:
    """Ports on 127.0.0.1 that nobody listens on just now, all different."""
    sockets = [socket.create_server((LOOPBACK, 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
