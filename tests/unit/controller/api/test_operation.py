from __future__ import annotations

import asyncio

from controller.api import context, operation
from controller.api.context import DESK, Pool
from controller.api.routes import OPERATIONS
from tests.unit.controller.api.world import AGENT, CANDIDATE, until, world

PATH = f"/v1/agents/{AGENT}"


def test_the_table_has_each_route_and_each_name_once():
    assert len({(each.method, each.path) for each in OPERATIONS}) == len(OPERATIONS)
    assert len({each.name for each in OPERATIONS}) == len(OPERATIONS), "generated clients would lose a method"


async def test_an_answer_that_does_not_come_is_said_to_be_late(tmp_path, monkeypatch):
    monkeypatch.setattr(operation, "ANSWER_TIMEOUT_S", 0.05)
    async with world(tmp_path) as at:
        held: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def ask(event: object) -> None:
            await held

        monkeypatch.setattr(at.driver, "ask", ask)
        status, told = await at.ask("POST", f"{PATH}/pause", {})
        assert (status, told["code"], told["retryable"]) == (504, "timeout", True)


async def test_readers_do_not_keep_an_operator_out(tmp_path, monkeypatch):
    monkeypatch.setitem(context.IN_POOL_MAX, Pool.READ, 0)
    async with world(tmp_path) as at:
        response = await at.request("GET", "/v1/agents")
        assert (response.status, (await response.json())["code"]) == (503, "busy")
        assert response.headers["Retry-After"] == "1"
        assert (await at.ask("PUT", f"{PATH}/candidate", CANDIDATE))[0] == 200, "readers kept an operator out"
        assert (await at.ask("GET", "/healthz"))[0] == 200


async def test_a_body_may_be_left_out_where_nothing_must_be_said(tmp_path):
    async with world(tmp_path) as at:
        response = await at.client.delete(f"{PATH}/candidate")
        assert response.status == 200
        response = await at.client.put(f"{PATH}/split")
        assert response.status == 422


async def test_heads_are_answered_without_bodies(tmp_path):
    async with world(tmp_path) as at:
        response = await at.client.head("/healthz")
        assert (response.status, await response.read()) == (200, b"")
        assert (await at.client.head("/v1/events")).status == 405


async def test_places_are_given_back(tmp_path):
    async with world(tmp_path) as at:
        await at.ask("GET", "/nowhere")
        await at.ask("GET", "/v1/agents/nobody")
        response = await at.request("GET", "/v1/events")
        pools = at.client.app[DESK].pools
        assert pools._inside[Pool.LISTEN] == 1
        response.close()
        at.client.app[DESK].stop()
        await until(lambda: not any(pools._inside.values()))
