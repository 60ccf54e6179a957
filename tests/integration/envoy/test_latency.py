"""Latency objectives on a real Envoy: what is counted, for whom, when, and what it costs those who are connected."""

import asyncio
import contextlib
import sys
from collections import Counter

import aiohttp
import pytest
from aiohttp import web

from adapters.envoy.gateway import EnvoyGateway, EnvoyOptions
from adapters.port import ALL_STABLE, Applied, Assignment, GatewayError, Route, Split, Version
from xds import listeners
from xds.server import XdsServer

WAIT_S = 30.0
LIMIT_S = 1.0
"""What is prompt here takes milliseconds: a busy machine does not make it slow."""
SLOW_S = 1.5
INTERVAL_S = 0.1
DRAIN_TIME_S = 3  # Envoy asks clients to reconnect from the first whole second on; with 1 it does not ask
SLOWER_THAN = "latency_over:1s"


class Agent:
    """One version. ``/answer`` takes ``delay_s``; ``/stream`` and ``/hang`` begin and end when they are told to."""

    def __init__(self, version, delay_s=0.0):
        self.version = version
        self.delay_s = delay_s
        self.endpoint = ""
        self.begun = asyncio.Event()
        self.release = asyncio.Event()

    async def answer(self, _request):
        # A slow agent is what is tested; nothing waits for it by guessing.
        await asyncio.sleep(self.delay_s)
        return web.Response(text=self.version)

    async def stream(self, request):
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: first\n\n")
        self.begun.set()
        await self.release.wait()
        with contextlib.suppress(ConnectionError):
            await response.write(b"data: last\n\n")
        return response

    async def hang(self, _request):
        self.begun.set()
        await self.release.wait()
        return web.Response(text=self.version)


@pytest.fixture
async def start_agent():
    runners = []

    async def start(version, delay_s=0.0):
        agent = Agent(version, delay_s)
        app = web.Application()
        for path in ("answer", "stream", "hang"):
            app.router.add_route("*", f"/{path}", getattr(agent, path))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        agent.endpoint = f"127.0.0.1:{runner.addresses[0][1]}"
        return agent

    yield start
    for runner in runners:
        await runner.cleanup()


class Edge:
    """One gateway of one Envoy, and a wait for what it has counted."""

    def __init__(self, gateway, port, changed):
        self.gateway = gateway
        self.url = f"http://127.0.0.1:{port}"
        self._changed = changed

    async def apply(self, stable, *, candidate=None, split=ALL_STABLE, draining=(), limits_s=(LIMIT_S,), **more):
        versions = [Version(agent.version, (agent.endpoint,)) if agent else None for agent in (stable, candidate)]
        drained = tuple(Version(agent.version, (agent.endpoint,)) for agent in draining)
        assignment = Assignment(
            "a", Route(), versions[0], versions[1], split, drained, latency_limits_s=limits_s, **more
        )
        receipt = await self.gateway.apply(assignment, timeout_s=WAIT_S)
        assert receipt.outcome is Applied.CONFIRMED, f"Envoy did not take it: {receipt}"

    async def counts(self, agent, indicator=SLOWER_THAN):
        """(events, slow ones) of a version."""
        tallies = (await self.gateway.observe("a")).tallies
        events, slow = tallies[agent.version].indicators.get(indicator, (0, 0.0))
        return events, int(slow)

    async def until(self, agent, expected, indicator=SLOWER_THAN):
        """Wait until a version's counts are these."""
        seen = None
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    self._changed.clear()
                    with contextlib.suppress(GatewayError):  # before the first load report
                        seen = await self.counts(agent, indicator)
                    if seen == expected:
                        return
                    await self._changed.wait()
        except TimeoutError:
            pytest.fail(f"{agent.version}: (events, slow) should be {expected}, and are {seen}")


@pytest.fixture
async def edge(start_envoy, free_port):
    changed = asyncio.Event()

    def told(take):
        def forward(message):
            take()(message)
            changed.set()

        return forward

    server = XdsServer(
        "127.0.0.1:0",
        on_load_report=told(lambda: gateway.take_report),
        on_access_log=told(lambda: gateway.take_access_log),
    )
    port = free_port()
    gateway = EnvoyGateway("edge", EnvoyOptions(f"127.0.0.1:{port}", load_report_interval_s=INTERVAL_S), server)
    await server.start()
    await gateway.start([])
    await start_envoy(server.port, node_id="one", drain_time_s=DRAIN_TIME_S)
    yield Edge(gateway, port, changed)
    await gateway.close()
    await server.stop()


@pytest.fixture
async def client():
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WAIT_S)) as session:
        yield session


async def ask(client, url, path="/answer", method="GET"):
    async with client.request(method, url + path) as response:
        return response.status, await response.text()


@pytest.mark.parametrize("dead_man_s", [None, WAIT_S])
async def test_slow_answers_are_counted_exactly_and_per_version(edge, start_agent, client, dead_man_s):
    fast, slow = await start_agent("1.2.3"), await start_agent("1.3.0", SLOW_S)
    await edge.apply(fast, candidate=slow, split=Split(5_000), dead_man_s=dead_man_s)
    answers: Counter[tuple[int, str]] = Counter()

    async def user():
        for _ in range(5):
            answers[await ask(client, edge.url)] += 1

    # A crowd that comes all at once would wait for this one process, and be slow for that.
    await asyncio.gather(*(user() for _ in range(20)))
    assert answers.keys() == {(200, "1.2.3"), (200, "1.3.0")}
    await edge.until(fast, (answers[200, "1.2.3"], 0))
    await edge.until(slow, (answers[200, "1.3.0"], answers[200, "1.3.0"]))


async def test_a_stream_is_fast_as_soon_as_it_begins_and_stays_its_versions_across_a_promotion(
    edge, start_agent, client
):
    old, new = await start_agent("1.2.3"), await start_agent("1.3.0")
    await edge.apply(old, candidate=new)
    async with client.get(edge.url + "/stream") as response:
        assert response.status == 200
        await edge.until(old, (1, 0))
        await edge.apply(new, draining=(old,))
        assert await ask(client, edge.url) == (200, "1.3.0")
        await edge.until(new, (1, 0))
        old.release.set()
        assert (await response.read()).endswith(b"data: last\n\n"), "a promotion cut a stream"
    assert await ask(client, edge.url) == (200, "1.3.0")
    await edge.until(new, (2, 0))
    assert await edge.counts(old) == (1, 0), "the stream's end was counted as another event"


async def test_an_agent_that_hangs_is_slow_before_it_answers(edge, start_agent, client):
    stable = await start_agent("1.2.3")
    await edge.apply(stable)
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(ask(client, edge.url, "/hang"))
        await edge.until(stable, (1, 1))
        assert not asking.done()
        stable.release.set()
    assert await ask(client, edge.url) == (200, "1.2.3")
    await edge.until(stable, (2, 1))


async def test_a_client_that_leaves_early_is_no_event(edge, start_agent, client):
    stable = await start_agent("1.2.3")
    await edge.apply(stable, limits_s=(WAIT_S,))
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(ask(client, edge.url, "/hang"))
        await stable.begun.wait()
        asking.cancel()
    stable.release.set()
    assert await ask(client, edge.url) == (200, "1.2.3")
    await edge.until(stable, (1, 0), indicator=f"latency_over:{WAIT_S:g}s")


async def test_copies_are_seen_by_nobody(edge, start_agent, client):
    """Why settings refuse a latency objective where the strategy is to mirror."""
    stable, copied = await start_agent("1.2.3"), await start_agent("1.3.0")
    await edge.apply(stable, candidate=copied, split=Split(mirror_bp=10_000))
    async with client.get(edge.url + "/stream") as response:
        await copied.begun.wait()
        await edge.until(stable, (1, 0))
        copied.release.set()
        stable.release.set()
        await response.read()
    assert await ask(client, edge.url) == (200, "1.2.3")
    await edge.until(stable, (2, 0))
    assert await edge.counts(copied) == (0, 0)


async def test_no_request_fails_when_the_log_is_switched_on_and_older_streams_end_at_the_drain_time(
    edge, start_agent, client
):
    stable = await start_agent("1.2.3")
    await edge.apply(stable, limits_s=())
    answers: Counter[tuple[int, str]] = Counter()
    stopping = asyncio.Event()

    async def load():
        # POST, because the client would repeat a GET that fails, and nobody would see it.
        while not stopping.is_set():
            answers[await ask(client, edge.url, method="POST")] += 1

    async with asyncio.TaskGroup() as tasks, client.get(edge.url + "/stream") as stream:
        for _ in range(4):
            tasks.create_task(load())
        assert await stream.content.readline() == b"data: first\n"
        await edge.apply(stable)
        with pytest.raises(aiohttp.ClientPayloadError):
            await stream.read()  # by default Envoy's drain time is ten minutes
        stopping.set()
    assert answers.keys() == {(200, "1.2.3")}, f"requests failed: {answers}"
    before, _ = await edge.counts(stable)
    assert before > 0, "the log that was switched on says nothing"


async def test_an_envoy_that_cannot_log_is_still_guided_and_its_gateway_says_so(edge, start_agent, client, monkeypatch):
    stable, candidate = await start_agent("1.2.3"), await start_agent("1.3.0")
    await edge.apply(stable, limits_s=())
    monkeypatch.setattr(listeners, "AGE_FORMAT", "%NO_SUCH_THING%")  # as an older Envoy sees it
    await edge.apply(stable, candidate=candidate, split=Split(10_000))
    assert await ask(client, edge.url) == (200, "1.3.0")
    status = await edge.gateway.status()
    assert status.reachable
    assert "no latency is reported" in status.detail
    assert "NO_SUCH_THING" in status.detail, f"not Envoy's words: {status.detail}"
    await edge.apply(stable, limits_s=(LIMIT_S, WAIT_S))
    assert await ask(client, edge.url) == (200, "1.2.3"), "the way back waited for a log"


SETTINGS = """\
apiVersion: turnout.dev/v1alpha1
kind: Gateway
metadata: {name: edge}
spec: {type: envoy, envoy: {listen: "127.0.0.1:%d", loadReportInterval: 100ms}}
---
apiVersion: turnout.dev/v1alpha1
kind: Agent
metadata: {name: coder}
spec:
  gateways: [edge]
  stable: {version: 1.2.3, endpoints: ["%s"]}
  strategy: {steps: [{weight: 50, hold: 10m}]}
  objectives: [{name: slow, indicator: {latencyOver: 1s}, max: 5%%}]
  gate: {consent: none}
"""


@contextlib.asynccontextmanager
async def controlled(config, state_dir, xds_port):
    """The program itself; yields its URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", "from controller.cli.main import main; main()", "run"),
        *("--config", str(config), "--state-dir", str(state_dir)),
        *("--http", "127.0.0.1:0", "--xds", f"127.0.0.1:{xds_port}"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(WAIT_S):
            ready = (await process.stdout.readline()).decode()
        assert " is ready: " in ready, f"the controller did not start: {ready!r}"
        yield ready.split()[4]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def until_event(client, controller, agent, word, *, after):
    """Wait until the controller says this word of the agent; a rollout's whole story is told from the start."""
    async with client.get(f"{controller}/v1/events", headers={"Last-Event-ID": after}) as events:
        said = []
        async for line in events.content:
            if line.startswith(b"event:"):
                said.append(line.decode().removeprefix("event:").strip())
                if said[-1] == word:
                    return
        pytest.fail(f"{agent}: nobody said {word}: {said}")


async def test_a_rollout_whose_candidate_is_slow_is_rolled_back(start_envoy, start_agent, free_port, client, tmp_path):
    fast, slow = await start_agent("1.2.3"), await start_agent("1.3.0", SLOW_S)
    port, xds_port, config = free_port(), free_port(), tmp_path / "turnout.yaml"
    config.write_text(SETTINGS % (port, fast.endpoint))
    answers: Counter[tuple[int, str]] = Counter()
    stopping = asyncio.Event()

    async def load():
        while not stopping.is_set():
            answers[await ask(client, f"http://127.0.0.1:{port}")] += 1

    async with controlled(config, tmp_path, xds_port) as controller, asyncio.TaskGroup() as tasks:
        await start_envoy(xds_port, node_id="one")
        proposal = {"agent": "coder", "version": "1.3.0", "endpoints": [slow.endpoint]}
        async with client.post(f"{controller}/v1/proposals", json=proposal) as response:
            assert response.status == 201, await response.text()
        await until_event(client, controller, "coder", "step", after="0")
        for _ in range(8):
            tasks.create_task(load())
        await until_event(client, controller, "coder", "rolled-back", after="0")
        stopping.set()
        async with client.get(f"{controller}/v1/agents/coder") as response:
            agent = await response.json()
    assert {status for status, _ in answers} == {200}, f"requests failed: {answers}"
    assert answers[200, "1.3.0"], "nobody was ever served by the candidate"
    assert (agent["phase"], agent["stable"]["version"]) == ("rolled-back", "1.2.3")
    [finding] = agent["findings"]
    assert (finding["indicator"], finding["verdict"]) == (SLOWER_THAN, "breach")
    assert finding["candidate"]["bad_fraction"] == 1.0
