"""Sessions: who has begun with a version stays with it, and moves only as the share does."""

import aiohttp

from tests.integration.envoy.stage import Load, acting, agent, gateway, staged

SESSIONS = 150


async def by_header(load: Load, client: aiohttp.ClientSession) -> dict[str, str]:
    """Each session's version, asked twice: a session that is told two versions at one split is torn."""
    versions = {}
    for session in range(SESSIONS):
        first = await load.ask(client, x_session_id=f"session-{session}")
        again = await load.ask(client, x_session_id=f"session-{session}")
        assert first.version == again.version, "a session moved although the split did not"
        versions[session] = first.version
    return versions


def candidates(versions: dict) -> set:
    return {session for session, version in versions.items() if version == "1.1"}


async def test_sessions_by_header_move_only_with_the_share(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    strategy = {"stickiness": {"header": "X-Session-Id"}}
    async with (
        acting("1.0") as stable,
        acting("1.1") as candidate,
        staged(tmp_path, gateway(listen), agent(stable.spec(), candidate.spec(), strategy=strategy)) as stage,
        aiohttp.ClientSession() as client,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        load = Load(f"http://{listen}/", stage.app.pulse)
        before: set[int] = set()
        for percent in (0, 10, 40, 75, 100):
            await stage.split(percent)
            now = candidates(await by_header(load, client))
            assert before <= now, f"a session went back to stable on the way up to {percent} %"
            assert len(before) < len(now) or percent == 0, "no session moved on a larger share"
            before = now
        for percent in (40, 0):
            await stage.split(percent)
            now = candidates(await by_header(load, client))
            assert now < before, f"a session moved to the candidate on the way down to {percent} %"
            before = now
        assert before == set(), "a session was left at the candidate by the rollback"
        assert load.failed == []


async def test_a_session_by_cookie_stays_from_its_first_answer_on(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    strategy = {"stickiness": {"cookie": "turnout"}}
    async with (
        acting("1.0") as stable,
        acting("1.1") as candidate,
        staged(tmp_path, gateway(listen), agent(stable.spec(), candidate.spec(), strategy=strategy)) as stage,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        await stage.split(50)
        url = f"http://{listen}/"
        cookies, first = {}, {}
        for session in range(60):
            async with client.get(url) as response:
                first[session] = await response.text()
                cookies[session] = response.cookies["turnout"].value
        assert set(first.values()) == {"1.0", "1.1"}

        async def versions() -> dict[int, str]:
            found = {}
            for session, cookie in cookies.items():
                async with client.get(url, headers={"cookie": f"other=1; turnout={cookie}"}) as response:
                    assert "turnout" not in response.cookies, "a session that has a cookie was given another"
                    found[session] = await response.text()
            return found

        assert await versions() == first, "a session moved between its first answer and its second"
        await stage.split(80)
        up = candidates(await versions())
        assert candidates(first) <= up, "a session went back to stable on the way up"
        await stage.split(0)
        assert candidates(await versions()) == set()
