import aiohttp
import pytest

from controller.cli import connection as module
from controller.cli.connection import Event, connect, parse_events, segment
from controller.cli.failure import Exit, Failure
from controller.cli.options import Target
from tests.unit.controller.cli.fake import HangUp, Raw, Refusal, Silence, news, stream


async def fail(fake, method="get", *words, **given):
    async with connect(Target(fake.url)) as connection:
        with pytest.raises(Failure) as failure:
            await getattr(connection, method)(*(words or ("/x",)), **given)
    return failure.value


async def test_an_answer_is_json(fake):
    fake.answers("GET", "/x", {"a": 1})
    async with connect(Target(fake.url)) as connection:
        assert await connection.get("/x", limit=5) == {"a": 1}
    assert fake.last.query == {"limit": "5"}


async def test_an_empty_answer_is_nothing(fake):
    fake.answers("DELETE", "/x", None)
    async with connect(Target(fake.url)) as connection:
        assert await connection.change("DELETE", "/x", {}) is None


async def test_what_was_seen_is_sent_as_a_condition(fake):
    fake.answers("PUT", "/x", {})
    async with connect(Target(fake.url)) as connection:
        await connection.change("PUT", "/x", {"a": 1}, seen=7)
        await connection.change("PUT", "/x", {"a": 1})
    assert fake.asked[0].headers["If-Match"] == '"7"'
    assert "If-Match" not in fake.asked[1].headers


async def test_a_problem_is_a_refusal(fake):
    fake.answers("GET", "/x", Refusal(409, {"detail": "no", "code": "conflict"}))
    failure = await fail(fake)
    assert (failure.exit_code, failure.code, failure.what) == (Exit.REFUSED, "conflict", "no")
    assert "GET /x" in failure.where


@pytest.mark.parametrize(
    "answer",
    [
        HangUp(),
        Raw(b"<html>"),
        Raw(b"<html>", status=404),
        Raw(b"not json", status=500, content_type="application/problem+json"),
        Raw(status=302, headers={"Location": "/elsewhere"}),
    ],
    ids=["hangs up", "html", "404 of another server", "broken problem", "redirect"],
)
async def test_what_is_not_a_controller_is_not_reached(fake, answer):
    fake.answers("GET", "/x", answer)
    failure = await fail(fake)
    assert failure.exit_code == Exit.UNREACHABLE
    assert {asked.path for asked in fake.asked} == {"/x"}, "a token must not follow a redirect to another place"


async def test_an_answer_without_end_is_cut_off(fake, monkeypatch):
    monkeypatch.setattr(module, "BODY_BYTES_MAX", 1000)
    fake.answers("GET", "/x", Raw(b'"' + b"x" * 2000 + b'"', content_type="application/json"))
    assert "larger than" in (await fail(fake)).what


async def test_nobody_there(unused_tcp_port):
    async with connect(Target(f"http://127.0.0.1:{unused_tcp_port}")) as connection:
        with pytest.raises(Failure) as failure:
            await connection.get("/x")
    assert failure.value.exit_code == Exit.UNREACHABLE
    assert "refused" in failure.value.what
    assert "turnout run" in failure.value.remedy


async def test_a_controller_that_does_not_answer_in_time(fake):
    fake.answers("POST", "/x", Silence())
    assert "in time" in (await fail(fake, "post", timeout_s=0.05)).what


async def test_who_types_is_told_to_a_controller_that_asks_for_no_token(fake, monkeypatch):
    fake.answers("GET", "/x", {})
    monkeypatch.setenv("LOGNAME", "ann")
    for token, actor in ((None, "ann"), ("turnout_abc", None)):
        async with connect(Target(fake.url, token)) as connection:
            await connection.get("/x")
        assert fake.last.headers.get("X-Turnout-Actor") == actor


@pytest.mark.parametrize("name", ["x" * 65, "ann\r\nX-Evil: 1", "\N{SNOWMAN}"])
async def test_an_odd_login_name_is_kept_to_oneself(fake, monkeypatch, name):
    fake.answers("GET", "/x", {})
    monkeypatch.setenv("LOGNAME", name)
    async with connect(Target(fake.url)) as connection:
        await connection.get("/x")
    assert "X-Turnout-Actor" not in fake.last.headers


async def test_a_number_without_a_name_is_nobody(fake, monkeypatch):
    def nobody():
        raise KeyError("getpwuid(): uid not found: 10001")

    fake.answers("GET", "/x", {})
    monkeypatch.setattr(module.getpass, "getuser", nobody)
    async with connect(Target(fake.url)) as connection:
        await connection.get("/x")
    assert "X-Turnout-Actor" not in fake.last.headers


async def test_events_come_with_their_numbers(fake):
    fake.answers("GET", "/v1/events", stream(news(6), news(7, "rolling-back", "breach")))
    async with connect(Target(fake.url)) as connection:
        heard = [event async for event in connection.events("5")]
    assert [(event.kind, event.id, event.data["text"]) for event in heard] == [
        ("step", "6", "step 2 of 3: 10 % candidate"),
        ("rolling-back", "7", "breach"),
    ]
    assert fake.last.headers["Last-Event-ID"] == "5"


async def parsed(*lines):
    async def given():
        for line in lines:
            yield line

    return [event async for event in parse_events(given())]


async def test_events_may_have_comments_several_lines_and_no_name():
    lines = (
        b": hello\n",
        b"\n",
        b"data: {\n",
        b"data:}\r\n",
        b"\n",
        b"event: x\n",
        b"\n",
        b"id: 3\n",
        b"data: 1\n",
        b"\n",
    )
    assert await parsed(*lines) == [Event("message", "", {}), Event("x", "3", 1)]


async def test_an_event_that_is_not_json_breaks_the_stream():
    with pytest.raises(aiohttp.ClientPayloadError):
        await parsed(b"data: {\n", b"\n")


async def test_an_event_without_end_breaks_the_stream(monkeypatch):
    monkeypatch.setattr(module, "EVENT_BYTES_MAX", 10)
    with pytest.raises(aiohttp.ClientPayloadError):
        await parsed(b"data: 12345678\n", b"data: 12345678\n")


def test_a_name_is_one_part_of_a_path():
    assert segment("../x y?") == "..%2Fx%20y%3F"
