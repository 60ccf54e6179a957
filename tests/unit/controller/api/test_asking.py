"""Two operators at once: the second is told what happened in between."""

from __future__ import annotations

import asyncio

from tests.unit.controller.api.world import AGENT, CANDIDATE, world

PATH = f"/v1/agents/{AGENT}"


async def test_the_second_operator_is_told_what_the_first_one_did(tmp_path):
    async with world(tmp_path) as at:
        await at.ask("PUT", f"{PATH}/candidate", CANDIDATE)
        seen = (await at.request("GET", PATH)).headers["ETag"]
        ann, bob = await asyncio.gather(
            at.ask("PUT", f"{PATH}/split", {"candidate_percent": 5}, If_Match=seen, X_Turnout_Actor="ann"),
            at.ask("PUT", f"{PATH}/split", {"candidate_percent": 50}, If_Match=seen, X_Turnout_Actor="bob"),
        )
        assert sorted((ann[0], bob[0])) == [200, 412], "both operators believed that their share was set"
        winner, problem = ("ann", bob[1]) if ann[0] == 200 else ("bob", ann[1])
        assert problem["code"] == "outdated"
        assert problem["change"] == at.driver.state.changes
        (missed,) = problem["missed"]
        assert missed["actor"] == winner, "the second operator must hear who was faster"
        assert problem["missed_all"] is True


async def test_an_operator_who_has_seen_everything_passes(tmp_path):
    async with world(tmp_path) as at:
        await at.ask("PUT", f"{PATH}/candidate", CANDIDATE)
        seen = (await at.request("GET", PATH)).headers["ETag"]
        assert (await at.ask("PUT", f"{PATH}/split", {"candidate_percent": 5}, If_Match=seen))[0] == 200
        assert (await at.ask("PUT", f"{PATH}/split", {"candidate_percent": 6}, If_Match="*"))[0] == 200


async def test_the_way_back_never_waits_for_a_second_look(tmp_path):
    async with world(tmp_path) as at:
        await at.ask("PUT", f"{PATH}/candidate", CANDIDATE)
        await at.ask("PUT", f"{PATH}/split", {"candidate_percent": 50})
        status, told = await at.ask("POST", f"{PATH}/rollback", {}, If_Match='"0"')
        assert status == 200, "a rollback was held up by an old ETag"
        assert told["wanted"]["candidate_percent"] == 0.0


async def test_an_etag_that_is_none_of_ours_is_named(tmp_path):
    async with world(tmp_path) as at:
        for header in ("7", 'W/"7"', '"seven"', ""):
            status, problem = await at.ask("POST", f"{PATH}/pause", {}, If_Match=header)
            assert (status, problem["code"]) == (400, "bad-request"), f"If-Match: {header} was heeded or ignored"


async def test_who_comes_from_another_life_is_told_the_present_one(tmp_path):
    async with world(tmp_path) as at:
        status, problem = await at.ask("POST", f"{PATH}/pause", {}, If_Match='"99"')
        assert (status, problem["missed"], problem["change"]) == (412, [], 0)
