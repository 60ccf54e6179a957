"""Honest load on 127.0.0.1: clients that come whether or not the last one was served, clients that wait, and streams.

Every answer is checked, its body too. Every request is a POST, which no client library tries again behind our back.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random

import aiohttp

from .records import Records, Request
from .sse import ServerEvent, server_events

ARRIVALS_PER_S = 180.0
"""Requests that come by chance, whatever happens to those before them (open loop)."""

USERS = 12
THINK_S = 0.1
"""How long a user thinks on average before the next request (closed loop): about 10 requests a second each."""

STREAMS = 24
"""Streams that are open at any time; who was sent away comes back."""

IN_FLIGHT_MAX = 200
"""Arrivals wait beyond this: a demonstration must not fall over its own backlog."""

TIMEOUT_S = 5.0
STREAM_SILENCE_S = 5.0
AFTER_FAILURE_S = 0.2


class BadAnswerError(Exception):
    """An answer that isn't what was asked for. ``version`` says whose it is, where that is known."""

    def __init__(self, why: str, version: str | None = None) -> None:
        super().__init__(why)
        self.version = version


def check_plain(status: int, claimed: str | None, body: bytes, task: int) -> str:
    """The version that answered ``task``. Raises BadAnswerError."""
    if status != 200:
        raise BadAnswerError(f"answer {status}", claimed)
    try:
        answer = json.loads(body)
        version, echoed = answer["version"], answer["task"]
    except (ValueError, KeyError, TypeError):
        raise BadAnswerError("no JSON of an agent", claimed) from None
    if echoed != task:
        raise BadAnswerError("the answer to another task", claimed)
    if version != claimed:
        raise BadAnswerError("header and body name two versions", claimed)
    return str(version)


def check_stream(claimed: str | None, events: Sequence[ServerEvent]) -> str:
    """The version that sent all of a stream. It is whole only with a last event that says so. Raises BadAnswerError."""
    if not events or events[-1].name not in {"done", "closing"}:
        raise BadAnswerError("a stream that was cut", claimed)
    try:
        versions = {json.loads(event.data)["version"] for event in events}
    except (ValueError, KeyError, TypeError):
        raise BadAnswerError("no events of an agent", claimed) from None
    if versions != {claimed}:
        raise BadAnswerError("two versions in one stream", claimed)
    return str(claimed)


class Load:
    """All the clients.

    Args:
        addresses: ``host:port`` of each gateway, by name; every request goes to one that chance picks.
        records: where every request goes that has ended. Those still open when the load ends are in nobody's count.
        seed: for the moments at which clients come.
        now_s: the clock, in seconds since the epoch.
    """

    def __init__(
        self, addresses: Mapping[str, str], records: Records, seed: int, now_s: Callable[[], float] = time.time
    ) -> None:
        self._gateways = [(name, f"http://{address}") for name, address in addresses.items()]
        self._records = records
        self._chance = Random(seed)  # noqa: S311 - chance for a demonstration
        self._now_s = now_s
        self._task = 0

    async def run(self) -> None:
        """Send requests until cancelled."""
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_S)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as clients,
        ):
            for _ in range(USERS):
                clients.create_task(self._user(session))
            for _ in range(STREAMS):
                clients.create_task(self._listener(session))
            await self._arrivals(session, clients)

    async def _arrivals(self, session: aiohttp.ClientSession, clients: asyncio.TaskGroup) -> None:
        slots = asyncio.Semaphore(IN_FLIGHT_MAX)

        async def come_once() -> None:
            try:
                await self.ask(session)
            finally:
                slots.release()

        clock = asyncio.get_running_loop().time
        due_s = clock()
        while True:
            due_s += self._chance.expovariate(ARRIVALS_PER_S)
            await asyncio.sleep(max(0.0, due_s - clock()))
            await slots.acquire()
            clients.create_task(come_once())

    async def _user(self, session: aiohttp.ClientSession) -> None:
        while True:
            await asyncio.sleep(self._chance.expovariate(1.0 / THINK_S))
            await self.ask(session)

    async def _listener(self, session: aiohttp.ClientSession) -> None:
        while True:
            if not await self.listen(session):
                await asyncio.sleep(AFTER_FAILURE_S)

    async def ask(self, session: aiohttp.ClientSession) -> bool:
        """One plain request, checked and put on record; whether it was answered well."""
        self._task += 1
        name, url = self._chance.choice(self._gateways)
        return await self._recorded(name, self._ask(session, url, self._task))

    async def listen(self, session: aiohttp.ClientSession) -> bool:
        """One stream, put on record at its end; whether it was whole."""
        name, url = self._chance.choice(self._gateways)
        return await self._recorded(name, self._listen(session, url))

    async def _recorded(self, gateway: str, request: Awaitable[str]) -> bool:
        started_s, version, failure = self._now_s(), None, ""
        try:
            version = await request
        except BadAnswerError as error:
            version, failure = error.version, str(error)
        except TimeoutError:
            failure = "no answer in time"
        except (aiohttp.ClientError, OSError) as error:
            failure = type(error).__name__
        self._records.add(Request(started_s, self._now_s(), version, failure, gateway))
        return not failure

    async def _ask(self, session: aiohttp.ClientSession, url: str, task: int) -> str:
        async with asyncio.timeout(TIMEOUT_S), session.post(f"{url}/", json={"task": task}) as response:
            claimed = response.headers.get("x-agent-version")
            return check_plain(response.status, claimed, await response.read(), task)

    async def _listen(self, session: aiohttp.ClientSession, url: str) -> str:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_S, sock_read=STREAM_SILENCE_S)
        async with session.post(f"{url}/stream", timeout=timeout) as response:
            claimed = response.headers.get("x-agent-version")
            if response.status != 200:
                raise BadAnswerError(f"answer {response.status} to a stream", claimed)
            try:
                events = [event async for event in server_events(response.content)]
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                raise BadAnswerError(f"a stream that broke: {type(error).__name__}", claimed) from error
        return check_stream(claimed, events)
