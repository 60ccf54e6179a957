"""Latency objectives on a real HAProxy: what its log tells, of whom, and when."""

import asyncio
import contextlib
from collections import Counter

import aiohttp
import pytest
from aiohttp import web

from adapters.port import Assignment, Route, Split, Version
from tests.contract.play import confirmed, looked, until, until_served
from tests.contract.stages.haproxy import HaproxyStage
from tests.contract.stages.haproxy_weights import HaproxyWeightsStage
from tests.contract.test_adapters import free_ports
from tests.contract.traffic import acting, flood

WAIT_S = 30.0
LIMIT_S = 1.0
"""What is prompt here takes milliseconds: a busy machine does not make it slow."""
SLOW_S = 1.5
SLOWER_THAN = "latency_over:1s"


class Agent:
    """One version. ``/answer`` takes ``delay_s``; ``/stream`` begins at once, ``/hang`` never; both end if told."""

    def __init__(self, version, delay_s=0.0):
        self.name = version
        self.delay_s = delay_s
        self.release = asyncio.Event()

    @property
    def version(self):
        return Version(self.name, (self.endpoint,))

    async def answer(self, request):
        await request.read()
        # A slow agent is what is tested; nothing waits for it by guessing.
        await asyncio.sleep(self.delay_s)
        return web.Response(text=self.name)

    async def stream(self, request):
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: first\n\n")
        await self.release.wait()
        await response.write(b"data: last\n\n")
        return response

    async def hang(self, _request):
        await self.release.wait()
        return web.Response(text=self.name)


@contextlib.asynccontextmanager
async def serving(version, delay_s=0.0):
    agent = Agent(version, delay_s)
    app = web.Application()
    for path in ("answer", "stream", "hang"):
        app.router.add_route("*", f"/{path}", getattr(agent, path))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        agent.endpoint = f"127.0.0.1:{runner.addresses[0][1]}"
        yield agent
    finally:
        agent.release.set()
        await runner.cleanup()


class PatientStage(HaproxyStage):
    """Reads small uploads first, as haproxy.cfg shows it."""

    def configured(self, text: str) -> str:
        line = "option http-buffer-request"
        assert f"    #   {line}" in text, "the shipped configuration no longer shows it"
        return text.replace(f"    #   {line}", f"    {line}")


@pytest.fixture
async def versions():
    async with serving("1.2.3") as old, serving("1.3.0", SLOW_S) as new:
        yield old, new


@pytest.fixture
async def opened(tmp_path, versions):
    stages = []

    async def open_stage(stage, bp=0):
        stages.append(stage)
        assignment = at(*versions, bp)
        await stage.open(tmp_path, free_ports(), assignment)
        await confirmed(stage.adapter, assignment)
        return stage

    yield open_stage
    for stage in stages:
        await stage.close()


@pytest.fixture
async def client():
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WAIT_S)) as session:
        yield session


def at(old, new, bp):
    return Assignment("bot", Route(), old.version, new.version, Split(bp), latency_limits_s=(LIMIT_S,))


async def ask(client, stage, path="answer", **more):
    async with client.request("POST" if "data" in more else "GET", stage.url + path, **more) as response:
        assert response.status == 200
        return await response.text()


async def counts(stage, agent):
    """(events, slow ones) of a version."""
    observation = await looked(stage.adapter)
    tally = observation.tallies[agent.name] if observation else None
    events, slow = tally.indicators.get(SLOWER_THAN, (0, 0.0)) if tally else (0, 0.0)
    return events, int(slow)


async def until_counted(stage, agent, expected):
    seen = None

    async def is_so():
        nonlocal seen
        seen = await counts(stage, agent)
        return seen == expected

    try:
        await until(is_so, f"{agent.name}: (events, slow) are {expected}")
    except AssertionError:
        pytest.fail(f"{agent.name}: (events, slow) should be {expected}, and are {seen}")


@pytest.mark.parametrize("kind", [HaproxyStage, HaproxyWeightsStage])
async def test_slow_answers_are_counted_exactly_and_per_version(opened, versions, client, kind):
    stage, (fast, slow) = await opened(kind(), 5_000), versions
    answers: Counter[str] = Counter()

    async def user():
        for _ in range(5):
            answers[await ask(client, stage)] += 1

    # A crowd that comes all at once would wait for this one process, and be slow for that.
    await asyncio.gather(*(user() for _ in range(20)))
    assert answers.keys() == {fast.name, slow.name}
    await until_counted(stage, fast, (answers[fast.name], 0))
    await until_counted(stage, slow, (answers[slow.name], answers[slow.name]))


async def test_a_stream_is_fast_as_soon_as_it_begins_and_stays_its_versions_across_a_promotion(
    opened, versions, client
):
    stage, (old, new) = await opened(HaproxyStage()), versions
    async with client.get(stage.url + "stream") as response:
        assert response.status == 200
        await until_counted(stage, old, (1, 0))
        promoted = Assignment("bot", Route(), new.version, draining=(old.version,), latency_limits_s=(LIMIT_S,))
        await confirmed(stage.adapter, promoted)
        assert await ask(client, stage) == new.name
        await until_counted(stage, new, (1, 1))
        old.release.set()
        assert (await response.read()).endswith(b"data: last\n\n"), "a promotion cut a stream"
    assert await ask(client, stage) == new.name
    await until_counted(stage, new, (2, 2))
    assert await counts(stage, old) == (1, 0), "the stream's end was counted as another event"


async def test_an_agent_that_hangs_is_slow_when_its_client_leaves_and_not_before_the_limit(opened, versions, client):
    stage, (old, _) = await opened(HaproxyStage()), versions
    for patience_s in (LIMIT_S / 10, SLOW_S):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await ask(client, stage, "hang")
    await until_counted(stage, old, (1, 1))
    assert await ask(client, stage) == old.name
    await until_counted(stage, old, (2, 1))


async def test_an_old_worker_logs_what_it_still_has(opened, versions, client):
    stage, (old, _) = await opened(HaproxyStage()), versions
    async with asyncio.TaskGroup() as tasks:
        hanging = tasks.create_task(ask(client, stage, "hang"))

        async def is_in_flight():
            observation = await looked(stage.adapter)
            return observation is not None and observation.in_flight.get(old.name) == 1

        await until(is_in_flight, "the request is with the worker that is to go")
        assert await stage.reload()
        assert await ask(client, stage) == old.name
        await until_counted(stage, old, (1, 0))
        await asyncio.wait([hanging], timeout=SLOW_S)
        hanging.cancel()
    await until_counted(stage, old, (2, 1))


@pytest.mark.parametrize(("kind", "slow"), [(HaproxyStage, 1), (PatientStage, 0)])
async def test_a_slow_upload_is_the_agents_time_unless_it_is_read_first(opened, versions, client, kind, slow):
    stage, (old, _) = await opened(kind()), versions

    async def slowly():
        yield b"first"
        await asyncio.sleep(SLOW_S)  # a slow client is what is tested
        yield b"last"

    await ask(client, stage, data=slowly())
    await until_counted(stage, old, (1, slow))


async def test_no_line_is_lost_under_load(tmp_path):
    async with acting("1.0.0") as only:
        assignment = Assignment("bot", Route(), only.version, latency_limits_s=(LIMIT_S,))
        stage = HaproxyStage()
        try:
            await stage.open(tmp_path, free_ports(), assignment)
            await confirmed(stage.adapter, assignment)
            await until_served(stage.url)
            before, _ = await counts(stage, only)
            await flood(stage.url, 10_000)
            await until_counted(stage, only, (before + 10_000, 0))
        finally:
            await stage.close()
