from __future__ import annotations

from adapters.port import Applied, Receipt, Split
from tests.unit.controller.api.world import AGENT, world


async def test_agents_are_told_with_what_each_gateway_has_confirmed(tmp_path):
    async with world(tmp_path) as at:
        await at.until_confirmed()
        status, told = await at.ask("GET", "/v1/agents")
        assert status == 200
        (agent,) = told["agents"]
        assert agent["name"] == AGENT
        assert agent["gateways"][0]["confirmed"] == {
            "stable_percent": 100.0,
            "candidate_percent": 0.0,
            "mirror_percent": 0.0,
        }, "an operator must see what a gateway has confirmed, not what it was sent"


async def test_what_is_not_confirmed_is_not_told_as_if_it_were(tmp_path):
    async with world(tmp_path) as at:
        await at.until_confirmed()
        at.gateway.receipts.append(Receipt("edge", Applied.UNREACHABLE, Split(), "nobody there"))
        await at.ask("PUT", f"/v1/agents/{AGENT}/candidate", {"version": "1.3.0", "endpoints": ["10.0.0.21:3000"]})
        await at.ask("PUT", f"/v1/agents/{AGENT}/split", {"candidate_percent": 10})
        _, told = await at.ask("GET", f"/v1/agents/{AGENT}")
        (gateway,) = told["gateways"]
        assert told["wanted"]["candidate_percent"] == 10.0
        assert gateway["confirmed"]["candidate_percent"] == 0.0, "set was told as applied"
        assert not gateway["up_to_date"]


async def test_a_rollout_is_told_with_its_step_and_timers(tmp_path):
    async with world(tmp_path) as at:
        await at.at_first_step()
        status, told = await at.ask("GET", f"/v1/agents/{AGENT}")
        assert status == 200
        assert told["phase"] == "health-check"
        assert told["rollout"]["step"] == 1, "steps count from 1 for people"
        assert [step["approval"] for step in told["rollout"]["steps"]] == [False, True]
        hold = next(timer for timer in told["timers"] if timer["timer"] == "hold")
        assert hold["seconds_left"] == 3600.0
        assert hold["at"].endswith("Z"), "a time without its zone is read as the reader's own"
        assert told["wanted"]["candidate_percent"] == 1.0


async def test_the_etag_is_the_number_of_changes(tmp_path):
    async with world(tmp_path) as at:
        before = await at.request("GET", f"/v1/agents/{AGENT}")
        answer = await at.request(
            "PUT", f"/v1/agents/{AGENT}/candidate", {"version": "1.3.0", "endpoints": ["10.0.0.21:3000"]}
        )
        assert before.headers["ETag"] != answer.headers["ETag"], "two operators could not tell that something changed"
        assert answer.headers["ETag"] == f'"{at.driver.state.changes}"'


async def test_an_agent_that_is_not_there_is_named(tmp_path):
    async with world(tmp_path) as at:
        status, problem = await at.ask("GET", "/v1/agents/nobody")
        assert status == 404
        assert problem["code"] == "not-found"
        assert AGENT in problem["remedy"], "whoever mistyped a name wants to know the right ones"


async def test_a_gateway_that_cannot_be_read_is_not_called_up_to_date(tmp_path):
    async with world(tmp_path) as at:
        await at.until_confirmed()
        _, told = await at.ask("GET", f"/v1/agents/{AGENT}")
        assert told["gateways"][0]["up_to_date"]
        at.fleet.driver(AGENT).hands.links["edge"].confirmed = None  # as when a look finds nobody there
        _, told = await at.ask("GET", f"/v1/agents/{AGENT}")
        _, gateways = await at.ask("GET", "/v1/gateways")
        held = [told["gateways"][0], gateways["gateways"][0]["agents"][0]]
        assert not any(each["up_to_date"] for each in held), "a dead gateway looks as if all were well"
