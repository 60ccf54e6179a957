"""Reading server-sent events (WHATWG HTML, section 9.2), as far as agents and the controller send them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import StreamReader

LINES_MAX = 64
"""A longer event is nothing that we sent."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its name (``message`` when it has none) and its data, lines joined."""

    name: str
    data: str


async def server_events(content: StreamReader) -> AsyncIterator[ServerEvent]:
    """Every event until the stream ends. An event that the end cuts short is dropped, as browsers do.

    Raises:
        ValueError: an event has more than 64 lines, or a line is longer than the reader takes.
        aiohttp.ClientError: the connection broke.
    """
    name, data, lines = "message", list[str](), 0
    while line := await content.readline():
        text = line.decode(errors="replace").rstrip("\r\n")
        lines += 1
        if lines > LINES_MAX:
            raise ValueError(f"an event of more than {LINES_MAX} lines")
        if not text:
            if data:
                yield ServerEvent(name, "\n".join(data))
            name, data, lines = "message", [], 0
            continue
        field, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
