"""What nginx counts of each version: outcomes, latency, requests in flight."""

import asyncio
import os
import signal

import aiohttp
import pytest

from adapters.port import Tally, Version, latency_over
from tests.contract.play import until

ORCA = "endpoint-load-metrics"


@pytest.mark.parametrize(
    "report",
    [
        'JSON {"named_metrics": {"task_failed": 1, "unsafe": 0, "unknown": 3}, "cpu_utilization": 0.5}',
        "TEXT named_metrics.task_failed=1,named_metrics.unsafe=0,cpu_utilization=0.5,named_metrics.unknown=3",
    ],
)
async def test_outcomes_are_counted_and_kept_from_clients(scene, report):
    scene.new.headers[ORCA] = report
    await scene.apply(10_000, indicators=("task_failed", "unsafe"))
    for _ in range(3):
        status, _, headers = await scene.ask()
        assert (status, ORCA in headers) == (200, False), "clients see what is for the gateway"
    tally = await scene.seen("1.1.0")
    assert dict(tally.indicators) == {"task_failed": (3, 3.0), "unsafe": (3, 0.0)}


@pytest.mark.parametrize(
    "report",
    [
        'JSON {"named_metrics": {"task_failed": "1"}}',
        'JSON {"named_metrics": [1]}',
        'JSON {"named_metrics": {"task_failed": -1}}',
        'JSON {"named_metrics": {"task_failed": 1e999}}',
        "JSON []",
        "JSON {",
        "TEXT named_metrics.task_failed=nan",
        "TEXT task_failed=1",
        "BIN xyz",
        "json {}",
        "",
        "JSON " + "[" * 4_000,
    ],
)
async def test_a_report_that_makes_no_sense_is_none(scene, report):
    scene.new.headers[ORCA] = report
    await scene.apply(10_000, indicators=("task_failed",))
    assert (await scene.ask())[0] == 200, "an odd header cost a client its answer"
    assert (await scene.seen("1.1.0")).indicators["task_failed"] == (0, 0.0)


async def test_latency_is_counted_at_headers_and_while_waiting(scene, silent):
    limits = (2.0, 60.0)
    await scene.apply(10_000, latency_limits_s=limits)
    for _ in range(5):
        await scene.ask()
    assert dict((await scene.seen("1.1.0")).indicators) == {latency_over(limit): (5, 0.0) for limit in limits}
    await scene.apply(10_000, candidate=Version("1.2.0", (silent,)), latency_limits_s=limits)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(scene.ask())

        async def is_slow():
            return (await scene.seen("1.2.0")).indicators[latency_over(2.0)] == (1, 1.0)

        await until(is_slow, "a request that hangs is counted as slow while it hangs")
        tally = await scene.seen("1.2.0")
        undecided = tally.requests, tally.indicators[latency_over(60.0)]
        assert undecided == (0, (0, 0.0)), "it was counted before it was decided"
        waiting.cancel()
    await scene.in_flight("1.2.0", 0)
    tally = await scene.seen("1.2.0")
    assert (tally.requests, tally.errors) == (0, 0), "a client that left was taken for an error of the agent"
    assert tally.indicators[latency_over(2.0)] == (1, 1.0), "it was counted twice"


async def test_a_connection_that_is_refused_is_an_error_and_not_fast(scene):
    await scene.apply(10_000, candidate=Version("1.2.0", ("127.0.0.1:1",)), latency_limits_s=(1.0,))
    assert (await scene.ask())[0] == 502
    assert await scene.seen("1.2.0") == Tally(1, 1, {latency_over(1.0): (0, 0.0)})


async def test_a_worker_that_is_killed_leaves_nothing_in_flight(scene):
    await scene.apply(10_000)
    streams = [await scene.stream() for _ in range(8)]
    await scene.in_flight("1.1.0", 8)
    before = scene.stage.workers
    for worker in before:
        os.kill(worker, signal.SIGKILL)

    async def are_back():
        return len(scene.stage.workers - before) == 2

    await until(are_back, "nginx has new workers")
    for stream in streams:
        stream.close()
    scene.new.finish.set()
    await scene.in_flight("1.1.0", 0)
    assert (await scene.ask())[0] == 200
    assert (await scene.seen("1.1.0")).requests == 9, "counts were lost with a worker"


async def test_streams_outlive_a_reload_and_stay_in_sight(scene):
    await scene.apply(10_000)
    epoch = (await scene.adapter.observe("bot")).epoch
    async with scene.stream() as stream:
        await scene.stage.reload()
        await scene.in_flight("1.1.0", 1)
        assert (await scene.adapter.observe("bot")).epoch == epoch, "a reload looks like a restart"
        scene.new.finish.set()
        assert (await stream.text()).endswith("end\n\n"), "a reload cut a stream"
    await scene.in_flight("1.1.0", 0)


async def test_a_cut_ends_one_version_only(scene):
    await scene.apply(0)
    async with scene.stream() as stays:
        await scene.apply(10_000)
        async with scene.stream() as goes:
            await scene.adapter.cut("bot", "1.1.0")
            with pytest.raises(aiohttp.ClientError):
                await goes.text()
        await scene.in_flight("1.1.0", 0)
        await scene.in_flight("1.0.0", 1)
        scene.old.finish.set()
        assert (await stays.text()).endswith("end\n\n"), "the cut hit the wrong version"
