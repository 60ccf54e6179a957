from __future__ import annotations

import pytest

from controller.rollout.state import Phase
from tests.unit.controller.api.world import AGENT, CANDIDATE, world

PATH = f"/v1/agents/{AGENT}"


async def test_an_operator_sets_a_percentage_by_hand(tmp_path):
    async with world(tmp_path) as at:
        assert (await at.ask("PUT", f"{PATH}/candidate", CANDIDATE))[0] == 200
        status, told = await at.ask("PUT", f"{PATH}/split", {"candidate_percent": 12.34, "reason": "a try"})
        assert status == 200
        assert at.driver.state.split.candidate_bp == 1234, "the candidate got another share than was asked for"
        assert told["wanted"] == {"stable_percent": 87.66, "candidate_percent": 12.34, "mirror_percent": 0.0}
        assert told["changed_by"] == "local: set the split (a try)", "the next operator must see who, what and why"


async def test_a_candidate_comes_and_goes(tmp_path):
    async with world(tmp_path) as at:
        _, told = await at.ask("PUT", f"{PATH}/candidate", {**CANDIDATE, "digest": "sha256:x", "http2": True})
        assert told["candidate"]["http2"]
        status, told = await at.ask("DELETE", f"{PATH}/candidate", {"reason": "enough"})
        assert (status, told["candidate"]) == (200, None)
        status, _ = await at.ask("DELETE", f"{PATH}/candidate")
        assert status == 200, "taking away what is not there is done already"


async def test_a_rollout_is_steered_through_its_life(tmp_path):
    async with world(tmp_path) as at:
        await at.at_first_step()
        for verb, phase in (("pause", "paused"), ("resume", "health-check"), ("skip", "health-check")):
            status, told = await at.ask("POST", f"{PATH}/{verb}", {"reason": "as planned"})
            assert (status, told["phase"]) == (200, phase), f"{verb}: {told}"
        await at.until_confirmed()
        assert told["rollout"]["step"] == 2
        status, told = await at.ask("POST", f"{PATH}/approve")
        assert status == 200, told
        assert told["rollout"]["approved"]
        status, told = await at.ask("POST", f"{PATH}/promote")
        assert (status, told["phase"]) == (200, "promoting")
        status, told = await at.ask("POST", f"{PATH}/rollback", {"reason": "it smells"})
        assert status == 200
        assert told["wanted"]["candidate_percent"] == 0.0, "the way back was asked for and not taken"
        await at.until(Phase.ROLLED_BACK)


@pytest.mark.parametrize("percent", [0.57, 57 * 0.01, 100, 0, 1e1])
async def test_two_decimals_are_taken_however_they_were_computed(tmp_path, percent):
    async with world(tmp_path) as at:
        await at.ask("PUT", f"{PATH}/candidate", CANDIDATE)
        status, told = await at.ask("PUT", f"{PATH}/split", {"candidate_percent": percent})
        assert status == 200, told
        assert at.driver.state.split.candidate_bp == round(percent * 100)


@pytest.mark.parametrize("percent", [12.345, -1, 100.01, "10", True, None, [10]])
async def test_a_share_that_cannot_be_represented_is_refused(tmp_path, percent):
    async with world(tmp_path) as at:
        await at.ask("PUT", f"{PATH}/candidate", CANDIDATE)
        status, problem = await at.ask("PUT", f"{PATH}/split", {"candidate_percent": percent})
        assert status == 422, "a share was rounded behind an operator's back"
        assert problem["faults"][0]["field"] == "candidate_percent"
        assert at.driver.state.split.candidate_bp == 0


async def test_the_split_belongs_to_the_rollout_while_there_is_one(tmp_path):
    async with world(tmp_path) as at:
        await at.at_first_step()
        status, problem = await at.ask("PUT", f"{PATH}/split", {"candidate_percent": 90})
        assert (status, problem["code"]) == (409, "refused")
        assert problem["remedy"], "an operator who is refused wants to know what to do instead"
        assert at.driver.state.split.candidate_bp == 100, "a step's limit was overstepped by hand"


async def test_a_rollback_of_nothing_says_so(tmp_path):
    async with world(tmp_path) as at:
        status, problem = await at.ask("POST", f"{PATH}/rollback", {})
        assert status == 409
        assert "nothing to roll back" in problem["detail"]


async def test_a_share_for_no_candidate_says_so(tmp_path):
    async with world(tmp_path) as at:
        status, problem = await at.ask("PUT", f"{PATH}/split", {"candidate_percent": 10})
        assert status == 409
        assert problem["remedy"] == "Declare a candidate first."
