"""A real Traefik with agents that can fail in every way, and clients that ask as browsers do."""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from adapters.port import Assignment, Route, Version
from tests.contract.play import confirmed, until_served
from tests.contract.stage import Ports
from tests.contract.stages.traefik import TraefikStage

Open = Callable[..., Awaitable[TraefikStage]]


class Agent:
    """One version of an agent.

    Attributes:
        status: of its answers.
        is_silent: it takes requests and says nothing.
        endpoint: where it listens.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = 200
        self.is_silent = False
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def version(self) -> Version:
        return Version(self.name, (self.endpoint,))

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.endpoint = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """Be gone: nobody listens there any more, and what was connected is cut off."""
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                head = f"HTTP/1.1 {self.status} As Told\r\nx-version: {self.name}\r\ncontent-length: 0\r\n\r\n"
                if not self.is_silent:
                    writer.write(head.encode())
                    await writer.drain()
        self._writers.discard(writer)
        writer.close()


@pytest.fixture
async def old() -> AsyncIterator[Agent]:
    agent = Agent("1.0.0")
    await agent.open()
    yield agent
    agent.close()


@pytest.fixture
async def new() -> AsyncIterator[Agent]:
    agent = Agent("1.1.0")
    await agent.open()
    yield agent
    agent.close()


@pytest.fixture
async def open_traefik(tmp_path: Path, old: Agent) -> AsyncIterator[Open]:
    """Start it, all stable: `await open_traefik(health_check=...)` takes the adapter's options."""
    stages: list[TraefikStage] = []

    async def start(**options) -> TraefikStage:
        stage = TraefikStage(**options)
        stages.append(stage)
        first = Assignment("bot", Route(), old.version)
        await stage.open(tmp_path, free_ports(), first)
        await confirmed(stage.adapter, first)
        await until_served(stage.url, old.name)
        return stage

    yield start
    for stage in stages:
        await stage.close()


def free_ports() -> Ports:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(3)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return Ports(*(probe.getsockname()[1] for probe in probes))


@pytest.fixture
def ask() -> Callable[..., Awaitable[Counter[tuple[int, str]]]]:
    """`await ask(url, 100, host="a.test")`: how often came which status from which version."""

    async def ask(
        url: str, count: int = 1, *, session: aiohttp.ClientSession | None = None, **headers: str
    ) -> Counter[tuple[int, str]]:
        seen: Counter[tuple[int, str]] = Counter()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with contextlib.AsyncExitStack() as stack, asyncio.timeout(30.0):
            if session is None:
                session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
            for _ in range(count):
                async with session.get(url, headers=named) as response:
                    seen[response.status, response.headers.get("x-version", "")] += 1
        return seen

    return ask
