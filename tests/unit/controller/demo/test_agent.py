"""The demo's agent, over real sockets: what clients, the gateway and the controller rely on."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from random import Random

import pytest
from aiohttp.test_utils import TestClient, TestServer

from controller.demo.agent import Agent, Cast, serve
from controller.demo.behaviour import Behaviour
from controller.demo.sse import server_events


@pytest.fixture
async def behaviour():
    return Behaviour(Random(1))


@pytest.fixture
async def client(behaviour):
    async with TestClient(TestServer(Agent("1.3.0", behaviour).application())) as client:
        yield client


async def test_a_plain_answer_says_whose_it_is_and_to_what(client):
    async with client.post("/", json={"task": 41}) as response:
        assert response.status == 200
        assert response.headers["x-agent-version"] == "1.3.0"
        assert await response.json() == {"version": "1.3.0", "task": 41, "ok": True}, "clients could not check it"


async def test_outcomes_are_reported_by_orca(client, behaviour):
    behaviour.outage_ratio = 1.0
    async with client.post("/", json={"task": 1}) as response:
        kind, _, report = response.headers["endpoint-load-metrics"].partition(" ")
        assert response.status == 503
        assert kind == "JSON", "Envoy drops a report without this prefix, silently"
        assert json.loads(report) == {"named_metrics": {"task_failed": 1}}


async def test_a_request_without_a_task_is_refused(client):
    for body in (b"", b"[]", b'{"x": 1}'):
        async with client.post("/", data=body) as response:
            assert response.status == 400, f"{body!r} would be counted as an error of the agent"


async def test_a_drain_ends_streams_with_a_closing_event(client):
    async with client.post("/stream") as response:
        events = server_events(response.content)
        assert (await anext(events)).name == "token"
        async with client.post("/drain", params={"deadline_s": "5"}) as drained:
            assert drained.status == 202
        rest = [event.name async for event in events]
    assert rest[-1] == "closing", "clients could not tell a drained stream from one that was cut"


async def test_a_stream_that_slips_into_a_drain_ends_too(client):
    async with client.post("/drain", params={"deadline_s": "60"}):
        pass
    async with client.post("/stream") as response:
        names = [event.name async for event in server_events(response.content)]
    assert names == ["closing"], "a drain would wait for it until the deadline"


async def test_plain_requests_go_on_during_a_drain(client):
    async with client.get("/drain", params={"deadline_s": "60"}):
        pass
    async with client.post("/", json={"task": 2}) as response:
        assert response.status == 200, "requests that were under way when the split changed would fail"


async def test_a_drain_without_a_number_is_refused(client):
    async with client.post("/drain", params={"deadline_s": "soon"}) as response:
        assert response.status == 400


async def test_a_stream_fails_in_an_outage(client, behaviour):
    behaviour.outage_ratio = 1.0
    async with client.post("/stream") as response:
        assert response.status == 503


async def test_the_process_tells_its_ports_is_steered_and_ends_with_its_parent(monkeypatch):
    said = io.StringIO()
    monkeypatch.setattr(sys, "stdout", said)
    control = asyncio.StreamReader()
    control.feed_data(b'{"outage_ratio": 0.5}\n')
    control.feed_eof()
    await serve(Cast(1, {"1.2.3": None, "1.4.0": 14}), control)
    ports = json.loads(said.getvalue())["ports"]
    assert list(ports) == ["1.2.3", "1.4.0"], "the demo would not know where its agents are"
    assert len(set(ports.values())) == 2


def test_a_cast_survives_the_command_line():
    cast = Cast(7, {"1.2.3": None, "1.4.0": 14})
    assert Cast.from_json(cast.to_json()) == cast
