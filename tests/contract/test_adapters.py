"""One contract for every gateway, on the real program or on a simulator that is itself checked.

pytest tests/contract -k haproxy
"""

import asyncio
import contextlib
import importlib
import itertools
import time
from pathlib import Path

import pytest

from adapters.port import ALL_STABLE, Applied, GatewayError, Proof
from tests.contract.play import (
    AGENT,
    Play,
    confirmed,
    counted,
    is_fair,
    is_no_more,
    looked,
    observations,
    sampled,
    steady,
    until,
    until_served,
)
from tests.contract.stage import Stage, free_ports
from tests.contract.traffic import CONNECTIONS, Load, Stream, acting, flood

STAGES = sorted(path.stem for path in (Path(__file__).parent / "stages").glob("[a-z]*.py"))

NOT_RELOADED = {
    "envoy",  # its configuration comes from its controller
    *("kong", "kong_dbless", "nginx_plus", "nginx_plus_keyval"),  # a simulator has no workers to replace
}
RELOAD_COSTS = {"openresty": 2 * CONNECTIONS}
"""How many requests clients may lose: nginx says nothing when its old workers (two here) close idle connections."""

NOT_TAMPERED = {"envoy"}
"""Whose share nobody but its controller can change."""

CHANGES = 100
STREAMS = 3
LOOKS = 10
"""How often in a row something must be seen that lasts: a look may bring what stood before the change."""

PATIENCE_S = 1.0
"""What the adapter is given where the gateway cannot answer."""


@pytest.fixture
async def play():
    async with acting("1.0.0", instances=2) as old, acting("1.1.0") as new, acting("1.2.0") as following:
        yield Play(old, new, following)


@pytest.fixture(params=STAGES)
async def stage(request, tmp_path, play):
    chosen: Stage = importlib.import_module(f"tests.contract.stages.{request.param}").STAGE()
    try:
        await chosen.open(tmp_path, free_ports(), play.at(0))
        await confirmed(chosen.adapter, play.at(0))
        await until_served(chosen.url, play.old.name)
        yield chosen
    finally:
        await chosen.close()


# --- set and confirm --------------------------------------------------------------------------------------------------


async def test_a_split_is_set_and_confirmed(stage, play):
    adapter = stage.adapter
    for candidate_bp in (5_000, 5_000, 0):
        receipt = await adapter.apply(play.at(candidate_bp), timeout_s=10.0)
        assert receipt.outcome is Applied.CONFIRMED, f"a healthy gateway did not take {candidate_bp} bp: {receipt}"
        assert receipt.gateway == adapter.name
        assert receipt.split == play.at(candidate_bp).split
        assert 0 <= receipt.took_s < 10.0
        verification = await adapter.verify(AGENT)
        allowed = {Proof.APPLIED} if adapter.capabilities.proves_effect else {Proof.APPLIED, Proof.UNPROVABLE}
        assert verification.proof in allowed, f"what was confirmed does not stand: {verification}"
    status = await adapter.status()
    assert status.reachable, f"a healthy gateway is called unreachable: {status}"
    assert (await adapter.verify("nobody")).proof is Proof.PENDING, "something is said of an agent that nobody applied"


@pytest.mark.parametrize("share_bp", [5_000, 1_000, 100, 10])
async def test_the_candidate_gets_its_share(stage, play, share_bp):
    capabilities = stage.adapter.capabilities
    if share_bp < capabilities.share_bp_min:
        pytest.skip(f"its smallest share is {capabilities.share_bp_min} bp, and `turnout validate` says so")
    await confirmed(stage.adapter, play.at(share_bp))
    for last in (capabilities.proves_effect, True):
        seen = await sampled(stage.url, play.new.name, share_bp)
        if last or is_fair(seen, play.new.name, share_bp):
            break
    assert is_fair(seen, play.new.name, share_bp), f"the candidate was to get {share_bp} bp, and the clients saw {seen}"


async def test_clients_do_not_notice_a_hundred_changes(stage, play):
    shares = itertools.islice(itertools.cycle((100, 1_000, 5_000, 10_000, 0)), CHANGES)
    async with Load(stage.url) as load:
        for candidate_bp in shares:
            receipt = await stage.adapter.apply(play.at(candidate_bp), timeout_s=10.0)
            assert receipt.outcome is Applied.CONFIRMED, receipt
            confirmed_s = time.monotonic()
            await load.more(8)
            if candidate_bp in {0, 10_000} and stage.adapter.capabilities.proves_effect:
                wrong = play.new if candidate_bp == 0 else play.old
                assert not load.by_version(confirmed_s)[wrong.name], (
                    f"confirmed at {candidate_bp} bp, and not in effect"
                )
    assert not load.failed, f"clients noticed: {load.failed[:3]}"


async def test_an_interrupted_change_does_not_hinder_the_way_back(stage, play):
    for _ in range(5):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                await stage.adapter.apply(play.at(5_000), timeout_s=10.0)
        await confirmed(stage.adapter, play.at(0))
    seen = await flood(stage.url, 500)
    if not stage.adapter.capabilities.proves_effect:
        seen = await flood(stage.url, 500)
    assert not seen[play.new.name], "the candidate is served after its way back was confirmed"


# --- counters ---------------------------------------------------------------------------------------------------------


async def test_counters_agree_with_what_clients_saw(stage, play):
    adapter = stage.adapter
    await confirmed(adapter, play.at(5_000))
    if not adapter.capabilities.counts_per_version:
        assert not (await adapter.observe(AGENT)).tallies, "it says that it does not count, and gives figures"
        return
    await until(lambda: _counts_both(stage, play), "both versions are counted")
    before = await steady(adapter)
    play.new.status = 503
    async with Load(stage.url) as load:
        await load.more(1_000)
    seen = load.by_version()
    failed = sum(answer.status == 503 for answer in load.answers)
    assert failed == len(load.failed) > 0
    expected = {play.old.name: (seen[play.old.name], 0), play.new.name: (failed, failed)}
    async for observation in observations(adapter):
        told = counted(observation, before)
        if told == expected or sum(requests for requests, _ in told.values()) > len(load.answers):
            break
    assert told == expected, "what is judged is not what the clients saw"
    assert observation.age_s < 5.0


async def _counts_both(stage, play):
    """Some gateways drop what happens in the first moments of a version, so there must be something new to count."""
    await flood(stage.url, 100)
    observation = await looked(stage.adapter)
    names = {play.old.name, play.new.name}
    return observation and names <= {name for name, tally in observation.tallies.items() if tally.requests}


# --- streams ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["finished", "cut"])
async def test_streams_survive_a_rollback_and_are_seen_to_end(stage, play, ending):
    adapter, candidate = stage.adapter, play.new
    await confirmed(adapter, play.at(10_000))
    await until_served(stage.url, candidate.name)
    async with asyncio.TaskGroup() as tasks:
        streams = [Stream(stage.url) for _ in range(STREAMS)]
        for stream in streams:
            assert await stream.open(tasks) == candidate.name
        await _in_flight(adapter, candidate, STREAMS)
        await confirmed(adapter, play.at(0))
        await until_served(stage.url, play.old.name)
        assert set(await flood(stage.url, 200)) == {play.old.name}, "new requests still go to the candidate"
        assert not any(stream.has_ended for stream in streams), "a rollback cut what had begun"
        await _in_flight(adapter, candidate, STREAMS)
        if ending == "cut":
            await adapter.cut(AGENT, candidate.name)
        if ending == "cut" and adapter.capabilities.cuts_streams:
            rests = [await stream.rest() for stream in streams]
            assert not any(b"data: end" in rest for rest in rests), "what was to be cut ended by itself"
        else:
            assert not any(stream.has_ended for stream in streams), "it says that it cannot cut, and it did"
            candidate.finish()
            rests = [await stream.rest() for stream in streams]
            assert all(b"data: end" in rest for rest in rests), "the end of a stream was lost"
        await _in_flight(adapter, candidate, 0)
        await confirmed(adapter, play.rolled_back)
        for stream in streams:
            await stream.close()


async def _in_flight(adapter, agent, count):
    """Wait until so many requests are seen in flight; where they cannot be seen, that nothing is said of them."""
    if not adapter.capabilities.sees_in_flight:
        assert agent.name not in (await adapter.observe(AGENT)).in_flight, "it says that it is blind, and gives figures"
        return

    looks = 0

    async def is_so():
        nonlocal looks
        observation = await looked(adapter)
        looks = looks + 1 if observation is not None and observation.in_flight.get(agent.name) == count else 0
        return looks == LOOKS

    await until(is_so, f"{count} requests are seen in flight on {agent.name}, and stay in sight")


async def test_stable_gets_the_endpoints_of_a_promoted_candidate(stage, play):
    adapter = stage.adapter
    async with asyncio.TaskGroup() as tasks, Load(stage.url) as load:
        stream = Stream(stage.url)
        assert await stream.open(tasks) == play.old.name
        await confirmed(adapter, play.at(10_000))
        await confirmed(adapter, play.promoted)
        promoted_s = time.monotonic()
        await load.more(200)
        if adapter.capabilities.proves_effect:
            assert set(load.by_version(promoted_s)) == {play.new.name}, "the version that left is still served"
        assert not stream.has_ended, "a promotion cut what had begun"
        await confirmed(adapter, play.following(5_000))
        await load.more(20)
        assert is_fair(await flood(stage.url, 2_000), play.next.name, 5_000), "the next candidate has not its share"
        assert not stream.has_ended, "the next candidate cut what the first version had begun"
        play.old.finish()
        assert b"data: end" in await stream.rest()
        await stream.close()
    assert not load.failed, f"clients noticed the promotion: {load.failed[:3]}"


# --- faults in mid-rollout --------------------------------------------------------------------------------------------


async def test_a_killed_gateway_is_told_of_and_comes_back_with_its_split(stage, play):
    adapter = stage.adapter
    await confirmed(adapter, play.at(1_000))
    await stage.kill()
    await _is_out_of_reach(stage, play)
    assert not (await adapter.status()).reachable, "a dead gateway is called reachable"
    await stage.revive()
    await _is_itself_again(stage, play)


async def test_a_frozen_gateway_is_told_of_and_holds_nobody_up(stage, play):
    await confirmed(stage.adapter, play.at(1_000))
    await stage.freeze()
    try:
        await _is_out_of_reach(stage, play)
    finally:
        await stage.thaw()
    await _is_itself_again(stage, play)


async def _is_out_of_reach(stage, play):
    """It must be said within the time given, as an outcome; and never that something is applied."""
    started_s = time.monotonic()
    receipt = await stage.adapter.apply(play.at(5_000), timeout_s=PATIENCE_S)
    assert receipt.outcome in {Applied.UNREACHABLE, Applied.UNCONFIRMED}, f"a gateway that is not there: {receipt}"
    assert receipt.detail, "nobody is told why"
    assert time.monotonic() - started_s < PATIENCE_S + 2.0, "a rollback elsewhere would wait for this gateway"
    async with asyncio.timeout(5.0):
        verification = await stage.adapter.verify(AGENT)
    assert verification.proof in {Proof.UNREACHABLE, Proof.PENDING, Proof.UNPROVABLE}, verification


async def _is_itself_again(stage, play):
    """Nobody tells it anything new at first: it may have the old split or the one it was last told, and no more."""
    await until_served(stage.url)
    seen = await flood(stage.url, 1_000)
    assert is_no_more(seen, play.new.name, 5_000), f"the candidate got more than it was ever given: {seen}"
    await confirmed(stage.adapter, play.at(1_000))
    await until(lambda: _is_divided(stage, play, 1_000), "the split is there again")
    assert await looked(stage.adapter) is not None, "a gateway that is back is not observed"


async def _is_divided(stage, play, share_bp):
    return is_fair(await flood(stage.url, 2_000), play.new.name, share_bp)


@pytest.mark.parametrize("stage", sorted({*STAGES} - NOT_RELOADED), indirect=True)
async def test_a_reload_keeps_clients_and_the_split(stage, play, request):
    await confirmed(stage.adapter, play.at(1_000))
    carried_out = play.old.asked + play.new.asked
    async with Load(stage.url) as load:
        await load.more(20)
        assert await stage.reload()
        reloaded_s = time.monotonic()
        await load.more(200)
        await confirmed(stage.adapter, play.at(1_000))
        await load.more(2_000)
    seen = load.by_version(reloaded_s)
    assert is_fair(seen, play.new.name, 1_000), f"the split did not survive a reload: {seen}"
    assert is_no_more(load.by_version(), play.new.name, 1_000), "a reload gave the candidate more than its share"
    allowed = RELOAD_COSTS.get(request.node.callspec.params["stage"], 0)
    assert len(load.failed) <= allowed, f"clients noticed the reload: {load.failed[:3]}"
    carried_out = play.old.asked + play.new.asked - carried_out
    assert carried_out == len(load.answers) - len(load.failed), "an agent worked for nobody, or twice for one request"


# --- what people do ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", sorted({*STAGES} - NOT_TAMPERED), indirect=True)
async def test_a_share_changed_by_hand_is_found_and_put_right(stage, play):
    adapter = stage.adapter
    await confirmed(adapter, play.at(1_000))
    assert await stage.tamper(5_000), "the stage was not set"

    async def is_found():
        return (await adapter.verify(AGENT)).proof is Proof.DRIFTED

    await until(is_found, "it is found that somebody changed the share")
    assert (await adapter.verify(AGENT)).detail, "nobody is told what was found"
    await confirmed(adapter, play.at(1_000))
    await until(lambda: _is_divided(stage, play, 1_000), "the split is there again")
    assert (await adapter.verify(AGENT)).proof in {Proof.APPLIED, Proof.UNPROVABLE}


async def test_a_mistake_gets_the_right_error(stage, play):
    for mistake in await stage.mistakes(play.at(0)):
        adapter = mistake.adapter
        try:
            for assignment in (play.at(1_000), play.at(0)):
                receipt = await adapter.apply(assignment, timeout_s=PATIENCE_S)
                assert receipt.outcome is mistake.outcome, f"{mistake.what}: {receipt}"
                code = mistake.receipt_code or mistake.outcome.value
                assert receipt.code == code, f"{mistake.what}: programs would not know it: {receipt}"
                assert mistake.words in receipt.detail, f"{mistake.what}: nobody would find it by {receipt.detail!r}"
            verification = await adapter.verify(AGENT)
            assert verification.proof is not Proof.APPLIED, f"{mistake.what}: {verification}"
            if mistake.code is not None:
                with pytest.raises(GatewayError) as raised:
                    await adapter.observe(AGENT)
                assert raised.value.code == mistake.code, f"{mistake.what}: {raised.value}"
        finally:
            await adapter.close()
    assert play.at(0).split == ALL_STABLE
    assert set(await flood(stage.url, 200)) == {play.old.name}, "a mistake elsewhere reached this gateway"
