"""The only place where a task is made. A task has a name, one at a time, and its exception is never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self


class Tasks:
    """A TaskGroup whose tasks are known by name: starting one replaces the one that had its name.

    An exception in any of them ends the ``async with`` block with it, as in a TaskGroup.
    """

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_all()
        await self._group.__aexit__(kind, error, trace)

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` under ``name``; what ran under it before is cancelled."""
        self.stop(name)
        task = self._group.create_task(work, name=name)
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._forget(name, done))

    def stop(self, name: str) -> None:
        """Cancel the task of this name, if there is one."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    def stop_all(self, prefix: str = "") -> None:
        """Cancel every task whose name begins so; by default, all."""
        for name in tuple(self._tasks):
            if name.startswith(prefix):
                self.stop(name)

    def __contains__(self, name: str) -> bool:
        return name in self._tasks

    def _forget(self, name: str, done: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is done:
            del self._tasks[name]
