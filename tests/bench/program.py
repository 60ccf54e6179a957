"""A part of a benchmark in a process of its own: it is told a command per line, and answers with a line of JSON."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

END_DEADLINE_S = 10.0


class Program:
    """One such process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> Any:
        """The next thing that it says."""
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode().strip()
        assert line, "the program ended; its error stands above"
        return json.loads(line)

    def tell(self, command: str) -> None:
        """Send a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())

    async def ask(self, command: str) -> Any:
        """Send a command, and take its answer."""
        self.tell(command)
        return await self.line()

    async def close(self) -> None:
        """End its input, and wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(END_DEADLINE_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def program(module: str, *arguments: object, env: Mapping[str, str] | None = None) -> AsyncIterator[Program]:
    """Run ``python -m tests.bench.<module>`` while the context is open, with this much of the environment changed."""
    command = [sys.executable, "-m", f"tests.bench.{module}", *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={**os.environ, **(env or {})}
    )
    running = Program(process)
    try:
        yield running
    finally:
        await running.close()


async def commands() -> asyncio.StreamReader:
    """Standard input, for a program of this kind."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader
