"""Agents and clients of the contract: quick enough for shares of a thousandth, strict about every failed request."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from adapters.port import Version

ANSWER_DEADLINE_S = 10.0
BATCH = 20
CONNECTIONS = 4


# --- agents -----------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Agent:
    """One version of an agent; any path ending in ``/stream`` is answered with a stream that lasts until ``finish``.

    Attributes:
        status: of its answers; streams are always well.
        asked: how many requests have reached it.
        streams: those that are open.
    """

    name: str
    status: int = 200
    asked: int = 0
    endpoints: tuple[str, ...] = ()
    streams: set[asyncio.Transport] = field(default_factory=set)

    @property
    def version(self) -> Version:
        return Version(self.name, self.endpoints)

    def finish(self) -> None:
        """End every stream, whole."""
        for transport in list(self.streams):
            transport.write(_chunk(b"data: end\n\n") + b"0\r\n\r\n")
            self.streams.discard(transport)


class _Answering(asyncio.Protocol):
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._agent.streams.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        *heads, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for head in heads:
            self._answer(head.partition(b"\r\n")[0].split()[1])

    def _answer(self, path: bytes) -> None:
        agent = self._agent
        agent.asked += 1
        if path.endswith(b"/stream"):
            shape = "content-type: text/event-stream\r\ntransfer-encoding: chunked"
            head = f"HTTP/1.1 200 OK\r\nx-version: {agent.name}\r\n{shape}\r\n\r\n"
            self._transport.write(head.encode() + _chunk(b"data: begin\n\n"))
            agent.streams.add(self._transport)
        else:
            head = f"HTTP/1.1 {agent.status} As Told\r\nx-version: {agent.name}\r\ncontent-length: 0\r\n\r\n"
            self._transport.write(head.encode())


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@contextlib.asynccontextmanager
async def acting(name: str, instances: int = 1) -> AsyncIterator[Agent]:
    """Serve one version of an agent with so many instances."""
    agent = Agent(name)
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(instances):
            server = await loop.create_server(lambda: _Answering(agent), "127.0.0.1", 0)
            stack.callback(server.close)
            agent.endpoints += (f"127.0.0.1:{server.sockets[0].getsockname()[1]}",)
        yield agent
        for transport in list(agent.streams):
            transport.abort()


# --- clients ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """When it was asked for, on the monotonic clock; its status, 0 for none at all; the version that gave it."""

    sent_s: float
    status: int
    version: str
    is_last: bool = False


class Connection:
    """One client's connection, kept as long as the gateway keeps it."""

    def __init__(self, url: str, **headers: str) -> None:
        parts = urlsplit(url)
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        assert parts.hostname
        assert parts.port
        self._address = parts.hostname, parts.port
        self._path = parts.path or "/"
        self._host = parts.netloc
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, count: int = 1, path: str = "") -> list[Answer]:
        """Send requests at once, and read their answers; fewer where the gateway says that it closes the connection.

        Nothing that was sent is sent again by itself: a request that meets a close which nobody announced has failed,
        for a client may not repeat a POST (RFC 9112, 9.3.1). A connection that was closed before is opened again.
        """
        sent_s = time.monotonic()
        answers: list[Answer] = []
        try:
            async with asyncio.timeout(ANSWER_DEADLINE_S):
                reader = await self._send(count, path or self._path)
                while len(answers) < count:
                    answers.append(await self._answer(reader, sent_s))
                    if answers[-1].is_last:
                        await self.close()
                        break
        except (OSError, EOFError) as error:
            await self.close()
            answers.append(Answer(sent_s, 0, repr(error)))
        return answers

    async def _send(self, count: int, path: str) -> asyncio.StreamReader:
        if self._reader is not None and (self._reader.at_eof() or self._reader.exception()):
            await self.close()
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(*self._address)
        head = f"POST {path} HTTP/1.1\r\nhost: {self._host}\r\ncontent-length: 0\r\n{self._headers}\r\n"
        self._writer.write(head.encode() * count)
        return self._reader

    async def _answer(self, reader: asyncio.StreamReader, sent_s: float) -> Answer:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        is_last = headers.get("connection", "").lower() == "close"
        if "content-length" in headers:
            await reader.readexactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked" and "text/event-stream" not in headers.get(
            "content-type", ""
        ):
            await reader.readuntil(b"0\r\n\r\n")
        return Answer(sent_s, int(line.split()[1]), headers.get("x-version", ""), is_last)

    async def rest(self) -> bytes:
        """Whatever comes of a stream until it ends, in good order or not."""
        assert self._reader is not None
        whole = b""
        with contextlib.suppress(ConnectionError):
            while (data := await self._reader.read(65_536)) and not whole.endswith(b"0\r\n\r\n"):
                whole += data
                if whole.endswith(b"0\r\n\r\n"):
                    break
        return whole

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        self._reader = self._writer = None


async def flood(url: str, requests: int) -> Counter[str]:
    """Ask many times, quickly; how often each version answered. A failed request fails the test."""
    versions: Counter[str] = Counter()
    left = requests

    async def ask(connection: Connection) -> None:
        nonlocal left
        while left > 0:
            count = min(BATCH, left)
            left -= count
            answers = await connection.ask(count)
            left += count - len(answers)
            for answer in answers:
                assert answer.status == 200, f"a request failed: {answer}"
                versions[answer.version] += 1

    await _at_once(url, ask)
    return versions


async def _at_once(url: str, ask) -> None:
    connections = [Connection(url) for _ in range(CONNECTIONS)]
    try:
        async with asyncio.TaskGroup() as tasks:
            for connection in connections:
                tasks.create_task(ask(connection))
    finally:
        for connection in connections:
            await connection.close()


class Load:
    """Clients that ask again and again, one request at a time, for as long as the context lasts.

    Attributes:
        answers: in the order in which they came.
    """

    def __init__(self, url: str) -> None:
        self.answers: list[Answer] = []
        self._url = url
        self._stopping = False
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._tasks.create_task(_at_once(self._url, self._ask))
        return self

    async def __aexit__(self, *problem: object) -> None:
        self._stopping = True
        await self._tasks.__aexit__(*problem)

    async def _ask(self, connection: Connection) -> None:
        while not self._stopping:
            self.answers += await connection.ask()
            self._news.set()

    async def more(self, count: int) -> None:
        """Wait for some more answers."""
        enough = len(self.answers) + count
        async with asyncio.timeout(30 * ANSWER_DEADLINE_S):
            while len(self.answers) < enough:
                self._news.clear()
                await self._news.wait()

    @property
    def failed(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status != 200]

    def by_version(self, since_s: float = 0.0) -> Counter[str]:
        """How often each version answered."""
        return Counter(answer.version for answer in self.answers if answer.status and answer.sent_s >= since_s)


class Stream:
    """One client's stream; `rest` comes when it has ended."""

    def __init__(self, url: str) -> None:
        self._connection = Connection(url.rstrip("/") + "/stream")
        self._reading: asyncio.Task[bytes] | None = None

    async def open(self, tasks: asyncio.TaskGroup) -> str:
        """Open it; the version that streams."""
        (answer,) = await self._connection.ask()
        assert answer.status == 200, f"a stream was refused: {answer}"
        self._reading = tasks.create_task(self._connection.rest())
        return answer.version

    @property
    def has_ended(self) -> bool:
        assert self._reading is not None
        return self._reading.done()

    async def rest(self) -> bytes:
        """What it said until it ended."""
        assert self._reading is not None
        async with asyncio.timeout(ANSWER_DEADLINE_S):
            return await self._reading

    async def close(self) -> None:
        await self._connection.close()
