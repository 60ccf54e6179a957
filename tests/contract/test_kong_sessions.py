"""A simulated Kong that hashes sessions onto its ring: its share is judged by sessions, as the controller does it."""

import asyncio
from dataclasses import replace

import aiohttp
import pytest

from adapters.port import Split, Stickiness
from controller.rollout.state import new_state
from controller.runtime.shares import SETTLE_S, Shares
from tests.contract.play import AGENT, Play, confirmed, until, until_served
from tests.contract.stage import free_ports
from tests.contract.stages.kong import KongStage
from tests.contract.traffic import acting

SESSIONS, HEAVY = 400, 1_500
AT_ONCE = 16


@pytest.fixture
async def sticky(tmp_path):
    """A Kong that divides by header, one that divides by cookie, and what is played there at 10 %."""
    async with acting("1.0.0") as old, acting("1.1.0") as new:
        play, stage = Play(old, new, old), KongStage()
        try:
            await stage.open(tmp_path, free_ports(), play.at(0))
            await confirmed(stage.adapter, play.at(0))
            await until_served(stage.url)
            yield stage, play
        finally:
            await stage.close()


def marked(stickiness, session):
    return {"x-session": session} if stickiness.header else {"cookie": f"first=1; turnout={session}"}


async def ask(stage, stickiness, sessions):
    """One request of each session, a few at once."""
    async with aiohttp.ClientSession() as client:
        waiting = iter(sessions)

        async def asks():
            for session in waiting:
                async with client.get(stage.url, headers=marked(stickiness, session)) as answer:
                    assert answer.status == 200

        await asyncio.gather(*(asks() for _ in range(AT_ONCE)))


async def counted(stage, stickiness, what):
    """What the adapter observes once these sessions count: they ask again, because the first time may be too early."""
    found = []

    async def have_come():
        await ask(stage, stickiness, [f"{what}-{number}" for number in range(SESSIONS)])
        seen = await stage.adapter.observe(AGENT)
        found.append(seen)
        return sum(seen.sessions.counts.values()) - sum(found[0].sessions.counts.values()) >= SESSIONS

    await until(have_come, f"{SESSIONS} sessions are counted")
    return found[-1]


@pytest.mark.parametrize("stickiness", [Stickiness(header="X-Session"), Stickiness(cookie="turnout")], ids=repr)
async def test_a_hashed_share_is_judged_by_its_sessions(sticky, stickiness, monkeypatch):
    monkeypatch.setattr("adapters.kong.http_log.LASTING_S_MIN", 0.0)  # these agents answer at once
    stage, play = sticky
    await confirmed(stage.adapter, replace(play.at(1_000), stickiness=stickiness, drain_deadline_s=0.0))
    told = new_state(AGENT, play.old.version, frozenset({"edge"}))
    told = replace(told, candidate=play.new.version, split=Split(1_000), confirmed=frozenset({"edge"}))
    shares = Shares(sticky=True)
    shares.confirmed("edge", told, 0.0)
    assert not shares.take(await stage.adapter.observe(AGENT), SETTLE_S)

    await ask(stage, stickiness, ["heavy"] * HEAVY)
    seen = await counted(stage, stickiness, "honest")
    assert not shares.take(seen, SETTLE_S + 1), f"an honest ring is accused: {seen.sessions}"

    assert await stage.tamper(10_000)  # by hand, to more than half
    seen = await counted(stage, stickiness, "after")
    words = shares.take(seen, SETTLE_S + 2)
    assert words.startswith("edge was told 10 %"), f"a gateway that ignores its split goes unseen: {seen.sessions}"
    assert words.endswith("sessions")
