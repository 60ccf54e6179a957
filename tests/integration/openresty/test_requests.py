"""What becomes of a request: which agent, which version, which session, what is tried again."""

from dataclasses import replace

from adapters.port import Assignment, HeaderMatch, Route, Stickiness, Version
from tests.contract.play import confirmed

SESSIONS = [f"session-{number}" for number in range(300)]


async def test_sessions_move_only_towards_the_track_that_grows(scene):
    on_candidate: set[str] = set()
    for candidate_bp in (1_000, 3_000, 6_000):
        await scene.apply(candidate_bp, stickiness=Stickiness(header="X-Session-Id"))
        for _ in range(2):
            now = {session for session in SESSIONS if (await scene.ask(x_session_id=session))[1] == "1.1.0"}
            assert on_candidate <= now, "a session that had moved to the candidate was sent back while its share grew"
            on_candidate = now
        assert abs(len(now) / len(SESSIONS) - candidate_bp / 10_000) < 0.12, f"{len(now)} sessions at {candidate_bp} bp"
    await scene.apply(0, stickiness=Stickiness(header="X-Session-Id"))
    assert {(await scene.ask(x_session_id=session))[1] for session in SESSIONS[:50]} == {"1.0.0"}, (
        "a rollback left sessions on the candidate"
    )


async def test_a_session_gets_a_cookie_and_keeps_its_version(scene):
    scene.old.headers["set-cookie"] = scene.new.headers["set-cookie"] = "own=1"
    await scene.apply(5_000, stickiness=Stickiness(cookie="turnout"))
    for _ in range(20):
        _, version, headers = await scene.ask()
        own, ours = headers.getall("set-cookie")
        assert own == "own=1", "the agent's own cookie was lost"
        name, _, value = ours.partition(";")[0].partition("=")
        assert (name, "HttpOnly" in ours) == ("turnout", True)
        for _ in range(3):
            _, again, headers = await scene.ask(cookies={"turnout": value})
            assert again == version, "a session changed its version while the split stood"
            assert len(headers.getall("set-cookie")) == 1, "a session that has a cookie gets another one"


async def test_a_request_finds_its_agent(scene):
    def agent(name, version, **route) -> Assignment:
        return Assignment(name, Route(**route), version)

    old, new = scene.old.version(), scene.new.version()
    for assignment in (
        agent("any", old, hosts=("*",)),
        agent("prefix", new, hosts=("*",), path_prefix="/v1"),
        agent("host", new, hosts=("a.example.com",)),
        agent("suffix", new, hosts=("*.example.org",), path_prefix="/x"),
        agent("header", new, hosts=("*",), headers=(HeaderMatch("x-kind", "Code"),)),
    ):
        await confirmed(scene.adapter, assignment)
    await scene.adapter.remove("bot")
    for path, headers, status, version in (
        ("", {}, 200, "1.0.0"),
        ("v1", {}, 200, "1.1.0"),
        ("v1/x?q=/v2", {}, 200, "1.1.0"),
        ("v10", {}, 200, "1.0.0"),
        ("", {"host": "A.example.com:80"}, 200, "1.1.0"),
        ("", {"host": "b.example.com"}, 200, "1.0.0"),
        ("x", {"host": "deep.b.example.org"}, 200, "1.1.0"),
        ("y", {"host": "b.example.org"}, 404, None),
        ("", {"x_kind": "Code"}, 200, "1.1.0"),
        ("", {"x_kind": "code"}, 200, "1.0.0"),
    ):
        told = await scene.ask(path, **headers)
        assert told[0] == status, (path, headers, told)
        assert version in {None, told[1]}, f"{path} {headers} was answered by {told[1]}, not {version}"
    assert scene.new.seen[1] == "/v1/x", "the agent saw another path than its client asked for"


async def test_without_retries_a_failure_is_the_clients(scene):
    scene.new.status = 503
    await scene.apply(10_000)
    assert [(await scene.ask())[0] for _ in range(5)] == [503] * 5
    assert await scene.versions(1) == {"1.1.0": 1}


async def test_what_is_tried_again_counts_where_it_failed(scene):
    scene.new.status = 503
    await scene.apply(5_000, retries=3)
    statuses = [(await scene.ask())[0] for _ in range(100)]
    assert statuses.count(503) < 25, "hardly anything was tried again on the other version"
    old, new = await scene.seen("1.0.0"), await scene.seen("1.1.0")
    assert old.requests == statuses.count(200)
    assert old.errors == 0
    assert new.errors == new.requests == len(scene.new.seen) > 25, "errors that clients did not see went uncounted"
    posts = [(await scene.ask(method="POST"))[0] for _ in range(40)]
    assert posts.count(503) > 5, "a POST that an agent may have acted upon was sent twice"
    await scene.in_flight("1.0.0", 0)
    await scene.in_flight("1.1.0", 0)


async def test_a_dead_instance_is_passed_by_where_retries_are_allowed(scene):
    version = Version("1.0.0", ("127.0.0.1:1", scene.old.endpoint))
    await confirmed(scene.adapter, replace(scene.at(0), stable=version, retries=1))
    assert {(await scene.ask())[0] for _ in range(40)} == {200}
    assert (await scene.seen("1.0.0")).errors > 0


async def test_a_request_has_its_time(scene, silent):
    hanging = Version("1.1.0", (silent,))
    await scene.apply(10_000, candidate=hanging, request_timeout_s=0.3)
    assert (await scene.ask())[0] == 504
    await scene.apply(0, request_timeout_s=0.5)
    async with scene.stream() as response:
        assert response.status == 200
        rest = b""
        try:
            async for piece in response.content.iter_any():
                rest += piece
        except OSError as error:
            ended = error
        except Exception as error:  # noqa: BLE001 - any way to see a stream that is cut will do
            ended = error
    assert ended
    assert b"end" not in rest, "a stream went on beyond the time of its request"
