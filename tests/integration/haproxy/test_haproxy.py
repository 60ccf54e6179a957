"""What the contract does not cover, on a real HAProxy: streams across a reload, sticky sessions, lost files."""

import asyncio
from dataclasses import replace

import pytest

from adapters.haproxy.gateway import HaproxyGateway
from adapters.port import Applied, Proof
from tests.contract.play import AGENT, Play, confirmed, looked, until, until_served
from tests.contract.stages.haproxy import HaproxyStage
from tests.contract.stages.haproxy_weights import HaproxyWeightsStage
from tests.contract.test_adapters import free_ports
from tests.contract.traffic import Connection, Stream, acting, flood


@pytest.fixture
async def play():
    async with acting("1.0.0") as old, acting("1.1.0") as new, acting("1.2.0") as following:
        yield Play(old, new, following)


class StickyStage(HaproxyWeightsStage):
    """Sessions by a header, as weights.cfg shows it."""

    def configured(self, text: str) -> str:
        for line in ("stick-table type string", "stick on req.hdr"):
            assert f"    #   {line}" in text, "the shipped configuration no longer shows it"
            text = text.replace(f"    #   {line}", f"    {line}")
        return text


@pytest.fixture
async def opened(tmp_path, play):
    stages = []

    async def open_stage(stage):
        stages.append(stage)
        await stage.open(tmp_path, free_ports(), play.at(0))
        await confirmed(stage.adapter, play.at(0))
        await until_served(stage.url, play.old.name)
        return stage

    yield open_stage
    for stage in stages:
        await stage.close()


@pytest.mark.parametrize("ending", ["finished", "cut"])
async def test_streams_of_an_old_worker_are_counted_and_can_be_cut(opened, play, ending):
    stage = await opened(HaproxyStage())
    adapter, name = stage.adapter, play.new.name

    async def in_flight(count):
        async def is_so():
            observation = await looked(adapter)
            return observation is not None and observation.in_flight.get(name) == count

        await until(is_so, f"{count} streams are seen on {name}")

    await confirmed(adapter, play.at(10_000))
    async with asyncio.TaskGroup() as tasks:
        stream = Stream(stage.url)
        assert await stream.open(tasks) == name
        await in_flight(1)
        assert await stage.reload()
        await confirmed(adapter, play.rolled_back)
        await in_flight(1)
        assert not stream.has_ended, "a reload cut a stream"
        if ending == "cut":
            await adapter.cut(AGENT, name)
            assert b"data: end" not in await stream.rest()
        else:
            play.new.finish()
            assert b"data: end" in await stream.rest()
        await in_flight(0)
        await stream.close()


async def test_without_a_master_streams_of_an_old_worker_are_not_called_none(opened, play):
    stage = await opened(HaproxyStage())
    adapter = HaproxyGateway("edge", replace(stage.options, master=None))
    await confirmed(adapter, play.at(10_000))
    async with asyncio.TaskGroup() as tasks:
        stream = Stream(stage.url)
        assert await stream.open(tasks) == play.new.name
        assert (await adapter.observe(AGENT)).in_flight == {play.old.name: 0, play.new.name: 1}
        assert await stage.reload()
        assert (await adapter.observe(AGENT)).in_flight == {play.old.name: 0}, "a drain would end with streams open"
        play.new.finish()
        await stream.rest()
        await stream.close()


async def test_a_rollback_moves_sessions_of_a_stick_table(opened, play):
    stage = await opened(StickyStage())
    await confirmed(stage.adapter, play.at(5_000))
    users = [Connection(stage.url, **{"x-session-id": f"user-{number}"}) for number in range(40)]

    async def versions():
        return [(await user.ask())[0].version for user in users]

    try:
        first = await versions()
        assert set(first) == {play.old.name, play.new.name}
        assert await versions() == first, "sessions do not stay on their version"
        await confirmed(stage.adapter, play.at(0))
        assert set(await versions()) == {play.old.name}, "sessions stay on a version that was rolled back"
    finally:
        for user in users:
            await user.close()


async def test_without_its_files_a_reload_goes_to_stable_and_is_told_from_an_edit(opened, play):
    stage = await opened(HaproxyStage())
    await confirmed(stage.adapter, play.at(5_000))
    for name in ("turnout.map", "turnout.state"):
        (stage.run / name).write_text("")
    assert await stage.reload()
    assert set(await flood(stage.url, 200)) == {play.old.name}, "what nobody remembers is not the candidate's"
    assert (await stage.adapter.verify(AGENT)).proof is Proof.RESET
    receipt = await stage.adapter.apply(play.at(5_000), timeout_s=5.0)
    assert receipt.outcome is Applied.CONFIRMED
    assert set(await flood(stage.url, 200)) == {play.old.name, play.new.name}
