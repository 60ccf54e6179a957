"""A real nginx with the Lua module, two versions of an agent, and the adapter between them."""

import asyncio
import contextlib
import socket
from dataclasses import replace

import aiohttp
import pytest

from adapters.port import Assignment, Route, Split
from tests.contract.play import confirmed, until
from tests.contract.stage import Ports
from tests.contract.stages.openresty import OpenRestyStage
from tests.integration.envoy.stage import acting


def free_ports() -> Ports:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(3)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return Ports(*(probe.getsockname()[1] for probe in probes))


class Scene:
    """What a test plays with.

    Attributes:
        old: stable.
        new: the candidate.
        stage: nginx and its adapter.
    """

    def __init__(self, old, new, stage: OpenRestyStage, session: aiohttp.ClientSession) -> None:
        self.old = old
        self.new = new
        self.stage = stage
        self.adapter = stage.adapter
        self._session = session

    def at(self, candidate_bp: int, **changes) -> Assignment:
        split = Split(candidate_bp=candidate_bp)
        return replace(Assignment("bot", Route(), self.old.version(), self.new.version(), split=split), **changes)

    async def apply(self, candidate_bp: int, **changes) -> None:
        await confirmed(self.adapter, self.at(candidate_bp, **changes))

    async def ask(self, path: str = "", method: str = "GET", cookies=None, **headers):
        """One request: status, version (or whatever was answered), headers of the answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = self.stage.url + path
        async with self._session.request(method, url, headers=named, cookies=cookies) as response:
            return response.status, await response.text(), response.headers

    async def versions(self, count: int = 200) -> dict[str, int]:
        """Who answers so many requests."""
        answers = [await self.ask() for _ in range(count)]
        names = [name for _, name, _ in answers]
        return {name: names.count(name) for name in set(names)}

    def stream(self):
        return self._session.get(self.stage.url + "stream")

    async def seen(self, version: str):
        return (await self.adapter.observe("bot")).tallies[version]

    async def in_flight(self, version: str, count: int) -> None:
        async def is_so():
            return (await self.adapter.observe("bot")).in_flight[version] == count

        await until(is_so, f"{count} requests are in flight on {version}")


@pytest.fixture
async def scene(tmp_path):
    stage = OpenRestyStage()
    async with acting("1.0.0") as old, acting("1.1.0") as new:
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(20)) as session:
            try:
                first = Assignment("bot", Route(), old.version())
                await stage.open(tmp_path, free_ports(), first)
                await confirmed(stage.adapter, first)
                yield Scene(old, new, stage, session)
            finally:
                old.finish.set()
                new.finish.set()
                await stage.close()


@pytest.fixture
async def silent():
    """The endpoint of an agent that takes connections and says nothing."""
    release = asyncio.Event()

    async def hold(reader, writer):
        await release.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    release.set()
    server.close()
