from __future__ import annotations

import asyncio
import json

from controller.api import news
from controller.api.news import Ticker
from controller.runtime.broadcast import BACKLOG_MAX, News
from tests.unit.controller.api.world import AGENT, CANDIDATE, PATIENCE_S, until, world


def some(number: int) -> News:
    return News(number, 1_800_000_000.0, AGENT, "step", "on", {"phase": "idle"})


def events(wire: bytes) -> list[tuple[str, str, dict]]:
    """(event, id, data) of each event on the wire."""
    found = []
    for block in wire.decode().strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((fields["event"], fields["id"], json.loads(fields["data"])))
    return found


async def next_event(response) -> tuple[str, str, dict]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            block = b""
            while not block.endswith(b"\n\n"):
                block += await response.content.readline()
            if block.startswith(b"event:"):
                return events(block)[0]


def test_news_are_told_in_order_without_a_gap():
    ticker = Ticker("0000beef", "")
    ((what, identity, told),) = events(ticker.write(some(7)))
    assert (what, identity, told["number"]) == ("step", "0000beef-7", 7)
    assert told["at"] == "2027-01-15T08:00:00Z"
    assert len(events(ticker.write(some(8)))) == 1


def test_a_gap_is_told():
    ticker = Ticker("0000beef", "")
    ticker.write(some(7))
    (lost, _) = events(ticker.write(some(10)))
    assert (lost[0], lost[2]["lost"]) == ("lost", 2), "a listener who fell behind believes that it has seen everything"


def test_who_comes_back_is_told_what_cannot_be_told_again():
    ticker = Ticker("0000beef", "0000beef-7")
    assert ticker.after == 7
    assert events(ticker.write(some(9)))[0][2]["lost"] == 1


def test_numbers_of_another_life_are_not_taken_for_ours():
    for last_id in ("0000dead-7", "7", "nonsense"):
        ticker = Ticker("0000beef", last_id)
        assert ticker.after == 0
        lost, heard = events(ticker.write(some(8)))
        assert (lost[0], lost[2]["lost"], heard[0]) == ("lost", None, "step"), last_id


async def test_listeners_hear_decisions_as_they_are_made(tmp_path):
    async with world(tmp_path) as at:
        response = await at.request("GET", "/v1/events")
        assert response.content_type == "text/event-stream"
        await at.ask("PUT", f"/v1/agents/{AGENT}/candidate", CANDIDATE)
        what, identity, told = await next_event(response)
        assert (what, told["agent"]) == ("candidate", AGENT)
        response.close()
        await at.ask("PUT", f"/v1/agents/{AGENT}/split", {"candidate_percent": 10})
        response = await at.request("GET", "/v1/events", Last_Event_ID=identity)
        what, _, told = await next_event(response)
        assert told["text"] != "", what
        assert what == "split", "what happened while a listener was away was not told again"
        response.close()


async def test_silence_is_broken_by_a_comment(tmp_path, monkeypatch):
    monkeypatch.setattr(news, "HEARTBEAT_S", 0.01)
    async with world(tmp_path) as at:
        response = await at.request("GET", "/v1/events")
        async with asyncio.timeout(PATIENCE_S):
            while await response.content.readline() != b":\n":
                pass
        response.close()


async def test_streams_end_when_the_api_stops(tmp_path):
    async with world(tmp_path) as at:
        response = await at.request("GET", "/v1/events")
        async with asyncio.timeout(PATIENCE_S):
            await at.client.app.shutdown()
            await response.content.read()
        assert response.content.at_eof(), "a controller that stops would wait for its listeners"


async def test_a_listener_that_goes_is_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(news, "HEARTBEAT_S", 0.01)
    async with world(tmp_path) as at:
        response = await at.request("GET", "/v1/events")
        assert len(at.broadcast._listeners) == 1
        response.close()
        await until(lambda: not at.broadcast._listeners)


async def test_one_listener_too_many_is_told_to_come_later(tmp_path, monkeypatch):
    monkeypatch.setattr("controller.runtime.broadcast.LISTENERS_MAX", 0)
    async with world(tmp_path) as at:
        status, problem = await at.ask("GET", "/v1/events")
        assert (status, problem["code"], problem["retryable"]) == (503, "unavailable", True)


def test_the_memory_of_news_is_bounded():
    assert BACKLOG_MAX <= 1024
