from __future__ import annotations

from adapters.port import GatewayStatus, Observation, Tally, Track
from controller.analysis.indicators import Counts
from controller.api.figures import figures
from tests.unit.controller.api.world import AGENT, CANDIDATE, world


async def test_the_fleet_is_shown_as_it_stands(tmp_path):
    async with world(tmp_path) as at:
        await at.ask("PUT", f"/v1/agents/{AGENT}/candidate", CANDIDATE)
        await at.ask("PUT", f"/v1/agents/{AGENT}/split", {"candidate_percent": 10})
        await at.until_confirmed()
        traffic, state = at.driver.traffic, at.driver.state
        for requests in (0, 90):
            tallies = {"1.2.3": Tally(requests * 9), "1.3.0": Tally(requests)}
            seen = Observation("edge", AGENT, "nop", tallies, {"1.2.3": 4, "1.3.0": 1, "1.2.2": 9})
            traffic.take(seen, {}, state, at.context.now_s())
        traffic.requests["edge", Track.CANDIDATE] += Counts(90, 3)
        shown = figures(at.fleet, {"edge": GatewayStatus("edge", "nop", reachable=False)})
        (agent,) = shown.agents
        assert shown.gateways_up == {"edge": False}
        assert agent.phase == "idle"
        assert agent.phase in agent.phases
        assert agent.wanted == {"stable": 0.9, "candidate": 0.1}
        assert agent.confirmed == {("edge", "stable"): 0.9, ("edge", "candidate"): 0.1}
        assert agent.observed == {("edge", "stable"): 0.9, ("edge", "candidate"): 0.1}
        assert agent.in_flight == {("edge", "stable"): 4, ("edge", "candidate"): 1}, "a stranger's requests were shown"
        assert agent.requests[("edge", "candidate")] == (87, 3)
