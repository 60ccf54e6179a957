"""The control endpoint, past the adapter: who may, compare and set, restarts, the dead-man switch."""

import io
import json

import pytest

from adapters.port import Proof
from tests.contract.play import until


async def told(scene):
    status, body = await scene.stage.ask("GET", "/agents/bot")
    assert status == 200
    return json.loads(body)


@pytest.mark.parametrize("token", ["", "wrong", "a-token-for-tests-onlyx", "a-token-for-tests-onl"])
async def test_nobody_without_the_token_may_do_anything(scene, token):
    for method, path in (
        ("GET", "/agents"),
        ("PATCH", "/agents/bot?candidate_bp=0"),
        ("POST", "/alive"),
        ("PUT", "/x"),
    ):
        status, body = await scene.stage.ask(method, path, token=token)
        assert status == 401, f"{method} {path} was allowed: {body}"


async def test_of_two_that_compare_and_set_one_is_told_of_the_other(scene):
    await scene.apply(1_000)
    stands = (await told(scene))["record"]
    path = f"/agents/bot?if_gen={stands['generation']}&by="
    changed = {**stands["assignment"], "candidate_bp": 2_000}
    assert (await scene.stage.ask("PUT", path + "ann", json=changed))[0] == 200
    status, body = await scene.stage.ask("PUT", path + "ben", json={**changed, "candidate_bp": 3_000})
    answer = json.loads(body)
    assert (status, answer["generation"], answer["by"]) == (409, stands["generation"] + 1, "ann")
    assert (await told(scene))["share_bp"] == 2_000


@pytest.mark.parametrize(
    "changes",
    [
        {"candidate_bp": 10_001},
        {"candidate_bp": -1},
        {"candidate_bp": 0.5},
        {"candidate_bp": "1"},
        {"candidate": None, "candidate_bp": 1},
        {"stable": {"name": "x", "peers": []}},
        {"stable": {"name": "x", "peers": ["agent.internal:80"]}},
        {"stable": {"name": "x/y", "peers": ["127.0.0.1:80"]}},
        {"stable": None},
        {"hosts": []},
        {"hosts": [1]},
        {"path_prefix": "v1"},
        {"headers": [{"name": "x"}]},
        {"stickiness": {"other": "x"}},
        {"dead_man_s": 0},
        {"retries": "many"},
        {"latency_limits_s": [-1]},
    ],
)
async def test_what_makes_no_sense_changes_nothing(scene, changes):
    await scene.apply(1_000)
    before = (await told(scene))["record"]
    wanted = {name: value for name, value in {**before["assignment"], **changes}.items() if value is not None}
    path = f"/agents/bot?if_gen={before['generation']}"
    status, body = await scene.stage.ask("PUT", path, json=wanted)
    assert (status, "not valid" in body) == (400, True), body
    assert (await told(scene))["record"] == before
    assert (await scene.ask())[0] == 200, "a request was lost to it"


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b"[" * 2_000, b"{" + b" " * 2**20 + b"}"]
)
async def test_a_body_that_is_none_is_refused(scene, raw):
    status, _ = await scene.stage.ask("PUT", "/agents/bot?if_gen=1", data=io.BytesIO(raw))
    assert status in {400, 413}
    assert (await told(scene))["record"]["generation"] == 1


async def test_a_restart_begins_with_what_was_saved_and_new_counts(scene):
    await scene.apply(10_000)
    await scene.versions(5)
    before, stood = await scene.adapter.observe("bot"), await told(scene)
    await scene.stage.kill()
    await scene.stage.revive()
    assert await scene.versions(5) == {"1.1.0": 5}, "a restart lost the split"
    assert await told(scene) == stood
    after = await scene.adapter.observe("bot")
    assert after.epoch != before.epoch, "counts that began anew would be subtracted from the old ones"
    assert after.tallies["1.1.0"].requests == 5
    assert (await scene.adapter.verify("bot")).proof is Proof.APPLIED


async def test_a_restart_without_what_was_saved_is_found_and_put_right(scene):
    await scene.apply(10_000)
    await scene.stage.kill()
    (scene.stage._folder / "run" / "state.json").write_text("{broken")
    await scene.stage.revive()
    assert (await scene.ask())[0] == 404
    assert (await scene.adapter.verify("bot")).proof is Proof.RESET
    await scene.apply(10_000)
    assert await scene.versions(5) == {"1.1.0": 5}


async def test_without_a_controller_the_candidate_goes(scene):
    await scene.apply(10_000, dead_man_s=1.0)
    assert await scene.versions(5) == {"1.1.0": 5}
    await scene.adapter.close()

    async def is_back():
        return await scene.versions(3) == {"1.0.0": 3}

    await until(is_back, "everything is back at stable without a controller")
    assert (await told(scene))["share_bp"] == 0
    status, _ = await scene.stage.ask("POST", "/alive", json={"agents": ["bot", "nobody", 3]})
    assert (status, (await told(scene))["share_bp"]) == (200, 10_000), "the controller is back, and its share is not"


async def test_a_restart_waits_for_the_controller_where_there_is_a_dead_man_switch(scene):
    await scene.apply(10_000, dead_man_s=600.0)
    await scene.stage.kill()
    await scene.stage.revive()
    assert await scene.versions(5) == {"1.0.0": 5}, "the candidate got requests, and nobody was there to watch it"
    assert (await scene.adapter.verify("bot")).proof is Proof.RESET
    await scene.apply(10_000, dead_man_s=600.0)
    assert await scene.versions(5) == {"1.1.0": 5}


async def test_a_state_that_cannot_be_saved_is_told_and_holds_nothing_up(scene):
    run = scene.stage._folder / "run"
    (run / "state.json.new").mkdir()
    receipt = await scene.adapter.apply(scene.at(10_000), timeout_s=5.0)
    assert "not saved" in receipt.detail
    found = await scene.adapter.verify("bot")
    assert (found.proof, found.detail) == (Proof.APPLIED, receipt.detail), "whoever looks later sees nothing amiss"
    assert await scene.versions(5) == {"1.1.0": 5}, "a full disk held a change up"


async def test_what_was_not_saved_is_saved_once_the_disk_takes_it(scene):
    await scene.apply(10_000)
    run = scene.stage._folder / "run"
    (run / "state.json.new").mkdir()
    await scene.apply(0)
    (run / "state.json.new").rmdir()

    async def is_saved():
        return json.loads((run / "state.json").read_text())["bot"]["assignment"]["candidate_bp"] == 0

    await until(is_saved, "what stands is saved after all")
    await scene.stage.kill()
    await scene.stage.revive()
    assert await scene.versions(5) == {"1.0.0": 5}, "a restart brought a candidate back that was rolled back"


async def test_an_agent_is_forgotten(scene):
    await scene.adapter.remove("bot")
    assert (await scene.ask())[0] == 404
    assert (await scene.stage.ask("GET", "/agents/bot"))[0] == 404
    await scene.adapter.remove("bot")


async def test_nonsense_is_not_found(scene):
    for method, path in (("GET", "/"), ("POST", "/agents/bot"), ("GET", "/agents/BOT"), ("GET", "/agents/bot/../x")):
        assert (await scene.stage.ask(method, path))[0] == 404
    assert (await scene.stage.ask("POST", "/agents/bot/cut"))[0] == 400
    assert (await scene.stage.ask("PATCH", "/agents/nobody?candidate_bp=1"))[0] == 404
    assert (await scene.stage.ask("PATCH", "/agents/bot?candidate_bp=10001"))[0] == 400
