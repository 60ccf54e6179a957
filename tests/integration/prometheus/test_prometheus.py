"""A real Prometheus scrapes a small exporter, and what it knows decides about a candidate.

Nothing sleeps here: each scrape of the exporter is the moment at which there may be something new to see.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from adapters.port import Track
from controller.analysis.counters import Ledger, Series
from controller.analysis.indicators import Counts
from controller.metrics.prometheus import Prometheuses
from controller.metrics.promql import Query
from controller.metrics.sources import Looked, SourceError

WAIT_S = 30.0
SCRAPE_EVERY = "200ms"
AGENT, NEW, OLD = "code-assistant", "1.3.0", "1.2.3"
JUDGED = {NEW: Track.CANDIDATE, OLD: Track.STABLE}


class Exporter:
    """What an agent's instances would expose: per version and instance, tasks, and those that failed."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], list[int]] = {}
        self.gone = False
        self.port = 0
        self.scrapes = 0
        self._scraped = asyncio.Event()

    def count(self, version: str, tasks: int, failed: int, pod: str = "a") -> None:
        """So many more have ended since the instance began."""
        counts = self.counts.setdefault((version, pod), [0, 0])
        counts[0] += tasks
        counts[1] += failed

    async def scraped(self) -> None:
        """Wait until Prometheus has been here once more."""
        self._scraped.clear()
        await self._scraped.wait()

    async def expose(self, _request: web.Request) -> web.Response:
        self._scraped.set()
        if self.gone:
            return web.Response(status=503)
        self.scrapes += 1
        lines = [f"agent_scrapes {self.scrapes}"]
        for (version, pod), (tasks, failed) in self.counts.items():
            labels = f'agent="{AGENT}",version="{version}",pod="{pod}"'
            lines += [f"agent_tasks_total{{{labels}}} {tasks}", f"agent_tasks_failed_total{{{labels}}} {failed}"]
        return web.Response(text="".join(f"{line}\n" for line in lines))


@asynccontextmanager
async def exporting() -> AsyncIterator[Exporter]:
    exporter, app = Exporter(), web.Application()
    app.router.add_get("/metrics", exporter.expose)
    async with TestServer(app) as server:
        assert server.port is not None
        exporter.port = server.port
        yield exporter


@asynccontextmanager
async def scraping(exporter: Exporter, folder: Path) -> AsyncIterator[str]:
    """A Prometheus, by its URL; it ends with the context."""
    program = shutil.which("prometheus")
    assert program, "there is no Prometheus: apt-get install prometheus"
    scrape = {
        "job_name": "agents",
        "scrape_interval": SCRAPE_EVERY,
        "scrape_timeout": SCRAPE_EVERY,
        "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}],
    }
    settings = folder / "prometheus.yml"
    settings.write_text(json.dumps({"scrape_configs": [scrape]}), encoding="utf-8")  # JSON is YAML
    listen = f"127.0.0.1:{unused_port()}"
    process = await asyncio.create_subprocess_exec(
        program,
        f"--config.file={settings}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={listen}",
        "--log.level=error",
    )
    try:
        await exporter.scraped()
        yield f"http://{listen}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Eyes:
    """Looks again and again, as a driver would, and keeps what was new."""

    def __init__(self, exporter: Exporter, prometheuses: Prometheuses, query: Query) -> None:
        self.exporter, self.prometheuses, self.query = exporter, prometheuses, query
        (self.source,) = prometheuses.sources(AGENT, [query])
        self.ledger = Ledger()
        self.seen: dict[str, Counts] = {}
        self.last = Looked("nobody")

    async def until(self, condition: Callable[[], object], what: str) -> None:
        try:
            async with asyncio.timeout(WAIT_S):
                while not condition():
                    await self.exporter.scraped()
                    await self.kept()
                    await self.look()
        except TimeoutError:
            pytest.fail(f"{what}: not within {WAIT_S:g} s; counted {self.seen}, trouble {self.last.trouble!r}")

    async def kept(self) -> None:
        """Wait until what was scraped can be queried, whole: the next scrape is then far away."""
        while not self.exporter.gone:
            try:
                newest = await self.prometheuses.ask(self.query.url, "agent_scrapes")
            except SourceError:
                continue
            if self.exporter.scrapes in newest.values():
                return

    async def look(self) -> None:
        looked = await self.source.look(JUDGED)
        assert looked is not None
        self.last = looked
        self.ledger, new = self.ledger.take(looked.readings)
        for series, counts in new.items():
            self.seen[series.version] = self.seen.get(series.version, Counts()) + counts

    def known(self, *versions: str) -> bool:
        """Both of their queries were answered in the last look."""
        return all(Series(version, self.query.indicator) in self.last.readings[0].counters for version in versions)


@asynccontextmanager
async def looking(folder: Path, bad: str, total: str, window_s: float | None = None):
    async with exporting() as exporter:
        exporter.count(NEW, 100, 50)
        exporter.count(OLD, 5000, 10)
        prometheuses = Prometheuses()
        try:
            async with asyncio.timeout(4 * WAIT_S), scraping(exporter, folder) as url:
                eyes = Eyes(exporter, prometheuses, Query("tasks", url, bad, total, 1.0, window_s))
                await eyes.until(lambda: eyes.last.readings and eyes.known(NEW, OLD), "the first answer")
                yield exporter, eyes
        finally:
            await prometheuses.close()


BAD = 'agent_tasks_failed_total{agent="{{agent}}",version="{{version}}"}'
TOTAL = 'agent_tasks_total{agent="{{agent}}",version="{{version}}"}'


async def test_counters_are_counted_exactly_through_restarts_and_absence(tmp_path):
    async with looking(tmp_path, BAD, TOTAL) as (exporter, eyes):
        assert eyes.seen == {}, "the past was held against the candidate"
        exporter.count(NEW, 20, 3)
        exporter.count(OLD, 1000, 1)
        await eyes.until(lambda: eyes.seen == {NEW: Counts(20, 3), OLD: Counts(1000, 1)}, "what is new")

        exporter.counts[NEW, "a"] = [5, 1]  # it began again, and has answered a few since
        exporter.count(NEW, 7, 2, pod="b")  # and there is another one
        await eyes.until(lambda: eyes.seen[NEW] == Counts(32, 6), "a restart and a new instance")

        exporter.gone = True
        await eyes.until(lambda: not eyes.known(NEW) and not eyes.known(OLD), "instances that cannot be scraped")
        assert "returns nothing" in eyes.last.trouble, "absent was taken for zero"
        exporter.gone = False
        exporter.count(NEW, 10, 0)
        await eyes.until(lambda: eyes.seen[NEW] == Counts(42, 6), "instances that are back")
        assert eyes.seen[OLD] == Counts(1000, 1), "what was counted before the absence was counted again"


async def test_windows_come_near_the_truth(tmp_path):
    def within(counter: str) -> str:
        return f'sum(increase({counter}{{version="{{{{version}}}}"}}[{{{{window}}}}]))'

    bad, total = within("agent_tasks_failed_total"), within("agent_tasks_total")
    async with looking(tmp_path, bad, total, window_s=2.0) as (exporter, eyes):

        def grows() -> bool:
            exporter.count(NEW, 10, 5)
            exporter.count(OLD, 10, 0)
            return eyes.seen.get(NEW, Counts()).valid >= 200

        await eyes.until(grows, "events within windows")
        assert 0.4 < eyes.seen[NEW].bad_fraction < 0.6
        assert eyes.seen[OLD].bad == 0


async def test_a_query_that_is_wrong_is_told_in_prometheus_words(tmp_path):
    async with looking(tmp_path, BAD, TOTAL) as (_, eyes):
        prometheuses = eyes.prometheuses
        for query, code in (
            ("rate(", "invalid"),
            ("agent_tasks_total[5s]", "invalid"),
            ("no_such_total", "no-data"),
            ("agent_tasks_total / 0 * 0", "no-data"),
        ):
            with pytest.raises(SourceError) as caught:
                await prometheuses.ask(eyes.query.url, query)
            assert caught.value.code == code, query


async def test_a_prometheus_that_dies_is_no_data(tmp_path):
    async with exporting() as exporter:
        exporter.count(NEW, 1, 0)
        exporter.count(OLD, 1, 0)
        prometheuses = Prometheuses()
        try:
            async with scraping(exporter, tmp_path) as url:
                eyes = Eyes(exporter, prometheuses, Query("tasks", url, BAD, TOTAL, 1.0))
                await eyes.until(lambda: eyes.last.readings and eyes.known(NEW, OLD), "the first answer")
            await eyes.look()
            assert eyes.last.readings[0].counters == {}, "what nobody could read was taken for an answer"
            assert "1.3.0" in eyes.last.trouble
        finally:
            await prometheuses.close()
