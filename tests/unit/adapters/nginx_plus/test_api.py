import aiohttp
import pytest
from aiohttp import web

from adapters.nginx_plus import api as module
from adapters.nginx_plus.api import Api, Authorization
from adapters.port import GatewayError
from tests.contract.simulators.forwarding import port_of, serve


@pytest.fixture
async def answering():
    """An API that answers ``answer``, (status, body); what it is asked is in ``asked``."""

    class Answering:
        answer = (200, b"{}")
        asked = ()

        async def serve(self, request):
            self.asked = [request.method, request.path, dict(request.headers)]
            status, body = self.answer
            return web.Response(status=status, body=body)

        def api(self, **options):
            return Api("edge", self.url, lambda: session, **options)

    found = Answering()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.serve)
    runner = await serve(app, 0)
    found.url = f"http://127.0.0.1:{port_of(runner)}/api"
    async with aiohttp.ClientSession() as session:
        yield found
    await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, b'{"error": {"text": "invalid weight", "code": "UpstreamBadWeight"}}', "invalid"),
        (400, b'{"error": {"text": "upstream is static", "code": "UpstreamStatic"}}', "invalid"),
        (401, b"<html>", "denied"),
        (403, b"<html>", "denied"),
        (404, b'{"error": {"text": "upstream not found", "code": "UpstreamNotFound"}}', "not-found"),
        (405, b'{"error": {"text": "method disabled", "code": "MethodDisabled"}}', "read-only"),
        (409, b'{"error": "exists"}', "conflict"),
        (415, b'{"error": {"text": "json error", "code": "JsonError"}}', "invalid"),
        (502, b"<html>", "unreachable"),
        (200, b"<html>", "invalid"),
        (302, b"", "invalid"),
    ],
)
async def test_what_nginx_says_no_with_gets_a_code(answering, status, body, code):
    answering.answer = (status, body)
    with pytest.raises(GatewayError) as raised:
        await answering.api().ask("GET", "/x")
    assert raised.value.code == code
    assert status < 300 or str(status) in str(raised.value), "nobody reads the gateway's own words"


async def test_the_version_is_ours_and_no_body_is_none(answering):
    answering.answer = (204, b"")
    assert await answering.api().ask("PATCH", "/http/keyvals/z", {"a": "1"}) is None
    assert answering.asked[:2] == ["PATCH", "/api/9/http/keyvals/z"]
    assert answering.asked[2]["Content-Type"] == "application/json"


async def test_nobody_there_is_unreachable_and_an_answer_is_not_read_for_ever(answering, monkeypatch):
    api = answering.api()
    monkeypatch.setattr(module, "BODY_BYTES_MAX", 100)
    answering.answer = (200, b" " * 500)
    with pytest.raises(GatewayError, match="longer than"):
        await api.ask("GET", "/x")
    api.url = "http://127.0.0.1:1/api"
    with pytest.raises(GatewayError) as raised:
        await api.ask("GET", "/x")
    assert (raised.value.code, raised.value.retryable) == ("unreachable", True)


async def test_the_authorization_is_sent_and_never_told(answering, tmp_path, monkeypatch):
    path = tmp_path / "authorization"
    path.write_text("Basic s3cret\n")
    await answering.api(authorization=Authorization(file=str(path))).ask("GET", "/x")
    assert answering.asked[2]["Authorization"] == "Basic s3cret"
    path.write_text("Basic s3cret\nx")
    answering.asked = None
    with pytest.raises(GatewayError) as raised:
        await answering.api(authorization=Authorization(file=str(path))).ask("GET", "/x")
    assert answering.asked is None
    assert "s3cret" not in str(raised.value)
    monkeypatch.delenv("NGINX_AUTHORIZATION", raising=False)
    for missing in (Authorization(env="NGINX_AUTHORIZATION"), Authorization(file="/nowhere/x")):
        with pytest.raises(GatewayError) as raised:
            await answering.api(authorization=missing).ask("GET", "/x")
        assert raised.value.code == "denied"


async def test_an_address_that_is_none_is_not_called_a_wrong_password(answering):
    answering.url = "http://127.0.0.1:99999/api"
    with pytest.raises(GatewayError) as raised:
        await answering.api().ask("GET", "/x")
    assert raised.value.code == "unreachable"
