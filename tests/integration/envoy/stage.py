"""A controller in this process, agents that remember, clients that count: what tests on a real Envoy play with."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web

from adapters.port import Receipt, Split, Version
from controller.app import App, Options
from controller.journal.store import Journal
from controller.rollout import events
from controller.rollout.state import Phase
from controller.settings.loading import load

WAIT_S = 30.0
API = "turnout.dev/v1alpha1"


def gateway(listen: str, name: str = "edge", **envoy) -> dict:
    spec = {"type": "envoy", "envoy": {"listen": listen, "loadReportInterval": "100ms", **envoy}}
    return {"apiVersion": API, "kind": "Gateway", "metadata": {"name": name}, "spec": spec}


def version(name: str, *endpoints: str, **more) -> dict:
    return {"version": name, "endpoints": list(endpoints), **more}


def agent(stable: dict, candidate: dict | None = None, name: str = "bot", gateways=("edge",), **spec) -> dict:
    whole = {
        "gateways": list(gateways),
        "stable": stable,
        "gate": {"consent": "none"},
        "drain": {"deadline": "20s"},
        **({"candidate": candidate} if candidate else {}),
        **spec,
    }
    return {"apiVersion": API, "kind": "Agent", "metadata": {"name": name}, "spec": whole}


class Pulse:
    """Something has happened: whoever waits for a condition looks again."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()

    def beat(self) -> None:
        for event in self._waiting:
            event.set()

    async def until(self, condition: Callable[[], object], what: str, deadline_s: float = WAIT_S) -> None:
        """Wait for a condition that becomes true when something happens; load reports come all the time."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            async with asyncio.timeout(deadline_s):
                while not condition():
                    event.clear()
                    await event.wait()
        except TimeoutError:
            raise AssertionError(f"it did not happen within {deadline_s} s: {what}") from None
        finally:
            self._waiting.discard(event)


class StagedApp(App):
    """The whole controller, with ears."""

    def __init__(self, *arguments, pulse: Pulse) -> None:
        self.pulse = pulse
        self.receipts: list[tuple[str, Receipt]] = []
        self.reports: Counter[str] = Counter()
        self.is_open = asyncio.Event()
        super().__init__(*arguments)

    def _report(self, agent: str, receipt: Receipt) -> None:
        super()._report(agent, receipt)
        self.receipts.append((agent, receipt))
        self.pulse.beat()

    def _say_ready(self) -> None:
        self.is_open.set()

    def _take_report(self, report) -> None:
        super()._take_report(report)
        self.reports[report.node_id] += 1
        self.pulse.beat()


class Stage:
    """A controller in this process.

    Attributes:
        app: the controller.
        config: its settings file, which may be rewritten.
    """

    def __init__(self, app: StagedApp, config: Path) -> None:
        self.app = app
        self.config = config

    @property
    def port(self) -> int:
        """Where Envoys subscribe."""
        return self.app.xds.port

    def rewrite(self, *documents: dict) -> None:
        """Change the settings as an operator would."""
        new = self.config.with_suffix(".new")
        new.write_text(yaml.safe_dump_all(documents))
        new.replace(self.config)

    async def until(self, condition: Callable[[], object], what: str, deadline_s: float = WAIT_S) -> None:
        await self.app.pulse.until(condition, what, deadline_s)

    def state(self, name: str = "bot"):
        return self.app.fleet.driver(name).state

    def receipts(self, name: str = "bot") -> list[Receipt]:
        return [receipt for of, receipt in self.app.receipts if of == name]

    async def ask(self, kind: type[events.OperatorEvent], name: str = "bot", **facts):
        event = kind(now_s=time.time(), actor="test", **facts)
        return await self.app.fleet.driver(name).ask(event)

    async def settled(self, name: str = "bot", deadline_s: float = WAIT_S) -> None:
        """Wait until every gateway has confirmed what is wanted."""
        await self.until(lambda: self.state(name).all_confirmed, f"{name} is confirmed", deadline_s)

    async def split(self, percent: float, name: str = "bot") -> float:
        """Set the candidate's share by hand; the moment when it was confirmed, on the clock of clients."""
        await self.ask(events.SplitSet, name, split=Split(candidate_bp=round(percent * 100)))
        await self.settled(name)
        return time.monotonic()

    async def reported(self, node: str, count: int = 2) -> None:
        """Wait for so many more load reports of a node; the first of a new cluster is dropped by Envoy."""
        enough = self.app.reports[node] + count
        await self.until(lambda: self.app.reports[node] >= enough, f"{node} reports its load")

    async def propose(self, candidate: Version, name: str = "bot") -> None:
        plan = self.app.fleet.driver(name).profile.plan
        await self.ask(
            events.Submitted, name, rollout_id=f"r-{candidate.name}", candidate=candidate, plan=plan, digest="d"
        )

    async def phase(self, phase: Phase, name: str = "bot", deadline_s: float = WAIT_S) -> None:
        await self.until(lambda: self.state(name).phase is phase, f"{name} is {phase.value}", deadline_s)

    def newest(self, gateway: str = "edge", name: str = "bot"):
        """The newest observation; None before there is one."""
        return self.app.fleet.driver(name).traffic.newest.get(gateway)

    def in_flight(self, version: str, gateway: str = "edge") -> int | None:
        newest = self.newest(gateway)
        return newest.in_flight.get(version) if newest else None

    def counted(self, version: str, gateway: str = "edge") -> tuple[int, int]:
        """(requests, errors) that the gateway has reported."""
        newest = self.newest(gateway)
        tally = newest.tallies.get(version) if newest else None
        return (tally.requests, tally.errors) if tally else (0, 0)


@contextlib.asynccontextmanager
async def staged(directory: Path, *documents: dict, xds_port: int = 0) -> AsyncIterator[Stage]:
    """Run a controller; it ends with the context."""
    config = directory / "turnout.yaml"
    config.write_text(yaml.safe_dump_all(documents))
    options = Options(config, directory, http=("127.0.0.1", 0), xds=("127.0.0.1", xds_port))
    app = StagedApp(options, load(config), Journal.open(directory / "journal.sqlite"), pulse=Pulse())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app.run())
        async with asyncio.timeout(WAIT_S):
            await app.is_open.wait()
        try:
            yield Stage(app, config)
        finally:
            app.stop.set()


# --- agents -----------------------------------------------------------------------------------------------------------


@dataclass
class Agent:
    """One version of an agent that answers with its name, and remembers what it was asked.

    Attributes:
        status: of its answers.
        headers: of its answers.
        seen: the paths of requests.
        drain_calls: the queries of calls to its drain URL.
        streams: event streams that are open.
        finish: ends its streams.
    """

    name: str
    port: int = 0
    address: str = "127.0.0.1"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    trailer: dict[str, str] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    drain_calls: list[dict[str, str]] = field(default_factory=list)
    streams: int = 0
    finish: asyncio.Event = field(default_factory=asyncio.Event)
    drained: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def version(self, **more) -> Version:
        return Version(self.name, (self.endpoint,), **more)

    def spec(self, **more) -> dict:
        return version(self.name, self.endpoint, **more)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/drain":
            self.drain_calls.append(dict(request.query))
            self.drained.set()
            return web.Response()
        self.seen.append(request.path)
        if request.path.endswith("/stream"):
            return await self._stream(request)
        if request.path.endswith("/silence"):
            await self.finish.wait()
        if self.trailer:
            return await self._with_trailer(request)
        return web.Response(text=self.name, status=self.status, headers=self.headers)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream", **self.headers})
        await response.prepare(request)
        await response.write(f"data: {self.name}\n\n".encode())
        self.streams += 1
        try:
            await self.finish.wait()
            with contextlib.suppress(ConnectionError):  # the client may have left
                await response.write(b"data: end\n\n")
        finally:
            self.streams -= 1
        return response

    async def _with_trailer(self, request: web.Request) -> web.StreamResponse:
        # aiohttp's server writes no trailers, so the answer is written by hand, and the connection ends with it.
        trailer = "".join(f"{name}: {value}\r\n" for name, value in self.trailer.items())
        body = f"{len(self.name):x}\r\n{self.name}\r\n0\r\n{trailer}\r\n"
        head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        assert request.transport is not None
        request.transport.write((head + body).encode())
        request.transport.close()
        return web.Response()


@contextlib.asynccontextmanager
async def acting(name: str, **behaviour) -> AsyncIterator[Agent]:
    """Serve one version of an agent."""
    agent = Agent(name, **behaviour)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", agent.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, agent.address, agent.port).start()
        agent.port = runner.addresses[0][1]
        yield agent
    finally:
        agent.finish.set()
        await runner.cleanup()


# --- clients ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """One request's answer: when it was sent, on the monotonic clock, its status (0 is none at all) and its version."""

    sent_s: float
    status: int
    version: str


class Load:
    """Clients that ask again and again over connections that they keep.

    Attributes:
        answers: in the order in which they came.
    """

    def __init__(self, url: str, pulse: Pulse, headers: dict[str, str] | None = None) -> None:
        self.answers: list[Answer] = []
        self._url = url
        self._pulse = pulse
        self._headers = headers or {}
        self._stopping = False

    async def ask(self, session: aiohttp.ClientSession, **headers: str) -> Answer:
        sent_s = time.monotonic()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            # aiohttp sends a GET again, unseen, when its kept connection was reset (RFC 9112, 9.3.1); never a POST.
            async with session.post(self._url, headers={**self._headers, **named}) as response:
                answer = Answer(sent_s, response.status, await response.text())
        except aiohttp.ClientError as error:
            answer = Answer(sent_s, 0, repr(error))
        self.answers.append(answer)
        self._pulse.beat()
        return answer

    async def run(self) -> None:
        async with aiohttp.ClientSession() as session:
            while not self._stopping:
                await self.ask(session)

    def stop(self) -> None:
        self._stopping = True

    @property
    def failed(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status != 200]

    def by_version(self, since_s: float = 0.0) -> Counter[str]:
        return Counter(answer.version for answer in self.answers if answer.sent_s >= since_s)

    async def more(self, count: int) -> None:
        """Wait for some more answers."""
        enough = len(self.answers) + count
        await self._pulse.until(lambda: len(self.answers) >= enough, f"{count} more answers")


@contextlib.asynccontextmanager
async def loading(listen: str, pulse: Pulse, clients: int = 4, path: str = "/", **headers: str) -> AsyncIterator[Load]:
    """Ask for as long as the context lasts; every request has been answered when it ends."""
    load = Load(f"http://{listen}{path}", pulse, headers)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(load.run())
        try:
            yield load
        finally:
            load.stop()


class _Echo(asyncio.Protocol):
    """The fastest agent there is: answers each request with its version in a header."""

    def __init__(self, name: str) -> None:
        self._answer = f"HTTP/1.1 200 OK\r\nx-version: {name}\r\ncontent-length: 0\r\n\r\n".encode()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\r\n\r\n")
        self._transport.write(self._answer * len(whole))


@contextlib.asynccontextmanager
async def echoing(name: str) -> AsyncIterator[str]:
    """Serve the fastest agent there is; its endpoint."""
    server = await asyncio.get_running_loop().create_server(lambda: _Echo(name), "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def flood(listen: str, requests: int, batch: int = 100) -> Counter[str]:
    """Send many requests, pipelined; how often each version answered."""
    host, port = listen.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    versions: Counter[str] = Counter()
    try:
        for _ in range(requests // batch):
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * batch)
            for _ in range(batch):
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200"), f"a request failed: {head!r}"
                name = head.partition(b"x-version: ")[2].partition(b"\r\n")[0].decode()
                versions[name] += 1
    finally:
        writer.close()
        await writer.wait_closed()
    return versions
