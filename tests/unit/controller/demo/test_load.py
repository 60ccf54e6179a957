"""The load: every answer is checked, and what is wrong with one is put on record."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from itertools import count

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.demo.load import BadAnswerError, Load, check_plain, check_stream
from controller.demo.records import Records
from controller.demo.sse import ServerEvent


def body(**answer):
    return json.dumps(answer).encode()


def test_a_good_answer_is_its_versions():
    assert check_plain(200, "1.3.0", body(version="1.3.0", task=4), 4) == "1.3.0"


@pytest.mark.parametrize(
    ("status", "claimed", "content", "why"),
    [
        (500, "1.4.0", body(version="1.4.0", task=4), "answer 500"),
        (200, "1.3.0", b"<html>", "no JSON"),
        (200, "1.3.0", b"[]", "no JSON"),
        (200, "1.3.0", body(version="1.3.0", task=5), "another task"),
        (200, "1.3.0", body(version="1.2.3", task=4), "two versions"),
        (200, None, body(version="1.2.3", task=4), "two versions"),
    ],
)
def test_a_bad_answer_is_not_taken_for_a_good_one(status, claimed, content, why):
    with pytest.raises(BadAnswerError, match=why) as caught:
        check_plain(status, claimed, content, 4)
    assert caught.value.version == claimed, "the failure would be nobody's"


TOKEN = ServerEvent("token", '{"version": "1.3.0"}')
DONE = ServerEvent("done", '{"version": "1.3.0"}')
CLOSING = ServerEvent("closing", '{"version": "1.3.0"}')


@pytest.mark.parametrize("last", [DONE, CLOSING])
def test_a_stream_that_says_that_it_ends_is_whole(last):
    assert check_stream("1.3.0", [TOKEN, last]) == "1.3.0"


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([], "cut"),
        ([TOKEN], "cut"),
        ([ServerEvent("token", '{"version": "1.2.3"}'), DONE], "two versions"),
        ([ServerEvent("token", "?"), DONE], "no events of an agent"),
    ],
)
def test_a_stream_that_does_not_is_a_failure(events, why):
    with pytest.raises(BadAnswerError, match=why):
        check_stream("1.3.0", events)


class Gateway:
    """Answers as it is told, and says when it was asked often enough."""

    def __init__(self):
        self.asked = 0
        self.busy = asyncio.Event()
        self.status = 200
        self.stream = b'event: done\ndata: {"version": "1.3.0"}\n\n'

    def application(self):
        app = web.Application()
        app.router.add_post("/", self.plain)
        app.router.add_post("/stream", self.events)
        return app

    async def plain(self, request):
        self.asked += 1
        if self.asked >= 60:
            self.busy.set()
        task = (await request.json())["task"]
        headers = {"x-agent-version": "1.3.0"}
        return web.json_response({"version": "1.3.0", "task": task}, status=self.status, headers=headers)

    async def events(self, request):
        return web.Response(body=self.stream, headers={"x-agent-version": "1.3.0"}, content_type="text/event-stream")


@pytest.fixture
async def gateway():
    return Gateway()


@pytest.fixture
async def address(gateway):
    async with TestServer(gateway.application()) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


async def test_requests_are_put_on_record_with_their_times(address, session):
    records, ticks = Records(), count(10)
    load = Load({"edge": address}, records, seed=1, now_s=lambda: float(next(ticks)))
    assert await load.ask(session)
    assert await load.listen(session)
    assert [(each.started_s, each.ended_s, each.version) for each in records.requests] == [
        (10.0, 11.0, "1.3.0"),
        (12.0, 13.0, "1.3.0"),
    ]


async def test_a_failure_is_put_on_record_as_its_versions(address, session, gateway):
    gateway.status, gateway.stream = 500, b'event: token\ndata: {"version": "1.3.0"}\n\n'
    records = Records()
    load = Load({"edge": address}, records, seed=1)
    assert not await load.ask(session)
    assert not await load.listen(session)
    assert [(each.version, each.failure) for each in records.requests] == [
        ("1.3.0", "answer 500"),
        ("1.3.0", "a stream that was cut"),
    ], "clients would have lost requests that the report does not show"


async def test_nobody_there_is_a_failure_too(session, unused_tcp_port):
    records = Records()
    assert not await Load({"edge": f"127.0.0.1:{unused_tcp_port}"}, records, seed=1).ask(session)
    assert records.requests[0].version is None
    assert records.failed == 1


@pytest.mark.parametrize("send", [Load.ask, Load.listen])
async def test_a_request_that_meets_a_reset_has_failed_and_is_not_sent_again(session, send):
    asked = []

    async def reset(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.transport.abort()

    records = Records()
    async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        assert not await send(Load({"edge": f"{host}:{port}"}, records, seed=1), session)
    assert (len(asked), records.failed) == (1, 1), "the report would not show what clients lost"


async def test_several_gateways_all_get_their_part_and_it_is_known_which(address, session):
    records = Records()
    load = Load({"envoy": address, "haproxy": address}, records, seed=1)
    for _ in range(40):
        await load.ask(session)
        await load.listen(session)
    counts = Counter(request.gateway for request in records.requests)
    assert counts.keys() == {"envoy", "haproxy"}
    assert min(counts.values()) > 20, "one of the gateways would show nothing"


async def test_load_goes_on_until_it_is_ended(address, gateway):
    records = Records()
    load = Load({"edge": address}, records, seed=1)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(load.run())
        await gateway.busy.wait()
        task.cancel()
    assert len(records.requests) >= 50, "the demo would show a controller without traffic"
    assert records.failed == 0
