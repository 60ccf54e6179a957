"""Streams: they outlive a rollback, are seen until they end, and are reported when they do not."""

import asyncio

import aiohttp
import pytest

from controller.rollout import events
from controller.rollout.state import Phase
from tests.integration.envoy.stage import WAIT_S, acting, agent, gateway, staged

STEPS = {"steps": [{"weight": 100, "hold": "10m"}]}


async def first_event(response: aiohttp.ClientResponse) -> str:
    return (await response.content.readuntil(b"\n\n")).decode()


@pytest.fixture
async def client():
    async with aiohttp.ClientSession() as session:
        yield session


async def test_streams_outlive_a_rollback_and_the_drain_waits_for_them(tmp_path, start_envoy, free_port, client):
    listen = f"127.0.0.1:{free_port()}"
    async with (
        acting("1.0") as stable,
        acting("1.1") as candidate,
        staged(tmp_path, gateway(listen), agent(stable.spec(), strategy=STEPS)) as stage,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        url = f"http://{candidate.endpoint}/drain"
        await stage.propose(candidate.version(drain_url=url))
        await stage.phase(Phase.HEALTH_CHECK)
        await stage.settled()
        async with client.get(f"http://{listen}/stream") as one, client.get(f"http://{listen}/stream") as two:
            assert await first_event(one) == await first_event(two) == "data: 1.1\n\n"
            await stage.until(lambda: stage.in_flight("1.1") == 2, "both streams are seen in flight")
            with stage.app.broadcast.listen() as news:
                await stage.ask(events.RollbackAsked)
                await stage.settled()
                async with asyncio.timeout(WAIT_S):
                    await candidate.drained.wait()
                [call] = candidate.drain_calls
                assert 15 < float(call["deadline_s"]) <= 20, "the agent was told a wrong deadline"
                async with client.get(f"http://{listen}/") as after:
                    assert await after.text() == "1.0", "a new request went to the candidate after its rollback"
                await stage.reported("one", 5)
                assert stage.in_flight("1.1") == 2, "streams were lost sight of while they went on"
                assert stage.state().phase is Phase.ROLLING_BACK, "the drain was called done while streams were open"
                assert candidate.streams == 2, "the rollback cut a stream"
                candidate.finish.set()
                assert await first_event(one) == await first_event(two) == "data: end\n\n"
                await stage.phase(Phase.ROLLED_BACK)
                assert await drained(news) == "1.1: nothing is in flight any more", "a clean end was told as a cut"
        assert not stage.state().drains


async def drained(news) -> str:
    """What is said when a drain is over."""
    async with asyncio.timeout(WAIT_S):
        return await anext(item.text async for item in news if item.what == "drained")


async def test_what_is_open_at_the_deadline_is_reported_as_cut(tmp_path, start_envoy, free_port, client):
    listen = f"127.0.0.1:{free_port()}"
    async with (
        acting("1.0") as stable,
        acting("1.1") as candidate,
        staged(tmp_path, gateway(listen), agent(stable.spec(), strategy=STEPS, drain={"deadline": "1s"})) as stage,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        await stage.propose(candidate.version())
        await stage.phase(Phase.HEALTH_CHECK)
        await stage.settled()
        async with client.get(f"http://{listen}/stream") as stream:
            await first_event(stream)
            await stage.until(lambda: stage.in_flight("1.1") == 1, "the stream is seen in flight")
            with stage.app.broadcast.listen() as news:
                await stage.ask(events.RollbackAsked)
                await stage.phase(Phase.ROLLED_BACK)
                told = await drained(news)
            assert told == "1.1: the deadline passed with 1 still in flight", (
                "nobody was told of the stream that is left"
            )
