"""The controller's API, as docs/api.md describes it, seen by a pipeline."""

from __future__ import annotations

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.demo.pipeline import Pipeline, PipelineError, all_back, moment_of
from controller.demo.scene import version
from controller.demo.timeline import Moment

NEWS = {
    "number": 4,
    "at": "2026-01-31T12:00:00.250Z",
    "agent": "code-assistant",
    "what": "step",
    "text": "step 1 of 3",
    "facts": {"phase": "health-check", "candidate_percent": 1.0},
}
STEP = Moment(1769860800.25, 5.0, "step", "step 1 of 3", 1.0)


class Api:
    def __init__(self):
        self.proposed = None
        self.lines = f": hello\n\nevent: step\nid: 4\ndata: {json.dumps(NEWS)}\n\n"

    def application(self):
        app = web.Application()
        app.router.add_post("/v1/proposals", self.propose)
        app.router.add_get("/v1/events", self.events)
        return app

    async def propose(self, request):
        self.proposed = await request.json()
        if self.proposed["agent"] != "code-assistant":
            return web.json_response({"code": "not-found", "detail": "no such agent"}, status=404)
        return web.json_response({"id": "p1"}, status=201)

    async def events(self, request):
        return web.Response(text=self.lines, content_type="text/event-stream")


@pytest.fixture
async def api():
    return Api()


@pytest.fixture
async def pipeline(api):
    async with TestServer(api.application()) as server, Pipeline(str(server.make_url("")), lambda: 5.0) as pipeline:
        yield pipeline


async def test_a_proposal_holds_what_the_api_takes(pipeline, api):
    assert await pipeline.propose("code-assistant", version("1.3.0", 3001), score=0.97, summary="better") == "p1"
    assert api.proposed == {
        "agent": "code-assistant",
        "version": "1.3.0",
        "endpoints": ["127.0.0.1:3001"],
        "drain_url": "http://127.0.0.1:3001/drain",
        "verification_score": 0.97,
        "summary": "better",
    }


async def test_a_refusal_is_told_in_the_controllers_words(pipeline):
    with pytest.raises(PipelineError, match="404: no such agent"):
        await pipeline.propose("nobody", version("1.3.0", 3001), score=0.97, summary="")


async def test_a_path_that_is_not_there_is_an_error(pipeline):
    with pytest.raises(PipelineError, match="404"):
        await pipeline.agent("code-assistant")


async def test_news_is_heard_and_its_end_is_an_error(pipeline):
    async with pipeline.news("code-assistant") as news:
        assert await anext(news) == STEP
        with pytest.raises(PipelineError, match="ended"):
            await anext(news)


async def test_news_that_makes_no_sense_is_an_error(pipeline, api):
    api.lines = "data: ?\n\n"
    async with pipeline.news("code-assistant") as news:
        with pytest.raises(PipelineError, match="broke off"):
            await anext(news)


async def test_a_controller_that_tells_no_news_is_an_error(unused_tcp_port):
    async with Pipeline(f"http://127.0.0.1:{unused_tcp_port}") as pipeline:
        with pytest.raises(PipelineError, match="/v1/events"):
            await pipeline.news("code-assistant").__aenter__()


def test_news_of_others_is_not_ours():
    assert moment_of({**NEWS, "agent": ""}, "code-assistant", 5.0) is None
    assert moment_of(NEWS, "code-assistant", 5.0) == STEP


def agent(phase, *percents):
    splits = [None if percent is None else {"candidate_percent": percent} for percent in percents]
    return {"phase": phase, "gateways": [{"confirmed": split} for split in splits]}


def test_a_rollback_is_confirmed_by_every_gateway_or_not_at_all():
    assert all_back(agent("rolling-back", 0.0, 0.0))
    assert all_back(agent("rolled-back", 0.0))
    assert not all_back(agent("rolling-back", 0.0, 10.0)), "one gateway would still send requests to it"
    assert not all_back(agent("rolling-back", None)), "set would pass for applied"
    assert not all_back(agent("rolling-back")), "nobody's word would pass for everybody's"
    assert not all_back(agent("health-check", 0.0))
