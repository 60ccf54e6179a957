from __future__ import annotations

import asyncio

from adapters.port import Applied, Receipt, Split
from tests.unit.controller.api.world import AGENT, CANDIDATE, PATIENCE_S, until, world

PATH = f"/v1/agents/{AGENT}"
DRAIN = f"{PATH}/drain?track=candidate"


async def by_hand(at, percent: float) -> None:
    await at.ask("PUT", f"{PATH}/candidate", CANDIDATE)
    await at.ask("PUT", f"{PATH}/split", {"candidate_percent": percent})
    await at.until_confirmed()


async def test_a_drain_answers_when_nothing_is_in_flight(tmp_path):
    async with world(tmp_path) as at:
        await at.ask("PUT", f"{PATH}/candidate", CANDIDATE)
        async with asyncio.timeout(PATIENCE_S):
            status, told = await at.ask("POST", DRAIN)
        assert (status, told["outcome"], told["in_flight"]) == (200, "empty", 0)


async def test_a_drain_answers_at_its_deadline_with_what_is_still_open(tmp_path):
    async with world(tmp_path) as at:
        at.gateway.open["1.3.0"] = 3
        await by_hand(at, 10)
        await at.ask("POST", f"{PATH}/rollback", {})
        async with asyncio.timeout(PATIENCE_S):
            status, told = await at.ask("POST", f"{DRAIN}&deadline=100ms")
        assert (status, told["outcome"], told["in_flight"]) == (200, "deadline", 3), "open requests were told as ended"


async def test_a_drain_that_is_under_way_is_waited_for(tmp_path):
    async with world(tmp_path) as at:
        at.gateway.open["1.3.0"] = 1
        await by_hand(at, 10)
        await at.ask("POST", f"{PATH}/rollback", {})
        listeners = len(at.broadcast._listeners)
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            waiting = group.create_task(at.ask("POST", f"{DRAIN}&deadline=9s"))
            await until(lambda: len(at.broadcast._listeners) > listeners)
            looks = at.gateway.looks
            await until(lambda: at.gateway.looks > looks + 3)
            assert not waiting.done(), "a preStop hook would have ended with a request in flight"
            at.gateway.open["1.3.0"] = 0
        assert waiting.result()[1]["outcome"] == "empty"


async def test_a_version_that_gets_traffic_again_is_not_told_as_drained(tmp_path):
    async with world(tmp_path) as at:
        at.gateway.open["1.3.0"] = 1
        await by_hand(at, 10)
        await at.ask("POST", f"{PATH}/rollback", {})
        listeners = len(at.broadcast._listeners)
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            waiting = group.create_task(at.ask("POST", f"{DRAIN}&deadline=9s"))
            await until(lambda: len(at.broadcast._listeners) > listeners)
            await at.ask("PUT", f"{PATH}/split", {"candidate_percent": 10})
        assert waiting.result()[1]["outcome"] == "serving", "a preStop hook would have stopped a serving version"


async def test_a_track_with_traffic_is_not_drained(tmp_path):
    async with world(tmp_path) as at:
        await by_hand(at, 10)
        for track in ("candidate", "stable"):
            status, problem = await at.ask("POST", f"{PATH}/drain?track={track}")
            assert (status, problem["code"]) == (409, "refused"), f"{track} has traffic and was drained"


async def test_a_track_without_a_version_has_nothing_to_drain(tmp_path):
    async with world(tmp_path) as at:
        status, told = await at.ask("POST", DRAIN)
        assert (status, told["outcome"], told["version"]) == (200, "nothing", None), "a preStop hook must not fail here"


async def test_a_drain_without_figures_does_not_claim_to_be_empty(tmp_path):
    async with world(tmp_path) as at:
        await by_hand(at, 10)
        at.gateway.receipts.append(Receipt("edge", Applied.UNREACHABLE, Split(), "gone"))
        await at.ask("POST", f"{PATH}/rollback", {})
        _, told = await at.ask("POST", f"{DRAIN}&deadline=50ms")
        assert told["outcome"] == "deadline", "an unconfirmed split lets requests in still: nothing is drained yet"


async def test_a_deadline_that_is_none_is_named(tmp_path):
    async with world(tmp_path) as at:
        for query in ("deadline=soon", "deadline=-1s", "track=middle", "until=60s", "track=stable&track=candidate"):
            status, problem = await at.ask("POST", f"{PATH}/drain?{query}")
            assert status == 422, f"{query} was taken for something"
            assert problem["faults"][0]["field"] in ("deadline", "track", "until")


async def test_the_api_stops_though_somebody_waits(tmp_path):
    async with world(tmp_path) as at:
        at.gateway.open["1.3.0"] = 1
        await by_hand(at, 10)
        await at.ask("POST", f"{PATH}/rollback", {})
        listeners = len(at.broadcast._listeners)
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            waiting = group.create_task(at.ask("POST", f"{DRAIN}&deadline=60m"))
            await until(lambda: len(at.broadcast._listeners) > listeners)
            await at.client.app.shutdown()
        status, problem = waiting.result()
        assert (status, problem["code"]) == (503, "unavailable"), "a controller that stops kept a hook waiting"


async def test_an_old_versions_hook_waits_for_its_own_requests_after_a_promotion(tmp_path):
    """The instances of 1.2.3 know that they are 1.2.3; that another version plays stable by now they cannot know."""
    async with world(tmp_path) as at:
        at.gateway.open["1.2.3"] = 2
        await by_hand(at, 100)
        await at.ask("POST", f"{PATH}/promote", {})
        await at.until_confirmed()
        async with asyncio.timeout(PATIENCE_S):
            _, told = await at.ask("POST", f"{PATH}/drain?version=1.2.3&deadline=100ms")
            assert (told["outcome"], told["in_flight"]) == ("deadline", 2), "pods would die with their streams open"
            at.gateway.open["1.2.3"] = 0
            _, told = await at.ask("POST", f"{PATH}/drain?version=1.2.3&deadline=9s")
            assert (told["version"], told["outcome"]) == ("1.2.3", "empty")


async def test_a_version_that_serves_is_not_drained_by_its_name(tmp_path):
    async with world(tmp_path) as at:
        status, problem = await at.ask("POST", f"{PATH}/drain?version=1.2.3")
        assert (status, problem["code"]) == (409, "refused")


async def test_a_version_that_is_not_known_any_more_has_nothing_to_drain(tmp_path):
    async with world(tmp_path) as at:
        status, told = await at.ask("POST", f"{PATH}/drain?version=0.9")
        assert (status, told["outcome"], told["detail"]) == (200, "nothing", f"{AGENT} knows no version 0.9.")
