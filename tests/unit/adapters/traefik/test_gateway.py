import asyncio
import contextlib
import os
from dataclasses import replace

import aiohttp
import pytest
import yaml

from adapters.port import (
    ALL_STABLE,
    Applied,
    GatewayError,
    Proof,
    Split,
    Stickiness,
    Tally,
)
from adapters.traefik import gateway as module
from adapters.traefik.gateway import TraefikGateway, TraefikOptions

from .staging import apply, at, gateway, staged


@pytest.fixture
async def stage(tmp_path):
    async with staged(tmp_path) as (adapter, program):
        await adapter.start([at(0)])
        yield adapter, program


# --- applying ---------------------------------------------------------------------------------------------------------


async def test_all_agents_are_written_before_anything_is_applied(tmp_path):
    async with staged(tmp_path) as (adapter, program):
        await adapter.start([at(0, "a"), at(0, "b")])
        program.load()
        assert {"turnout.a", "turnout.b"} <= program.http["services"].keys(), "an agent would answer 404 meanwhile"
        assert not program.seen, "nothing is confirmed by this"


async def test_what_the_api_shows_is_confirmed(stage):
    adapter, _ = stage
    for split in (Split(100), Split(10_000), ALL_STABLE):
        receipt = await apply(adapter, replace(at(0), split=split))
        assert (receipt.outcome, receipt.split, receipt.detail, receipt.code) == (Applied.CONFIRMED, split, "", "")
        assert (await adapter.verify("bot")).proof is Proof.APPLIED


async def test_what_stands_is_not_written_again(stage):
    adapter, program = stage
    await apply(adapter, at(100))
    before = program.file.stat()
    await apply(adapter, at(100))
    again = gateway(program, directory=str(program.file.parent))
    await again.start([at(100)])
    after = program.file.stat()  # a read moves another time
    is_same = (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert is_same, "every restart would make Traefik build everything anew"
    assert (await again.verify("bot")).proof is Proof.APPLIED
    program.seen.clear()
    assert (await apply(again, at(100))).outcome is Applied.CONFIRMED
    assert program.seen.count("/api/http/middlewares/turnout.~edge@file") == 1, "it waits for what is there already"
    await again.close()


async def test_written_is_not_applied(stage):
    adapter, program = stage
    await apply(adapter, at(0))
    program.load()
    program.file = None
    receipt = await apply(adapter, at(100))
    assert receipt.outcome is Applied.UNCONFIRMED, "a split was confirmed that Traefik has not loaded"
    assert "does not show it" in receipt.detail
    assert (await adapter.verify("bot")).proof in {Proof.PENDING, Proof.RESET}


async def test_what_looks_the_same_in_another_document_is_not_ours(stage, tmp_path):
    """The same agent by another gateway of Turnout: its weights prove nothing about what we have written."""
    adapter, program = stage
    await apply(adapter, at(100))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    stranger = gateway(program, "other", directory=str(elsewhere))
    await stranger.start([at(100)])
    assert (await apply(stranger, at(100))).outcome is Applied.UNCONFIRMED
    await stranger.close()


async def test_another_agents_change_holds_nobody_up(stage):
    """Traefik may always be a document behind: what counts is that it has loaded one that knows the agent's newest."""
    adapter, program = stage
    assert (await apply(adapter, at(100))).outcome is Applied.CONFIRMED
    program.load()
    program.file = None
    assert (await apply(adapter, at(0, "other"))).outcome is Applied.UNCONFIRMED
    assert (await apply(adapter, at(100))).outcome is Applied.CONFIRMED
    assert (await apply(adapter, at(200))).outcome is Applied.UNCONFIRMED


async def test_an_old_document_that_says_the_same_confirms_nothing(stage, monkeypatch):
    """Traefik still shows the document before the last one, and is about to load the last one, which gave more."""
    adapter, program = stage
    await apply(adapter, at(0))
    program.load()
    program.file = None
    put, is_put = adapter._place.put, asyncio.Event()

    async def put_and_tell(wanted):
        await put(wanted)
        is_put.set()

    monkeypatch.setattr(adapter._place, "put", put_and_tell)
    async with asyncio.timeout(30.0), asyncio.TaskGroup() as tasks:
        step = tasks.create_task(apply(adapter, at(5_000)))
        await is_put.wait()
        step.cancel()
    assert (await apply(adapter, at(0))).outcome is Applied.UNCONFIRMED, (
        "the candidate would be served after a way back"
    )


async def test_what_is_put_right_is_confirmed_only_when_it_is_loaded_again(stage):
    adapter, program = stage
    await apply(adapter, at(1_000))
    file, program.file = program.file, None
    file.write_text(file.read_text().replace('"weight": 1000', '"weight": 5000'))
    assert (await apply(adapter, at(1_000))).outcome is Applied.UNCONFIRMED, "Traefik may be about to load the edit"
    program.file = file
    assert (await apply(adapter, at(1_000))).outcome is Applied.CONFIRMED


async def test_a_router_that_traefik_does_not_use_is_a_refusal_in_its_words(stage):
    adapter, program = stage
    program.disabled["turnout.bot"] = ['entryPoint "xx" doesn\'t exist']
    receipt = await apply(adapter, at(100))
    assert (receipt.outcome, receipt.code) == (Applied.REFUSED, "invalid"), "clients would get 404"
    assert 'entryPoint "xx"' in receipt.detail
    assert (await adapter.verify("bot")).proof is Proof.REFUSED


@pytest.mark.parametrize(("status", "code"), [(403, "denied"), (404, "not-found"), (500, "invalid")])
async def test_why_traefik_does_not_confirm_is_told_in_a_word(stage, status, code):
    adapter, program = stage
    program.status = status
    receipt = await apply(adapter, at(100))
    assert (receipt.outcome, receipt.code) == (Applied.UNREACHABLE, code), "programs would not know a wrong password"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermissionError(13, "Permission denied"), "denied"),
        (OSError(30, "Read-only file system"), "read-only"),
        (OSError(28, "No space left on device"), "unreachable"),
    ],
)
async def test_why_the_disk_does_not_take_it_is_told_in_a_word(stage, monkeypatch, error, code):
    def fail(_):
        raise error

    adapter, _ = stage
    monkeypatch.setattr(os, "fsync", fail)
    receipt = await apply(adapter, at(100))
    assert (receipt.outcome, receipt.code) == (Applied.UNREACHABLE, code)


async def test_a_traefik_that_is_away_gets_it_when_it_is_back(stage, unused_tcp_port):
    _, program = stage
    options = TraefikOptions(f"http://127.0.0.1:{unused_tcp_port}", directory=str(program.file.parent), throttle_s=0.0)
    away = TraefikGateway("edge", options)
    receipt = await away.apply(at(100), timeout_s=0.2)
    assert receipt.outcome is Applied.UNREACHABLE
    assert receipt.detail
    assert (await away.verify("bot")).proof is Proof.UNREACHABLE
    program.load()
    assert program.http["services"]["turnout.bot"]["weighted"]["services"][1]["weight"] == 100, "it was not kept for it"
    await away.close()


async def test_sessions_by_header_are_refused_and_the_way_back_is_not(stage):
    adapter, program = stage
    sticky = {"stickiness": Stickiness(header="x-session")}
    receipt = await apply(adapter, at(100, **sticky))
    assert (receipt.outcome, "cookie" in receipt.detail) == (Applied.REFUSED, True)
    program.load()
    assert program.http["services"]["turnout.bot"]["weighted"]["services"][1]["weight"] == 0
    for candidate_bp in (0, 10_000):
        assert (await apply(adapter, at(candidate_bp, **sticky))).outcome is Applied.CONFIRMED


async def test_a_duplicate_stops_the_way_forward_and_not_the_way_back(stage):
    adapter, program = stage
    await apply(adapter, at(100))
    theirs = program.file.with_name("theirs.yml")
    theirs.write_text("http: {services: {turnout.bot: {weighted: {}}}}")
    found = await adapter.verify("bot")
    assert (found.proof, "theirs.yml" in found.detail) == (Proof.DRIFTED, True)
    receipt = await apply(adapter, at(5_000))
    assert (receipt.outcome, receipt.code, "theirs.yml" in receipt.detail) == (Applied.REFUSED, "conflict", True)
    back = await apply(adapter, at(0))
    assert (back.outcome, "theirs.yml" in back.detail) == (Applied.CONFIRMED, True), "a way back that works is refused"
    assert theirs.exists()


async def test_a_duplicate_that_wins_refuses_the_way_back_by_name(stage):
    adapter, program = stage
    program.file.with_name("a.yml").write_text("http: {services: {turnout.bot: {}}}")
    program.file = program.file.with_name("a.yml")
    receipt = await apply(adapter, at(0))
    assert (receipt.outcome, receipt.code, "a.yml" in receipt.detail) == (Applied.REFUSED, "conflict", True)


async def test_a_disk_that_hangs_holds_nobody_up(stage, monkeypatch):
    adapter, _ = stage
    hung = asyncio.Event()
    monkeypatch.setattr(adapter._place, "put", lambda _document: hung.wait())
    receipt = await adapter.apply(at(100), timeout_s=0.05)
    assert (receipt.outcome, receipt.detail) == (Applied.UNCONFIRMED, "the disk did not take it in time")


async def test_a_way_back_waits_for_nobodys_files(stage, monkeypatch):
    adapter, _ = stage
    await apply(adapter, at(100))
    hung = asyncio.Event()
    monkeypatch.setattr(module, "NEIGHBOURS_S", 0.01)
    monkeypatch.setattr(adapter._place, "conflict", lambda _names: hung.wait())
    assert (await apply(adapter, at(0))).outcome is Applied.CONFIRMED, "a file of others would hold a rollback up"


async def test_a_way_back_overtakes_a_step_that_was_interrupted(stage):
    adapter, program = stage
    for _ in range(20):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                await apply(adapter, at(5_000))
        assert (await apply(adapter, at(0))).outcome is Applied.CONFIRMED
    assert yaml.safe_load(program.file.read_text())["http"]["services"]["turnout.bot"]["weighted"]["services"][1] == {
        "name": "turnout.bot.1.1",
        "weight": 0,
    }


async def test_a_closed_gateway_writes_nothing(stage):
    adapter, program = stage
    await adapter.close()
    before = program.file.read_text()
    assert (await apply(adapter, at(5_000))).outcome is Applied.UNREACHABLE
    with pytest.raises(GatewayError):
        await adapter.remove("bot")
    assert program.file.read_text() == before, "a controller that is gone gave a candidate traffic"


# --- reading back -----------------------------------------------------------------------------------------------------


async def test_a_change_by_hand_is_drift(stage):
    adapter, program = stage
    await apply(adapter, at(1_000))
    program.file.write_text(program.file.read_text().replace('"weight": 1000', '"weight": 5000'))
    found = await adapter.verify("bot")
    assert (found.proof, bool(found.detail)) == (Proof.DRIFTED, True)
    assert (await apply(adapter, at(1_000))).outcome is Applied.CONFIRMED


async def test_a_traefik_that_lost_it_is_told_again_and_no_person_is_blamed(stage):
    """Over time only: shortly after a change it may not be there yet."""
    adapter, program = stage
    await apply(adapter, at(1_000))
    file, program.file, program.http = program.file, None, {}
    assert (await adapter.verify("bot")).proof is Proof.PENDING
    adapter._put_at_s = float("-inf")
    assert (await adapter.verify("bot")).proof is Proof.RESET
    file.unlink()
    assert (await adapter.verify("bot")).proof is Proof.RESET


async def test_nobodys_agent_is_pending(stage):
    assert (await stage[0].verify("nobody")).proof is Proof.PENDING


async def test_counts_are_per_version_and_what_is_in_flight_is_not_said(stage):
    adapter, program = stage
    series = 'traefik_service_requests_total{code="503",service="turnout.bot.1.0@file"} 3'
    program.page = f"process_start_time_seconds 7\n{series}\n"
    seen = await adapter.observe("bot")
    assert seen.tallies == {"1.0": Tally(3, 3), "1.1": Tally()}, "a version that has had no request is no mystery"
    assert (seen.epoch, dict(seen.in_flight)) == ("7", {}), "Traefik does not know what is in flight"
    program.page = "process_start_time_seconds 8\n"
    assert (await adapter.observe("bot")).epoch == "8", "a restart's counters would be mixed with those before"


async def test_agents_that_are_observed_together_share_a_page(stage, monkeypatch):
    adapter, program = stage
    monkeypatch.setattr(module, "PAGE_AGE_S_MAX", 60.0)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(adapter.observe("bot"))
    assert program.seen.count("/metrics") == 1


async def test_without_metrics_nothing_is_observed(stage):
    adapter, program = stage
    program.status = 404
    with pytest.raises(GatewayError) as raised:
        await adapter.observe("bot")
    assert raised.value.code == "not-found"


async def test_a_status_is_the_programs_version(stage):
    adapter, program = stage
    status = await adapter.status()
    assert (status.reachable, status.detail, status.kind) == (True, "Traefik 3.7.15", "traefik")
    program.status = 403
    status = await adapter.status()
    assert (status.reachable, "403" in status.detail) == (False, True)


async def test_an_agent_that_leaves_takes_only_its_own(stage):
    adapter, program = stage
    await apply(adapter, at(0, "other"))
    await adapter.remove("bot")
    await adapter.remove("bot")
    program.load()
    assert list(program.http["services"]) == ["turnout.other", "turnout.other.1.0", "turnout.other.1.1"]
    assert (await adapter.verify("bot")).proof is Proof.PENDING
    await adapter.cut("other", "1.0")


# --- polled -----------------------------------------------------------------------------------------------------------


async def test_a_traefik_that_polls_is_confirmed_by_its_api_too(tmp_path, unused_tcp_port):
    listen = f"127.0.0.1:{unused_tcp_port}"
    async with staged(tmp_path, directory=None, listen=listen, poll_interval_s=0.2) as (adapter, program):
        program.file, program.provider = None, "http"
        await adapter.start([at(0)])
        async with aiohttp.ClientSession() as session, session.get(f"http://{listen}/") as response:
            program.http = yaml.safe_load(await response.text())["http"]
        assert (await apply(adapter, at(0))).outcome is Applied.CONFIRMED
        receipt = await apply(adapter, at(100))
        assert (receipt.outcome, f"http://{listen}/" in receipt.detail) == (Applied.UNCONFIRMED, True)
        assert not list(tmp_path.iterdir()), "a Traefik that polls needs no file"


def test_one_way_and_not_two():
    for ways in ({}, {"directory": "x", "listen": "127.0.0.1:1"}):
        with pytest.raises(ValueError, match="directory or polls"):
            TraefikOptions("http://127.0.0.1:8080", **ways)
