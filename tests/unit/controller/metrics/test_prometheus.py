"""Asking a Prometheus: together, within limits, and with a typed error for each way in which it can fail."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.port import Track
from controller.analysis.counters import Cumulative, Series
from controller.metrics import prometheus
from controller.metrics.prometheus import Prometheuses, name_of
from controller.metrics.promql import Query
from controller.metrics.sources import SourceError

JUDGED = {"1.3.0": Track.CANDIDATE, "1.2.3": Track.STABLE}


class Fake:
    """Answers queries with `values`; a query that is not there returns nothing."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.asked: list[str] = []
        self.status = 200
        self.body: bytes | None = None
        self.hangs = False
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        query = (await request.post())["query"]
        self.asked.append(query)
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        found = [{"metric": {"pod": "a"}, "value": [1.0, str(self.values[query])]}] if query in self.values else []
        body = {"status": "success", "data": {"resultType": "vector", "result": found}}
        return web.Response(status=self.status, body=self.body or json.dumps(body).encode())


@pytest.fixture
async def fake() -> AsyncIterator[Fake]:
    fake = Fake()
    app = web.Application()
    app.router.add_post("/prom/api/v1/query", fake.answer)
    async with TestServer(app) as server:
        fake.url = f"http://127.0.0.1:{server.port}/prom"
        yield fake


@asynccontextmanager
async def asking():
    found = Prometheuses()
    try:
        yield found
    finally:
        await found.close()


def query(fake, name="tasks", every_s=15.0):
    return Query(name, fake.url, f"{name}_bad{{{{version}}}}", f"{name}_total{{{{version}}}}", every_s)


async def test_every_version_is_asked_for_and_counted(fake):
    tasks = query(fake)
    async with asking() as prometheuses:
        (source,) = prometheuses.sources("mail", [tasks])
        fake.values = {"tasks_bad1.3.0": 0, "tasks_total1.3.0": 10, "tasks_bad1.2.3": 1, "tasks_total1.2.3": 1000}
        await source.look(JUDGED)
        fake.values |= {"tasks_bad1.3.0": 2, "tasks_total1.3.0": 15, "tasks_total1.2.3": 1100}
        looked = await source.look(JUDGED)
    assert looked.readings[0].counters == {
        Series("1.3.0", tasks.indicator): Cumulative(5, 2),
        Series("1.2.3", tasks.indicator): Cumulative(100, 0),
    }
    assert looked.trouble == ""


async def test_a_count_without_the_other_says_nothing(fake):
    tasks = query(fake)
    async with asking() as prometheuses:
        (source,) = prometheuses.sources("mail", [tasks])
        fake.values = {"tasks_total1.3.0": 10, "tasks_bad1.2.3": 1, "tasks_total1.2.3": 1000}
        looked = await source.look(JUDGED)
    assert Series("1.3.0", tasks.indicator) not in looked.readings[0].counters, "no bad events were taken for none"
    assert Series("1.2.3", tasks.indicator) in looked.readings[0].counters
    assert "tasks of 1.3.0" in looked.trouble
    assert "returns nothing" in looked.trouble


async def test_nobody_is_asked_while_nobody_is_judged(fake):
    async with asking() as prometheuses:
        (source,) = prometheuses.sources("mail", [query(fake)])
        assert await source.look({}) is None
    assert fake.asked == []


async def test_a_version_that_changes_its_track_is_asked_anew(fake):
    tasks = Query("tasks", fake.url, "bad{{track}}", "total{{track}}", 15.0)
    fake.values = {"badcandidate": 0, "totalcandidate": 10, "badstable": 900, "totalstable": 100_000}
    async with asking() as prometheuses:
        (source,) = prometheuses.sources("mail", [tasks])
        await source.look({"1.3.0": Track.CANDIDATE})
        looked = await source.look({"1.3.0": Track.STABLE})
    counted = looked.readings[0].counters[Series("1.3.0", tasks.indicator)]
    assert counted == Cumulative(0, 0), "a promoted version would be blamed for all that stable ever did"


async def test_queries_of_one_pace_are_asked_together(fake):
    async with asking() as prometheuses:
        queries = [query(fake, "a"), query(fake, "b"), query(fake, "c", every_s=60.0)]
        assert [source.every_s for source in prometheuses.sources("mail", queries)] == [15.0, 60.0]
        names = {source.name for source in prometheuses.sources("mail", queries)}
        assert len(names) == 2, "one source would take the other's place"


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "denied"), (403, "denied"), (404, "not-found"), (302, "unreachable"), (503, "unreachable")],
)
async def test_each_refusal_has_its_code(fake, status, code):
    fake.status = status
    async with asking() as prometheuses:
        with pytest.raises(SourceError) as caught:
            await prometheuses.ask(fake.url, "x")
    assert caught.value.code == code


async def test_a_query_that_is_no_promql_is_told_in_prometheus_own_words(fake):
    fake.status, fake.body = 400, b'{"status": "error", "errorType": "bad_data", "error": "1:3: parse error"}'
    async with asking() as prometheuses:
        with pytest.raises(SourceError, match="parse error") as caught:
            await prometheuses.ask(fake.url, "x")
    assert caught.value.code == "invalid"


async def test_nobody_there(unused_tcp_port):
    async with asking() as prometheuses:
        with pytest.raises(SourceError) as caught:
            await prometheuses.ask(f"http://127.0.0.1:{unused_tcp_port}", "x")
    assert caught.value.code == "unreachable"


async def test_one_that_hangs_is_left(fake, monkeypatch):
    monkeypatch.setattr(prometheus, "TIMEOUT_S", 0.05)
    fake.hangs = True
    async with asking() as prometheuses:
        with pytest.raises(SourceError) as caught:
            await prometheuses.ask(fake.url, "x")
    assert caught.value.code == "unreachable"


async def test_an_answer_has_a_limit(fake, monkeypatch):
    monkeypatch.setattr(prometheus, "BODY_BYTES_MAX", 1000)
    fake.body = b" " * 2000
    async with asking() as prometheuses:
        with pytest.raises(SourceError, match="more than 1000 bytes"):
            await prometheuses.ask(fake.url, "x")


def test_a_name_holds_nothing_but_host_and_port():
    assert name_of("https://metrics.internal/prom?token=x") == "prometheus/metrics.internal"
    assert name_of("http://127.0.0.1:9090") == "prometheus/127.0.0.1:9090"
