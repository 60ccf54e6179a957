from __future__ import annotations

from tests.unit.controller.api.world import AGENT, CANDIDATE, world


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


async def test_a_rollout_is_told_with_its_step_and_timers(tmp_path):
    async with world(tmp_path) as at:
        await at.at_first_step()
        status, told = await at.ask("GET", f"/v1/agents/{AGENT}")
        assert status == 200
        print(told)
        assert told["rollout"]["step"] == 1, "steps count from 1 for people"
        assert told["timers"][0]["timer"] == "hold"
        assert told["timers"][0]["seconds_left"] == 3600.0
        assert told["wanted"]["candidate_percent"] == 1.0
