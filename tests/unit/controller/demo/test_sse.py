"""Server-sent events, as agents and the controller send them."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp.base_protocol import BaseProtocol

from controller.demo.sse import LINES_MAX, ServerEvent, server_events


def stream(data):
    loop = asyncio.get_running_loop()
    reader = aiohttp.StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    reader.feed_data(data)
    reader.feed_eof()
    return reader


async def read(data):
    return [event async for event in server_events(stream(data))]


async def test_events_have_names_and_data():
    read_back = await read(b"event: token\ndata: {}\n\ndata: a\ndata:b\n\n")
    assert read_back == [ServerEvent("token", "{}"), ServerEvent("message", "a\nb")]


async def test_comments_and_unknown_fields_are_no_events():
    assert await read(b": still here\n\nid: 4\nretry: 1\n\n") == [], "a keep-alive would be taken for news"


async def test_an_event_that_is_cut_short_is_dropped():
    assert await read(b"event: done\ndata: {}\n") == [], "a stream that was cut would pass for a whole one"


async def test_an_endless_event_is_refused():
    with pytest.raises(ValueError, match="more than"):
        await read(b"data: x\n" * (LINES_MAX + 1))
