"""How the document reaches a real Traefik: beside other people's files, over HTTP, after a restart, and how soon."""

import asyncio
import time
from statistics import median

import pytest

from adapters.port import Applied, Assignment, Proof, Route, Split
from adapters.traefik.client import Client
from adapters.traefik.gateway import LOOK_AGAIN_MAX_S, LOOK_AGAIN_MIN_S, TraefikGateway, TraefikOptions
from tests.contract.play import confirmed, until, until_served
from tests.contract.stages.traefik import THROTTLE_S
from tests.contract.traffic import Load

CHANGES = 20


def at(old, new, candidate_bp):
    return Assignment("bot", Route(), old.version, new.version, Split(candidate_bp))


def written(path):
    """What a write changes; to read a file is no change, and moves another of its times."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


async def test_a_change_is_confirmed_as_soon_as_one_made_by_hand_is_seen(open_traefik, old, new):
    """Both in the same run, one after the other, so that a busy machine is busy for both."""
    stage = await open_traefik()
    client = Client("edge", stage.api_url, "")
    took_s, floor_s = [], []
    for change in range(CHANGES):
        receipt = await stage.adapter.apply(at(old, new, 100 * (change % 2 + 1)), timeout_s=5.0)
        assert receipt.outcome is Applied.CONFIRMED, receipt
        took_s.append(receipt.took_s)
        floor_s.append(await by_hand(stage, client, f"change-{change}"))
    await client.close()
    limit_s = 2 * median(floor_s) + LOOK_AGAIN_MAX_S
    assert median(took_s) < limit_s, f"a rollback takes {took_s}, and Traefik {floor_s}"


async def by_hand(stage, client, name):
    """How long it takes until Traefik shows what somebody has written."""
    draft = stage.directory / "hand.new"
    draft.write_text(f"http: {{middlewares: {{{name}: {{compress: {{}}}}}}}}")
    began_s = time.monotonic()
    draft.replace(draft.with_suffix(".yml"))

    async with asyncio.timeout(30.0):
        while await client.part("middlewares", f"{name}@file") is None:  # noqa: ASYNC110 - Traefik tells nobody
            await asyncio.sleep(LOOK_AGAIN_MIN_S)
    return time.monotonic() - began_s


async def test_somebody_elses_files_are_never_touched(open_traefik, old, new):
    stage = await open_traefik()
    theirs = stage.directory / "yours.yml"
    before = (theirs.read_bytes(), written(theirs))
    for candidate_bp in (100, 0):
        await confirmed(stage.adapter, at(old, new, candidate_bp))
    await stage.adapter.remove("bot")
    assert (theirs.read_bytes(), written(theirs)) == before
    assert sorted(path.name for path in stage.directory.iterdir()) == ["turnout-edge.yml", "yours.yml"]


@pytest.mark.parametrize(("name", "wins"), [("a.yml", True), ("z.yml", False)])
async def test_a_duplicate_is_named_whether_it_wins_or_not(open_traefik, old, new, name, wins, ask):
    stage = await open_traefik()
    await confirmed(stage.adapter, at(old, new, 1_000))
    duplicate = stage.directory / name
    weighted = "{services: [{name: turnout.bot.1.0.0, weight: 1}, {name: turnout.bot.1.1.0, weight: 1}]}"
    duplicate.write_text(f"http: {{services: {{turnout.bot: {{weighted: {weighted}}}}}}}")

    async def is_found():
        return (await stage.adapter.verify("bot")).proof is Proof.DRIFTED

    await until(is_found, "it is found that somebody defines the same")
    forward = await stage.adapter.apply(at(old, new, 5_000), timeout_s=10.0)
    assert (forward.outcome, name in forward.detail) == (Applied.REFUSED, True), forward
    back = await stage.adapter.apply(at(old, new, 0), timeout_s=10.0)
    assert (back.outcome, name in back.detail) == (Applied.REFUSED if wins else Applied.CONFIRMED, True), back
    duplicate.unlink()
    await confirmed(stage.adapter, at(old, new, 0))
    assert set(await ask(stage.url, 50)) == {(200, old.name)}


async def test_a_document_that_is_polled_is_confirmed_counted_and_kept(open_traefik, old, new, ask):
    stage = await open_traefik(listen="", poll_interval_s=0.2)
    async with Load(stage.url) as load:
        for candidate_bp in (5_000, 10_000, 0, 5_000):
            await confirmed(stage.adapter, at(old, new, candidate_bp))
            await load.more(40)
    assert not load.failed

    async def is_counted():
        told = (await stage.adapter.observe("bot")).tallies
        return sum(told[version.name].requests for version in (old, new)) >= len(load.answers)

    await until(is_counted, "requests are counted for the services of the other provider too")
    assert (await stage.adapter.verify("bot")).proof is Proof.APPLIED
    await stage.adapter.close()
    assert (200, new.name) in await ask(stage.url, 20), "a controller that stops took the routes with it"


async def test_counters_that_began_again_say_so(open_traefik, old, new, ask):
    stage = await open_traefik()
    await ask(stage.url, 30)

    async def is_counted():
        return (await stage.adapter.observe("bot")).tallies[old.name].requests >= 30

    await until(is_counted, "requests are counted")
    before = await stage.adapter.observe("bot")
    assert before.epoch
    await stage.kill()
    await stage.revive()
    await until_served(stage.url, old.name)

    async def is_another():
        return (await stage.adapter.observe("bot")).epoch != before.epoch

    await until(is_another, "counters that began again are told from those before")
    after = await stage.adapter.observe("bot")
    assert after.tallies[old.name].requests < before.tallies[old.name].requests


async def test_a_version_that_drains_keeps_its_counts(open_traefik, old, new, ask):
    stage = await open_traefik()
    await confirmed(stage.adapter, at(old, new, 5_000))
    await ask(stage.url, 100)
    promoted = Assignment("bot", Route(), new.version, draining=(old.version,))
    await confirmed(stage.adapter, promoted)
    await ask(stage.url, 100)

    async def are_counted():
        told = (await stage.adapter.observe("bot")).tallies
        return told[old.name].requests >= 50 and told[new.name].requests == 150

    await until(are_counted, "a promotion mixes nobody's counts")


async def test_a_new_controller_changes_nothing_that_stands(open_traefik, old, new):
    stage = await open_traefik()
    await confirmed(stage.adapter, at(old, new, 1_000))
    before = written(stage.directory / "turnout-edge.yml")
    api_url = stage.api_url
    again = TraefikGateway("edge", TraefikOptions(api_url, directory=str(stage.directory), throttle_s=THROTTLE_S))
    await again.start([at(old, new, 1_000)])
    receipt = await again.apply(at(old, new, 1_000), timeout_s=5.0)
    await again.close()
    assert receipt.outcome is Applied.CONFIRMED
    assert written(stage.directory / "turnout-edge.yml") == before, "a restart made Traefik build everything anew"
