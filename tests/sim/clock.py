"""An event loop whose time is virtual: when nothing is ready, its clock jumps to the next timer. Nothing sleeps."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH_S = 1_000_000.0
"""The Unix time at which every virtual clock begins."""


class DeadlockError(RuntimeError):
    """Everybody waits, and no timer will ever wake anybody: in a simulation that is for ever."""


class _Jump(selectors.DefaultSelector):
    """Never waits for a file: moves the clock of its loop instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise DeadlockError("nothing is scheduled, and everybody waits")
        self.loop.jumped_s += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs timers in order as fast as they can be run. One thread, no sockets."""

    def __init__(self) -> None:
        self.jumped_s = 0.0
        jump = _Jump()
        jump.loop = self
        super().__init__(jump)

    def time(self) -> float:
        return self.jumped_s

    def now_s(self) -> float:
        """The virtual Unix time, in seconds."""
        return EPOCH_S + self.jumped_s


def now_s() -> float:
    """The virtual Unix time of the running loop, in seconds."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "this code must run on virtual time"
    return loop.now_s()


async def passes(duration_s: float) -> None:
    """Let virtual time pass, and everything happen that happens meanwhile."""
    await asyncio.sleep(duration_s)


async def until(condition: Callable[[], object], *, within_s: float = 60.0) -> None:
    """Let time pass until something is so; fails when it is not within that many virtual seconds."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event, and virtual time costs nothing
            await asyncio.sleep(QUANTUM_S)


QUANTUM_S = 0.01


def run(work: Awaitable[T]) -> T:
    """Run to the end on a virtual clock of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_awaited(work))


async def _awaited(work: Awaitable[T]) -> T:
    return await work
