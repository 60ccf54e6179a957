"""On a real clock and a real socket: an HTTP client knows no virtual time."""

from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.port import Version
from controller.runtime.drain_call import DrainCaller


@asynccontextmanager
async def agent(status=204):
    """An agent that answers a call to drain with `status`; what it was asked."""
    asked = []

    async def answer(request):
        asked.append((request.method, request.path, dict(request.query)))
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(application, host="127.0.0.1") as server:
        caller = DrainCaller()
        try:
            yield caller, str(server.make_url("/drain?why=rollback")), asked
        finally:
            await caller.close()


def version(url):
    return Version("1.2.3", ("127.0.0.1:1",), drain_url=url)


async def test_a_version_is_told_how_long_it_has():
    async with agent() as (caller, url, asked):
        await caller(version(url), 12.5)
    assert asked == [("POST", "/drain", {"why": "rollback", "deadline_s": "12.500"})]


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_an_answer_that_is_no_yes_is_an_error(status):
    async with agent(status) as (caller, url, asked):
        with pytest.raises(OSError, match=str(status)):
            await caller(version(url), 1.0)
        assert len(asked) == 1, "an agent could send the controller wherever it likes"


async def test_nobody_there_is_an_error_of_the_same_kind():
    async with agent() as (_, url, _):
        pass
    caller = DrainCaller()
    with pytest.raises(OSError, match=r".+"):
        await caller(version(url), 1.0)
    await caller.close()


async def test_one_that_was_never_used_closes():
    await DrainCaller().close()
