"""What happens to the requests themselves: sessions, copies, tries, limits, instances that are down."""

import aiohttp

from adapters.port import Applied, Assignment, Route, Split, Stickiness
from adapters.traefik.translation import HealthCheck
from tests.contract.play import confirmed, is_fair, looked, until

CLIENTS = 24


def at(old, new, split, **more):
    return Assignment("bot", Route(), old.version, new.version, split, **more)


async def test_a_cookie_keeps_a_session_and_a_rollback_breaks_it(open_traefik, old, new, ask):
    stage = await open_traefik()
    sticky = {"stickiness": Stickiness(cookie="turnout")}
    await confirmed(stage.adapter, at(old, new, Split(5_000), **sticky))
    sessions = [aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) for _ in range(CLIENTS)]
    try:
        homes = [next(iter(await ask(stage.url, session=session))) for session in sessions]
        assert set(homes) == {(200, old.name), (200, new.name)}
        for session, home in zip(sessions, homes, strict=True):
            assert set(await ask(stage.url, 5, session=session)) == {home}, "a session was moved to another version"
        await confirmed(stage.adapter, at(old, new, Split(0), **sticky))
        for session in sessions:
            assert set(await ask(stage.url, 2, session=session)) == {(200, old.name)}, "a rollback left a session"
    finally:
        for session in sessions:
            await session.close()


async def test_a_share_is_copied_and_clients_see_none_of_it(open_traefik, old, new, ask):
    stage = await open_traefik()
    new.status = 500
    await confirmed(stage.adapter, at(old, new, Split(mirror_bp=2_000)))
    assert set(await ask(stage.url, 500)) == {(200, old.name)}, "a client saw the candidate's answer"

    async def is_counted():
        seen = await looked(stage.adapter)
        return seen is not None and seen.tallies[new.name].requests == 100

    await until(is_counted, "a fifth of the requests is copied and counted for the candidate")
    seen = await looked(stage.adapter)
    assert seen.tallies[new.name].errors == 100
    assert seen.tallies[old.name].errors == 0


async def test_a_candidate_that_is_killed_fails_its_share_and_is_counted(open_traefik, old, new, ask):
    stage = await open_traefik()
    endpoints = new.version.endpoints
    gone = at(old, new, Split(5_000))
    await confirmed(stage.adapter, gone)
    new.close()
    seen = await ask(stage.url, 100)
    assert seen[502, ""] == 50, f"nobody listens at {endpoints}"

    async def is_counted():
        told = await looked(stage.adapter)
        return told is not None and told.tallies[new.name].errors == 50

    await until(is_counted, "the requests that failed are the candidate's errors")


async def test_retries_spare_the_clients_a_candidate_that_is_killed(open_traefik, old, new, ask):
    stage = await open_traefik()
    await confirmed(stage.adapter, at(old, new, Split(5_000), retries=2))
    new.close()
    assert set(await ask(stage.url, 100)) == {(200, old.name)}


async def test_a_share_whose_instances_are_down_goes_to_the_others(open_traefik, old, new, ask):
    stage = await open_traefik(health_check=HealthCheck("/healthz", 1.0, 0.9))
    await confirmed(stage.adapter, at(old, new, Split(5_000)))
    assert is_fair_of(await ask(stage.url, 200), new.name, 5_000)
    new.close()

    async def is_noticed():
        return set(await ask(stage.url, 20)) == {(200, old.name)}

    await until(is_noticed, "clients of a candidate that is down are served by stable")
    assert (await stage.adapter.verify("bot")).proof.value == "applied", "a check of instances is taken for drift"


async def test_an_agent_that_says_nothing_in_time_is_given_up(open_traefik, old, ask):
    stage = await open_traefik()
    held = Assignment("bot", Route(), old.version, request_timeout_s=0.3)
    await confirmed(stage.adapter, held)
    old.is_silent = True
    assert set(await ask(stage.url)) == {(504, "")}
    assert (await stage.adapter.verify("bot")).proof.value == "applied"


async def test_sessions_by_header_are_refused_in_words(open_traefik, old, new):
    stage = await open_traefik()
    receipt = await stage.adapter.apply(
        at(old, new, Split(100), stickiness=Stickiness(header="x-session")), timeout_s=5.0
    )
    assert (receipt.outcome, "by a header" in receipt.detail) == (Applied.REFUSED, True)


def is_fair_of(seen, name, share_bp):
    versions = type(seen)({version: count for (_, version), count in seen.items()})
    return is_fair(versions, name, share_bp)
