"""What the controller decides, as it decides it: server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from aiohttp import web

from controller.runtime.broadcast import News

from .context import Desk, Pool
from .operation import Call, Operation
from .shape import Nothing, Told, utc

HEARTBEAT_S = 15.0
"""Silence that is longer than this means that the connection is gone."""
RETRY_MS = 1000
MEDIA = "text/event-stream"
LAST_ID_HEADER = "Last-Event-ID"

_ID = re.compile(r"([0-9a-f]{8})-([0-9]{1,18})")


class NewsTold(Told):
    """The ``data`` of one event."""

    number: int
    at: datetime
    agent: str
    """Empty for the controller itself."""
    what: str
    text: str
    facts: dict[str, Any]


class LostTold(Told):
    """The ``data`` of a ``lost`` event: what comes next does not follow what came before."""

    lost: int | None
    """How many; null when nobody knows."""
    text: str


def event(what: str, identity: str, told: Told) -> bytes:
    """One event on the wire."""
    return f"event: {what}\nid: {identity}\ndata: {told.model_dump_json()}\n\n".encode()


class Ticker:
    """Writes news in order, and says where some are missing. Pure.

    Args:
        born: which life of the controller the numbers belong to.
        last_id: where the listener stopped hearing; empty for who begins.
    """

    def __init__(self, born: str, last_id: str) -> None:
        found = _ID.fullmatch(last_id)
        self._born = born
        self._strange = bool(last_id) and (found is None or found[1] != born)
        self.after: int | None = None
        if last_id:
            self.after = int(found[2]) if found and not self._strange else 0
        self._heard = self.after

    def write(self, news: News) -> bytes:
        """The events that tell ``news``."""
        identity = f"{self._born}-{news.number}"
        missing = 0 if self._heard is None else news.number - self._heard - 1
        strange, self._strange, self._heard = self._strange, False, news.number
        told = NewsTold(
            number=news.number,
            at=utc(news.at_s),
            agent=news.agent,
            what=news.what,
            text=news.text,
            facts=json.loads(json.dumps(dict(news.facts))),
        )
        lost = b""
        if strange:
            lost = event("lost", identity, LostTold(lost=None, text="The controller has restarted since."))
        elif missing > 0:
            text = f"{missing} events are not remembered any more."
            lost = event("lost", identity, LostTold(lost=missing, text=text))
        return lost + event(news.what, identity, told)


async def _listen(call: Call, _: Nothing) -> web.StreamResponse:
    desk, request = call.desk, call.request
    ticker = Ticker(desk.born, request.headers.get(LAST_ID_HEADER, ""))
    with desk.context.broadcast.listen(after=ticker.after) as news:
        response = web.StreamResponse(headers={"Content-Type": MEDIA, "X-Accel-Buffering": "no"})
        await response.prepare(request)
        await _stream(desk, response, ticker, news)
    return response


async def _stream(desk: Desk, response: web.StreamResponse, ticker: Ticker, news: AsyncIterator[News]) -> None:
    async def beat() -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            await response.write(b":\n\n")

    async def tell() -> None:
        await response.write(f"retry: {RETRY_MS}\n\n".encode())
        async for item in news:
            await response.write(ticker.write(item))

    try:
        async with desk.patience(None), asyncio.TaskGroup() as group:
            group.create_task(beat())
            group.create_task(tell())
    except* TimeoutError:
        pass  # the API stops: the stream ends
    except* ConnectionError:
        pass  # the listener has gone, which is its right


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path="/v1/events",
        name="listen",
        summary="What the controller decides, as it decides it",
        handle=_listen,
        asks=Nothing,
        pool=Pool.LISTEN,
        media=MEDIA,
        headers={LAST_ID_HEADER: {"type": "string", "maxLength": 64}},
    ),
)
