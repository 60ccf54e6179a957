"""The real `turnout run`, as a process that can be killed."""

import asyncio
import contextlib
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import yaml

START_DEADLINE_S = 30.0


class Program:
    """`turnout run`, started and killed any number of times on one state and one pair of ports."""

    def __init__(self, directory: Path, session: aiohttp.ClientSession, xds_port: int) -> None:
        self.xds_port = xds_port
        self._directory = directory
        self._session = session
        self._url = ""
        self._process: Process | None = None

    async def start(self) -> None:
        """Start it, and wait for the line that says it is ready."""
        turnout = Path(sys.executable).with_name("turnout")
        self._process = await asyncio.create_subprocess_exec(
            *(turnout, "run", "--config", self._directory / "turnout.yaml", "--state-dir", self._directory / "state"),
            *("--http", "127.0.0.1:0", "--xds", f"127.0.0.1:{self.xds_port}"),
            stdout=PIPE,
            stderr=DEVNULL,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(START_DEADLINE_S):
            line = (await self._process.stdout.readline()).decode()
        assert "is ready" in line, f"turnout did not start: {line!r}"
        self._url = next(word for word in line.split() if word.startswith("http://"))

    async def kill(self) -> None:
        """End it without a warning (SIGKILL)."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def ask(self, method: str, path: str, **body: object) -> dict:
        """One call of its API."""
        async with self._session.request(method, self._url + path, json=body or None) as response:
            told = await response.json(content_type=None)
            assert response.status < 300, f"{method} {path}: {told}"
            return told

    async def agent(self, name: str = "bot") -> dict:
        return await self.ask("GET", f"/v1/agents/{name}")

    def is_confirmed(self, told: dict) -> bool:
        return all(gateway["up_to_date"] for gateway in told["gateways"])


@contextlib.asynccontextmanager
async def running(directory: Path, xds_port: int, *documents: dict) -> AsyncIterator[Program]:
    """Run it; it is killed with the context."""
    (directory / "turnout.yaml").write_text(yaml.safe_dump_all(documents))
    async with aiohttp.ClientSession() as session:
        program = Program(directory, session, xds_port)
        await program.start()
        try:
            yield program
        finally:
            await program.kill()
