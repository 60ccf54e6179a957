from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import replace

import aiohttp
import pytest

from controller.api.errors import ExposedError
from controller.api.server import ApiServer, ListenError
from tests.unit.controller.api.world import PATIENCE_S, world


async def test_the_api_is_served_and_stopped(tmp_path):
    async with world(tmp_path) as at, aiohttp.ClientSession() as session:
        server = ApiServer(at.context, port=0)
        await server.start()
        async with session.get(f"http://127.0.0.1:{server.port}/healthz") as response:
            assert response.status == 200
            assert response.headers["Server"] == "turnout"
        stream = await session.get(f"http://127.0.0.1:{server.port}/v1/events")
        async with asyncio.timeout(PATIENCE_S):
            await server.stop()
            await stream.content.read()
        await server.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"http://127.0.0.1:{server.port}/healthz")


async def test_an_address_that_cannot_be_had(tmp_path):
    async with world(tmp_path) as at:
        first = ApiServer(at.context, port=0)
        await first.start()
        with pytest.raises(ListenError, match=r"cannot listen on 127\.0\.0\.1"):
            await ApiServer(at.context, port=first.port).start()
        await first.stop()


async def test_an_open_door_is_not_opened(tmp_path):
    async with world(tmp_path) as at:
        with pytest.raises(ExposedError):
            await ApiServer(replace(at.context), host="0.0.0.0", port=0).start()


async def test_garbage_is_refused_in_one_quiet_line(tmp_path, caplog):
    async with world(tmp_path) as at:
        server = ApiServer(at.context, port=0)
        await server.start()
        with caplog.at_level(logging.DEBUG):
            for garbage in (
                b"\x16\x03\x01\x00\xa5\x01\x00\r\n\r\n",
                b"GET / HTTP/1.1\r\nX: \x00\r\n\r\n",
                b"A" * 20_000,
            ):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(garbage)
                async with asyncio.timeout(PATIENCE_S):
                    assert re.match(rb"HTTP/1.[01] 400 ", await reader.readline())
                writer.close()
        await server.stop()
        traces = [record for record in caplog.records if record.exc_info and record.levelno > logging.DEBUG]
        assert not traces, "anybody could fill the log with traces"
