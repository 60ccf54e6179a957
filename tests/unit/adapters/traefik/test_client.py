import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.port import GatewayError
from adapters.traefik import client as module
from adapters.traefik.client import Client, Credential
from tests.unit.adapters.traefik.program import running

SECRET = "Basic c2VjcmV0"


async def failure(work):
    with pytest.raises(GatewayError) as raised:
        await work
    return raised.value


async def test_a_part_is_shown_by_its_name():
    async with running(http={"services": {"turnout.bot.1.0+x~": {"weighted": {}}}}) as program:
        client = Client("edge", program.url + "/", f"{program.url}/metrics")
        shown = await client.part("services", "turnout.bot.1.0+x~@file")
        assert shown["status"] == "enabled", "a version with a + in its name could never be confirmed"
        assert await client.part("routers", "turnout.bot@file") is None
        assert await client.version() == "3.7.15"
        assert await client.metrics() == ""
        await client.close()
        assert (await failure(client.version())).code == "unreachable"


@pytest.mark.parametrize(
    ("status", "code"), [(401, "denied"), (403, "denied"), (404, "not-found"), (500, "invalid"), (301, "invalid")]
)
async def test_what_is_no_answer_has_a_code(status, code):
    async with running(status=status) as program:
        client = Client("edge", program.url, f"{program.url}/metrics")
        for work in (client.part("services", "x@file"), client.version(), client.metrics()):
            error = await failure(work)
            assert (error.code, error.retryable, error.gateway) == (code, True, "edge")
        await client.close()


async def test_nobody_there_is_unreachable(unused_tcp_port):
    client = Client("edge", f"http://127.0.0.1:{unused_tcp_port}", f"http://127.0.0.1:{unused_tcp_port}/metrics")
    assert (await failure(client.metrics())).code == "unreachable"
    await client.close()


async def test_one_that_does_not_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(module, "REQUEST_TIMEOUT_S", 0.05)
    heard = asyncio.Event()

    async def silent(_reader, writer):
        await heard.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = Client("edge", url, url)
        error = await failure(client.metrics())
        assert error.code == "unreachable"
        assert str(error) != f"edge: {url}: ", "nobody is told why"
        await client.close()
        heard.set()


async def test_an_answer_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr(module, "PAGE_BYTES_MAX", 1_000)
    async with running(page="x" * 100_000) as program:
        client = Client("edge", program.url, f"{program.url}/metrics")
        assert (await failure(client.metrics())).code == "invalid"
        await client.close()


@given(st.binary(max_size=60) | st.sampled_from([b"[]", b"null", b"{}", b"[" * 100_000]))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_an_answer_may_be_anything(raw):
    async with running(raw=raw or b" ") as program:
        client = Client("edge", program.url, f"{program.url}/metrics")
        assert (await failure(client.part("services", "x@file"))).code == "invalid"
        assert isinstance(await client.metrics(), str)
        assert (await failure(client.version())).code == "invalid"
        await client.close()


async def test_a_version_that_is_no_text_is_none():
    async with running(raw=b'{"Version": 3}') as program:
        client = Client("edge", program.url, f"{program.url}/metrics")
        assert (await failure(client.version())).code == "invalid"
        await client.close()


async def test_a_credential_is_sent_and_may_change(tmp_path, monkeypatch):
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    monkeypatch.setenv("A_SECRET", "Bearer x")
    async with running() as program:
        for credential, value in ((Credential(file=str(secret)), SECRET), (Credential(env="A_SECRET"), "Bearer x")):
            client = Client("edge", program.url, f"{program.url}/metrics", credential)
            await client.version()
            assert program.authorizations[-1] == value
            await client.close()


@pytest.mark.parametrize("text", ["", "two\nlines", "café"])
async def test_a_credential_that_is_none_is_told_without_telling_it(tmp_path, text):
    secret = tmp_path / "secret"
    secret.write_text(text)
    for credential in (
        Credential(file=str(secret)),
        Credential(file=str(tmp_path / "gone")),
        Credential(env="NO_SUCH"),
    ):
        client = Client("edge", "http://127.0.0.1:1", "http://127.0.0.1:1/metrics", credential)
        error = await failure(client.version())
        assert error.code == "denied"
        assert not text or text not in str(error)
        await client.close()
