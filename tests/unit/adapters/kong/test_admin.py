import pytest

from adapters.kong import admin as module
from adapters.kong.admin import Admin, TokenSource
from adapters.port import GatewayError

from .admin_api import Script, scripted

pytestmark = pytest.mark.timeout(20)


async def failure(script, method="GET", path="/x", **options):
    async with scripted(script, **options) as admin:
        with pytest.raises(GatewayError) as raised:
            await admin.ask(method, path)
    return raised.value


@pytest.mark.parametrize(
    ("status", "body", "code", "retryable"),
    [
        (400, {"message": "schema violation"}, "invalid", False),
        (401, {"message": "Invalid credentials"}, "denied", False),
        (403, {}, "denied", False),
        (404, {"message": "Not found"}, "not-found", False),
        (405, {"message": "cannot update"}, "read-only", False),
        (409, {"message": "UNIQUE violation"}, "conflict", True),
        (415, b"<html>", "invalid", False),
        (302, b"", "invalid", False),
        (500, {"message": "An unexpected error occurred"}, "unreachable", True),
        (200, b"<html>", "invalid", False),
        (200, [], "invalid", False),
        (200, b"[" * 100_000, "invalid", False),
    ],
)
async def test_what_kong_says_no_with_gets_a_code(status, body, code, retryable):
    error = await failure(Script({"GET /x": (status, body)}))
    assert (error.code, error.retryable) == (code, retryable)
    if isinstance(body, dict):
        assert body.get("message", "") in str(error), "nobody reads the gateway's own words"


async def test_nobody_there_is_unreachable():
    async with scripted(Script()) as admin:
        admin.url = "http://127.0.0.1:1"
        with pytest.raises(GatewayError) as raised:
            await admin.root()
    assert (raised.value.code, raised.value.retryable) == ("unreachable", True)


async def test_an_address_that_is_none_is_not_called_a_wrong_token():
    async with scripted(Script()) as admin:
        admin.url = "http://127.0.0.1:99999"
        with pytest.raises(GatewayError) as raised:
            await admin.root()
    assert raised.value.code == "unreachable"


async def test_an_answer_without_a_body_is_none():
    async with scripted(Script({"DELETE /x": (204, b"")})) as admin:
        assert await admin.ask("DELETE", "/x") == {}


async def test_an_answer_is_not_read_for_ever(monkeypatch):
    monkeypatch.setattr(module, "BODY_BYTES_MAX", 1_000)
    assert "longer than" in str(await failure(Script({"GET /x": (200, b" " * 5_000)})))


async def test_a_workspace_is_before_everything_but_the_node_itself():
    script = Script({"GET /team/x": (200, {}), "GET /": (200, {}), "POST /config": (201, {})})
    async with scripted(script, workspace="team") as admin:
        await admin.ask("GET", "/x")
        await admin.root()
        await admin.config({"a": 1})
    assert [path for _, path, _ in script.asked] == ["/team/x", "/", "/config"]


# --- tokens -----------------------------------------------------------------------------------------------------------


async def test_a_token_is_sent_and_never_told(tmp_path, monkeypatch):
    path = tmp_path / "token"
    path.write_text("s3cret-1\n")
    script = Script({"GET /x": [(200, {}), (401, {"message": "no"})]})
    async with scripted(script, token=TokenSource(file=str(path))) as admin:
        await admin.ask("GET", "/x")
        assert script.headers["Kong-Admin-Token"] == "s3cret-1"
        path.write_text("s3cret-2")
        with pytest.raises(GatewayError) as raised:
            await admin.ask("GET", "/x")
        assert script.headers["Kong-Admin-Token"] == "s3cret-2", "a token that was replaced is not taken"
        assert "s3cret" not in str(raised.value)
    monkeypatch.setenv("KONG_TOKEN", "from-env")
    assert TokenSource(env="KONG_TOKEN").read() == "from-env"
    assert TokenSource().read() is None


@pytest.mark.parametrize("content", ["", "\n", "two\nlines", "kéy", "x" * 5_000])
async def test_a_token_that_is_none_is_never_sent(tmp_path, content):
    path = tmp_path / "token"
    path.write_text(content)
    script = Script({"GET /x": (200, {})})
    error = await failure(script, token=TokenSource(file=str(path)))
    assert (error.code, script.asked) == ("denied", [])
    assert not content.strip() or content.strip() not in str(error)


async def test_a_missing_token_is_named_by_its_place(monkeypatch):
    monkeypatch.delenv("KONG_TOKEN", raising=False)
    assert "KONG_TOKEN" in str(await failure(Script(), token=TokenSource(env="KONG_TOKEN")))
    assert "/nowhere/token" in str(await failure(Script(), token=TokenSource(file="/nowhere/token")))


# --- pages ------------------------------------------------------------------------------------------------------------


async def test_pages_are_followed_by_their_offset_alone():
    script = Script(
        {
            "GET /t?size=1000": (200, {"data": [{"id": 1}], "next": "http://evil.test/t?offset=1"}),
            "GET /t?size=1000&offset=1": (200, {"data": [{"id": 2}], "next": "/t?offset=WyI&size=1"}),
            "GET /t?size=1000&offset=WyI": (200, {"data": [], "next": None}),
        }
    )
    async with scripted(script) as admin:
        assert await admin.rows("/t") == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize(
    "page",
    [
        {"data": [], "next": "/t?offset=0&size=0"},
        {"data": [], "next": "/t"},
        {"data": [], "next": 5},
        {"data": [], "next": "/t?offset=%0d%0a"},
        {"data": {}},
        {"data": [1]},
        {},
    ],
)
async def test_a_list_that_never_ends_or_is_none_is_refused(page):
    script = Script({"GET /t?size=1000": (200, page), "GET /t?size=1000&offset=0": (200, page)})
    async with scripted(script) as admin:
        with pytest.raises(GatewayError) as raised:
            await admin.rows("/t")
    assert raised.value.code == "invalid"
    assert len(script.asked) <= 2


async def test_pages_have_a_bound(monkeypatch):
    monkeypatch.setattr(module, "PAGES_MAX", 3)
    script = Script({"GET /t?size=1000": (200, {"data": [], "next": "/t?offset=0"})})
    for index in range(5):
        following = (200, {"data": [], "next": f"/t?offset={index + 1}"})
        script.answers[f"GET /t?size=1000&offset={index}"] = [following]
    async with scripted(script) as admin:
        with pytest.raises(GatewayError, match="more than 3 pages"):
            await admin.rows("/t")


async def test_an_authority_that_cannot_be_read_is_told(tmp_path):
    error = await failure(Script(), ca_file=str(tmp_path / "none.pem"))
    assert error.code == "unreachable"
    assert isinstance(Admin("edge", "http://a/", lambda: None).url, str)
