"""One thread for one disk, which may hang: what is to be written goes before all reading, and nothing piles up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

WAITING_MAX = 10_000
"""As many may wait at one time; each agent asks for one thing after the other."""

Found = TypeVar("Found")
Waiting = asyncio.Future[Any]


class Disk:
    """Does one thing at a time, and hangs when one takes too long: then all who wait, and whoever comes, are told so.

    What is to be written is owed until it was tried, also when nobody waits for it any more.

    Args:
        name: of the thread.
        write: writes the newest of what is to be written, in the thread. It is called once for all who ask before.
        timeout_s: how long one thing may take, and be waited for.

    Attributes:
        hangs: what is under way takes too long.
    """

    def __init__(self, name: str, write: Callable[[], None], timeout_s: Callable[[], float]) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._write = write
        self._timeout_s = timeout_s
        self._is_owed = False
        self._writers: list[Waiting] = []
        self._readers: deque[tuple[Waiting, Callable[[], object]]] = deque()
        self._running: asyncio.Future[object] | None = None
        self._lateness: asyncio.TimerHandle | None = None
        self._is_closed = False
        self.hangs = False

    async def write(self) -> None:
        """Have the newest written, before whatever waits to be read. Raises what it raises, and TimeoutError."""
        self._is_owed = True
        await self._take_turn(self._writers.append, len(self._writers))

    async def read(self, work: Callable[[], Found]) -> Found:
        """Do it in the thread. Raises what it raises, and TimeoutError."""
        found: Found = await self._take_turn(lambda turn: self._readers.append((turn, work)), len(self._readers))
        return found

    def close(self) -> None:
        """Begin nothing more. What is under way goes on in its thread, and nobody waits for it."""
        self._is_closed = True
        self._tell_all(())
        if self._running is not None:
            self._running.cancel()
        self._thread.shutdown(wait=False)

    async def _take_turn(self, join: Callable[[Waiting], None], waiting: int) -> Any:  # noqa: ANN401 - what work finds
        if self._is_closed or self.hangs or waiting >= WAITING_MAX:
            raise TimeoutError
        turn: Waiting = asyncio.get_running_loop().create_future()
        join(turn)
        self._go_on()
        async with asyncio.timeout(self._timeout_s()):
            return await turn

    def _go_on(self) -> None:
        """Begin what is next, unless something is under way."""
        if self._running is not None or self._is_closed:
            return
        while self._readers and self._readers[0][0].done():  # whoever asked has given up
            self._readers.popleft()
        if self._is_owed:
            turns, self._writers, self._is_owed = self._writers, [], False
            self._begin(turns, self._write)
        elif self._readers:
            turn, work = self._readers.popleft()
            self._begin([turn], work)

    def _begin(self, turns: Iterable[Waiting], work: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()
        self._lateness = loop.call_later(self._timeout_s(), self._give_up, turns)
        self._running = loop.run_in_executor(self._thread, work)
        self._running.add_done_callback(partial(self._done, turns))

    def _done(self, turns: Iterable[Waiting], running: asyncio.Future[object]) -> None:
        assert self._lateness is not None, "something was begun"
        self._lateness.cancel()
        self._running, self.hangs = None, False
        error = TimeoutError() if running.cancelled() else running.exception()
        for turn in turns:
            if error is not None:
                _fail(turn, error)
            elif not turn.done():
                turn.set_result(running.result())
        self._go_on()

    def _give_up(self, turns: Iterable[Waiting]) -> None:
        self.hangs = True
        self._tell_all(turns)

    def _tell_all(self, turns: Iterable[Waiting]) -> None:
        """Whoever waits need not wait longer."""
        for turn in (*turns, *self._writers, *(turn for turn, _ in self._readers)):
            _fail(turn, TimeoutError())
        self._writers.clear()
        self._readers.clear()


def _fail(turn: Waiting, error: BaseException) -> None:
    if not turn.done():
        turn.set_exception(error)
        turn.exception()  # whoever asked may be cancelled before it hears of it: then nobody need
