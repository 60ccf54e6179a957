"""The controller's API over HTTP: bounded in time and size, its refusals told as such."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp

from controller.cli.failure import Failure, refused_by_controller, unreachable
from controller.cli.options import Target

BODY_BYTES_MAX = 16 * 1024 * 1024
"""A thousand agents at sixteen gateways take about a third of it."""
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 15.0
SILENCE_S = 60.0
"""How long a stream of events may be silent; the controller sends a comment more often than that."""
EVENT_BYTES_MAX = 1024 * 1024
ACTOR_CHARS_MAX = 64
PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its kind, its number (empty if it has none), and its JSON."""

    kind: str
    id: str
    data: Any


class Connection:
    """One controller. Every method raises :class:`Failure` when it refuses or cannot be reached."""

    def __init__(self, target: Target, session: aiohttp.ClientSession) -> None:
        self.target = target
        self._session = session

    async def get(self, path: str, **query: str | int) -> Any:  # noqa: ANN401 - JSON
        """The answer to a GET, as JSON."""
        return await self._ask("GET", path, query=query)

    async def post(self, path: str, body: object = None, *, timeout_s: float = ANSWER_TIMEOUT_S, **query: str) -> Any:  # noqa: ANN401 - JSON
        """The answer to a POST, as JSON."""
        return await self._ask("POST", path, body, query=query, timeout_s=timeout_s)

    async def change(self, method: str, path: str, body: Mapping[str, Any], *, seen: int | None = None) -> Any:  # noqa: ANN401 - JSON
        """The answer to a change. ``seen`` is the agent's change that the caller knows of: any later one refuses it."""
        headers = {} if seen is None else {"If-Match": f'"{seen}"'}
        return await self._ask(method, path, body, headers=headers)

    async def events(self, after: str = "") -> AsyncIterator[Event]:
        """All that happens, from after the event of this id, until the controller closes the stream."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_S)
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
        async with self._answered("GET", "/v1/events", timeout=timeout, headers=headers) as response:
            async for event in parse_events(response.content):
                yield event

    async def _ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> Any:  # noqa: ANN401 - JSON
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        given = {"json": body, "params": query, "headers": headers}
        async with self._answered(method, path, timeout=timeout, **given) as response:
            content = await _content(response, self.target.url)
        if response.status == HTTPStatus.NO_CONTENT or not content:
            return None
        return _parsed(content, self.target.url)

    @asynccontextmanager
    async def _answered(self, method: str, path: str, **given: Any) -> AsyncIterator[aiohttp.ClientResponse]:  # noqa: ANN401 - aiohttp's
        """A response that is no refusal. Redirects are not followed: the token is for this controller alone."""
        url = self.target.url + path
        try:
            async with self._session.request(method, url, allow_redirects=False, **given) as response:
                if response.status >= 300:
                    raise await _refusal(response, f"{method} {path}", self.target.url)
                yield response
        except TimeoutError as error:  # before OSError, of which it is one
            raise unreachable(self.target.url, "it did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(self.target.url, _reason(error)) from error


@asynccontextmanager
async def connect(target: Target) -> AsyncIterator[Connection]:
    """A connection to the controller, closed at the end."""
    headers = {"Accept": "application/json"}
    if target.token is not None:
        headers["Authorization"] = f"Bearer {target.token}"
    elif actor := _user():
        headers["X-Turnout-Actor"] = actor
    async with aiohttp.ClientSession(headers=headers, read_bufsize=EVENT_BYTES_MAX) as session:
        yield Connection(target, session)


def _user() -> str:
    """Who types, for the journal of a controller that asks for no token; empty if nobody can say."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a number without a name, as in a container
        return ""
    return name if name.isascii() and name.isprintable() and len(name) <= ACTOR_CHARS_MAX else ""


def segment(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")


async def parse_events(lines: AsyncIterable[bytes]) -> AsyncIterator[Event]:
    """Server-sent events (WHATWG HTML, section 9.2) out of lines. Comments and events without JSON are left out."""
    kind, number, data = "", "", ""
    async for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "id":
            number = value
        elif name == "data":
            data = f"{data}\n{value}" if data else value
            if len(data) > EVENT_BYTES_MAX:
                raise aiohttp.ClientPayloadError("an event is too large")
        elif not line and data:
            try:
                yield Event(kind or "message", number, json.loads(data))
            except ValueError as error:
                raise aiohttp.ClientPayloadError("an event is not JSON") from error
            kind, data = "", ""


async def _content(response: aiohttp.ClientResponse, url: str) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > BODY_BYTES_MAX:
            raise unreachable(url, f"its answer is larger than {BODY_BYTES_MAX // 2**20} MiB")
    return bytes(content)


def _parsed(content: bytes, url: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(content)
    except ValueError as error:
        raise unreachable(url, "what answers there is not a controller: its answer is not JSON") from error


async def _refusal(response: aiohttp.ClientResponse, where: str, url: str) -> Failure:
    content = await _content(response, url)
    if response.content_type != PROBLEM:
        return unreachable(url, f"what answers there is not a controller: {response.status} to {where}")
    problem = _parsed(content, url)
    return refused_by_controller(
        problem if isinstance(problem, dict) else {}, status=response.status, where=f"{where} at {url}"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return os.strerror(error.os_error.errno) if error.os_error.errno else str(error.os_error)
    return str(error) or type(error).__name__
