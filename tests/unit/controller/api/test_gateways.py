from __future__ import annotations

import asyncio

from adapters.port import Applied, GatewayError, GatewayStatus, Receipt, Split
from controller.api import gateways
from controller.api.context import Stranger
from tests.unit.controller.api.world import AGENT, CANDIDATE, world


async def test_a_gateway_is_told_with_what_it_has_confirmed(tmp_path):
    async with world(tmp_path) as at:
        await at.until_confirmed()
        status, told = await at.ask("GET", "/v1/gateways")
        assert status == 200
        (gateway,) = told["gateways"]
        assert (gateway["name"], gateway["kind"], gateway["reachable"]) == ("edge", "nop", True)
        assert gateway["last_error"] is None
        assert gateway["agents"][0]["agent"] == AGENT
        assert gateway["agents"][0]["confirmed"]["stable_percent"] == 100.0


async def test_what_a_gateway_said_instead_of_confirming_is_told(tmp_path):
    async with world(tmp_path) as at:
        await at.until_confirmed()
        at.gateway.receipts.append(Receipt("edge", Applied.REFUSED, Split(), "no such cluster"))
        await at.ask("PUT", f"/v1/agents/{AGENT}/candidate", CANDIDATE)
        with at.broadcast.listen() as news:
            await anext(news)
        _, told = await at.ask("GET", "/v1/gateways")
        (gateway,) = told["gateways"]
        assert gateway["last_error"] == "refused: no such cluster", "an operator wants the gateway's own words"
        assert not gateway["agents"][0]["up_to_date"]


async def test_what_a_gateway_confirms_with_a_remark_is_told(tmp_path):
    words = "a reload would not keep it: No space left on device"
    async with world(tmp_path) as at:
        await at.until_confirmed()
        at.gateway.receipts.append(Receipt("edge", Applied.CONFIRMED, Split(), words))
        _, told = await at.ask("GET", "/v1/gateways")
        assert told["gateways"][0]["agents"][0]["remark"] == ""
        await at.ask("PUT", f"/v1/agents/{AGENT}/candidate", CANDIDATE)
        await at.until_confirmed()
        _, told = await at.ask("GET", "/v1/gateways")
        (held,) = told["gateways"][0]["agents"]
        assert held["remark"] == words, "a reload would undo a rollback, and no operator has heard that it would"
        assert told["gateways"][0]["last_error"] is None, "it has confirmed"
        _, agent = await at.ask("GET", f"/v1/agents/{AGENT}")
        assert agent["gateways"][0]["remark"] == words


async def test_a_gateway_that_fails_or_hangs_spoils_nobody_elses_view(tmp_path, monkeypatch):
    monkeypatch.setattr(gateways, "STATUS_TIMEOUT_S", 0.01)
    async with world(tmp_path) as at:

        async def fails() -> GatewayStatus:
            raise GatewayError("edge", "unreachable", "connection refused", retryable=True)

        async def hangs() -> GatewayStatus:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        for status, detail in ((fails, "edge: connection refused"), (hangs, "it does not answer")):
            at.gateway.status = status
            code, told = await at.ask("GET", "/v1/gateways")
            assert code == 200
            assert (told["gateways"][0]["reachable"], told["gateways"][0]["detail"]) == (False, detail)
            assert told["gateways"][0]["kind"] == "nop"


async def test_envoys_of_no_gateway_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(gateways, "STRANGERS_TOLD_MAX", 2)
    strangers: list[Stranger] = []
    async with world(tmp_path, strangers=lambda: strangers) as at:
        _, told = await at.ask("GET", "/v1/gateways")
        assert told["strangers"] == []
        strangers += [Stranger(f"edge-{number}", "egde") for number in range(3)]
        _, told = await at.ask("GET", "/v1/gateways")
        assert told["strangers"] == [{"node": "edge-0", "cluster": "egde"}, {"node": "edge-1", "cluster": "egde"}]
