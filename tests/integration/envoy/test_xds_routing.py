"""What a real Envoy makes of routes: retries, mirrors, sessions, stale and draining endpoints, shared hosts."""

import asyncio
import itertools
from collections import Counter

import pytest

from tests.integration.envoy.xds_stage import WAIT_S, confirmed, edge, get, split, track
from xds.resources import (
    FallbackCluster,
    HashByCookie,
    HashByHeader,
    Health,
    Listener,
    Mirror,
    Retry,
    Route,
    Share,
    Snapshot,
    route_table,
    share_hosts,
)


async def test_retries_hide_a_broken_candidate_and_count_its_errors(
    server, reports, start_envoy, start_agent, free_port
):
    listen = free_port()
    tracks = [
        *track("a/stable", "1", await start_agent("1")),
        *track("a/candidate", "2", await start_agent("2", status=503)),
    ]
    await start_envoy(server.port, node_id="one")
    await confirmed(server, edge(listen, split(500, retry=Retry(retries_max=3)), *tracks))
    await reports.received.get()
    statuses = Counter([(await get(listen))[0] for _ in range(200)])
    assert statuses == {200: 200}, "clients saw the broken candidate"
    await reports.until(lambda sums: sums["a/candidate", "2", "error"] > 0)


async def test_mirrored_requests_reach_the_candidate_and_not_the_client(
    server, reports, start_envoy, start_agent, free_port
):
    listen = free_port()
    tracks = [
        *track("a/stable", "1", await start_agent("1")),
        *track("a/candidate", "2", await start_agent("2", status=500)),
    ]
    await start_envoy(server.port, node_id="one")
    await confirmed(server, edge(listen, split(0, mirrors=(Mirror("a/candidate"),)), *tracks))
    await reports.received.get()
    assert [(await get(listen))[:2] for _ in range(20)] == [(200, "1")] * 20
    await reports.until(lambda sums: sums["a/candidate", "2", "error"] == 20)


async def test_a_session_hashed_by_header_only_moves_to_the_track_that_grows(
    server, start_envoy, start_agent, free_port
):
    listen = free_port()
    tracks = [
        *track("a/stable", "1", await start_agent("1")),
        *track("a/candidate", "2", await start_agent("2")),
    ]
    await start_envoy(server.port, node_id="one")
    sessions = [f"session-{i}" for i in range(60)]
    before = dict.fromkeys(sessions, "1")
    for candidate_bp in (1_000, 5_000, 10_000):
        await confirmed(server, edge(listen, split(candidate_bp, hash_by=HashByHeader("x-session-id")), *tracks))
        now = {session: (await get(listen, x_session_id=session))[1] for session in sessions}
        assert all(now[s] == "2" for s in sessions if before[s] == "2"), "a session moved back on a ramp"
        before = now
    assert set(before.values()) == {"2"}


async def test_a_session_hashed_by_cookie_stays_from_its_first_request_on(server, start_envoy, start_agent, free_port):
    listen = free_port()
    tracks = [
        *track("a/stable", "1", await start_agent("1")),
        *track("a/candidate", "2", await start_agent("2")),
    ]
    await start_envoy(server.port, node_id="one")
    await confirmed(server, edge(listen, split(5_000, hash_by=HashByCookie("turnout")), *tracks))
    seen = set()
    for _ in range(20):
        _, version, headers = await get(listen)
        assert headers["set-cookie"], "no cookie was made, so nobody can stay anywhere"
        cookie = f"other=1; {headers['set-cookie'].partition(';')[0]}; more=2"
        for _ in range(5):
            _, again, headers = await get(listen, cookie=cookie)
            assert again == version, "a session with a cookie was moved"
            assert headers["set-cookie"] is None, "a session was given a second cookie"
        seen.add(version)
    assert seen == {"1", "2"}


async def test_a_candidate_whose_endpoints_go_stale_falls_back_to_stable(server, start_envoy, start_agent, free_port):
    listen = free_port()
    stable = track("a/stable", "1", await start_agent("1"))
    cluster, endpoints = track("a/candidate", "2", await start_agent("2"), stale_after_s=1.0)
    slot = FallbackCluster("a/slot", ("a/candidate", "a/stable")).resource()
    route = Route("/", (Share("a/stable", 0), Share("a/slot", 10_000)))
    await start_envoy(server.port, node_id="one")
    snapshot = edge(listen, route, *stable, cluster, endpoints, slot)
    serials = itertools.count()

    async def until_candidate(what):
        """On a slow machine fresh endpoints may be stale again before a request comes to them."""
        try:
            async with asyncio.timeout(WAIT_S):
                answer = None
                while answer != (200, "2"):
                    await confirmed(server, snapshot.replace(endpoints.refreshed(next(serials))))
                    answer = (await get(listen))[:2]
        except TimeoutError:
            pytest.fail(what)

    await until_candidate("a candidate whose endpoints are fresh got nothing")
    async with asyncio.timeout(WAIT_S):
        while (answer := await get(listen))[1] == "2":
            assert answer[0] == 200, "the dead-man switch failed a request"
    assert answer[:2] == (200, "1")
    await until_candidate("a refresh did not bring the candidate back")


async def test_an_endpoint_that_drains_gets_no_more_requests(server, start_envoy, start_agent, free_port):
    listen = free_port()
    port = await start_agent("1")
    await start_envoy(server.port, node_id="one")
    route = Route("/", (Share("a/stable", 10_000),))
    await confirmed(server, edge(listen, route, *track("a/stable", "1", port)))
    assert (await get(listen))[0] == 200
    await confirmed(server, edge(listen, route, *track("a/stable", "1", port, Health.DRAINING)))
    assert (await get(listen))[0] == 503, "a draining endpoint was used for want of others"


async def test_hosts_are_shared_longest_prefix_first(server, start_envoy, start_agent, free_port):
    listen = free_port()
    tracks = [
        *track("a/stable", "a", await start_agent("a")),
        *track("b/stable", "b", await start_agent("b")),
    ]
    claims = [
        (["agents.test"], Route("/v1", (Share("a/stable", 10_000),))),
        (["agents.test", "other.test"], Route("/v1/b", (Share("b/stable", 10_000),))),
    ]
    await start_envoy(server.port, node_id="one")
    snapshot = Snapshot.of(
        [
            Listener("edge", "127.0.0.1", listen, "edge").resource(),
            route_table("edge", share_hosts(claims), validate_clusters=True),
            *tracks,
        ]
    )
    await confirmed(server, snapshot)

    async def answer(path, host):
        status, body, _ = await get(listen, path, host=host)
        return body if status == 200 else status

    assert await answer("/v1/b/x?y=1", "agents.test") == "b"
    assert await answer("/v1/bother", "agents.test") == "a", "a prefix matched half a segment"
    assert await answer("/v1", "agents.test") == "a"
    assert await answer("/v1/b", "other.test") == "b"
    assert await answer("/v1", "other.test") == 404
    assert await answer("/v1", "unknown.test") == 404
