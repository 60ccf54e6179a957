import asyncio

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from adapters.openresty.control import ANSWER_BYTES_MAX, CODES, Control, TokenAt
from adapters.port import GatewayError

from .endpoint import TOKEN, as_json, serving


@pytest.fixture
def token(tmp_path):
    file = tmp_path / "token"
    file.write_text(f"  {TOKEN}\n")
    return TokenAt(file=str(file))


@pytest.fixture
async def nginx():
    async with serving() as found:
        yield found


@pytest.fixture
async def control(nginx, token):
    found = Control("edge", nginx.url, token, 2.0)
    yield found
    await found.close()


def answering(status=200, text="", **more):
    async def answer(request, body):
        return web.Response(status=status, text=text, **more)

    return answer


async def refused(control, *arguments, **more):
    with pytest.raises(GatewayError) as raised:
        await control.ask(*arguments, **more)
    return raised.value


async def test_a_request_and_its_answer(control, nginx):
    status, answer = await control.ask("GET", "/agents", by="a b&c", nothing=None)
    assert (status, answer["nginx"]) == (200, "1.22.1")
    assert nginx.asked == [("GET", "/agents?by=a+b%26c", None)]


async def test_a_unix_socket_does_as_well(tmp_path, token):
    async with serving(str(tmp_path / "socket")) as nginx:
        control = Control("edge", nginx.url, token, 2.0)
        assert (await control.ask("GET", "/agents"))[0] == 200
        await control.close()
        await control.close()


async def test_a_conflict_is_an_answer(control, nginx):
    async def conflict(request, body):
        return as_json(409, {"generation": 7})

    nginx.override = conflict
    assert await control.ask("PUT", "/agents/bot", {}) == (409, {"generation": 7})


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 500, 502, 503, 507])
async def test_a_status_becomes_a_code(control, nginx, status):
    async def answer(request, body):
        return as_json(status, {"detail": "these very words"})

    nginx.override = answer
    error = await refused(control, "GET", "/agents")
    assert (error.code, error.retryable) == (CODES.get(status, "unreachable"), status not in CODES)
    assert "these very words" in str(error), "nobody would know what nginx minds"


@pytest.mark.parametrize("text", ["", "<html>", "[]", "3", "[" * 100_000])
async def test_what_is_no_json_object_is_somebody_else(control, nginx, text):
    nginx.override = answering(text=text)
    error = await refused(control, "GET", "/agents")
    assert error.code == "invalid"
    assert "Lua" in str(error)


async def test_a_redirect_is_not_followed_with_our_token(control, nginx):
    nginx.override = answering(302, headers={"location": nginx.url})
    assert (await refused(control, "GET", "/agents")).code == "unreachable"
    assert len(nginx.asked) == 1, "whoever redirects would get the token"


async def test_an_endless_answer_is_cut(control, nginx):
    nginx.override = answering(text="x" * (ANSWER_BYTES_MAX + 1))
    assert "longer than" in str(await refused(control, "GET", "/agents"))


async def test_no_answer_in_time_may_have_been_done(control, nginx):
    release = asyncio.Event()

    async def later(request, body):
        await release.wait()
        return as_json(200, {})

    nginx.override = later
    error = await refused(control, "PUT", "/agents/bot", {}, timeout_s=0.05)
    release.set()
    assert (error.code, error.retryable) == ("unconfirmed", True), "it may have been done, and nobody would look"


async def test_nobody_is_there(token, tmp_path):
    missing = tmp_path / "socket"
    control = Control("edge", f"unix:{missing}", token, 2.0)
    error = await refused(control, "GET", "/agents")
    await control.close()
    assert (error.code, error.retryable) == ("unreachable", True)
    assert str(missing) in str(error)
    assert "No such file" in str(error)


async def test_a_wrong_token_is_denied_and_not_told(nginx, tmp_path):
    file = tmp_path / "token"
    file.write_text("quite-another-secret")
    control = Control("edge", nginx.url, TokenAt(file=str(file)), 2.0)
    error = await refused(control, "GET", "/agents")
    await control.close()
    assert error.code == "denied"
    assert "quite-another-secret" not in str(error)


def test_a_token_is_read_from_where_the_settings_say(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_TOKEN", " from-the-environment ")
    assert TokenAt(variable="EDGE_TOKEN").read() == "from-the-environment"
    file = tmp_path / "token"
    for odd in ("", "  \n", "two\nlines", "ümlaut", "x" * 5_000):
        file.write_text(odd)
        with pytest.raises(ValueError, match="there is no token in"):
            TokenAt(file=str(file)).read()
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not a text"):
        TokenAt(file=str(file)).read()
    with pytest.raises(ValueError, match="No such file"):
        TokenAt(file=str(tmp_path / "nothing")).read()
    with pytest.raises(ValueError, match="there is no token in NO_SUCH"):
        TokenAt(variable="NO_SUCH").read()


@given(status=st.integers(200, 599), raw=st.binary(max_size=50))
def test_no_answer_breaks_it(status, raw):
    control = Control("edge", "http://127.0.0.1:1", TokenAt(), 1.0)
    try:
        found, answer = control._read(status, raw)
    except GatewayError as error:
        code = error.code
    else:
        assert found in {200, 409}
        assert isinstance(answer, dict)
        return
    assert code in {"unreachable", *CODES.values()}
