import asyncio

import pytest

from controller.runtime.tasks import Tasks
from tests.sim.clock import passes
from tests.unit.controller.runtime.stage import never


async def fail():
    raise ZeroDivisionError("a bug")


async def nothing():
    pass


async def test_an_exception_is_never_lost():
    async def live():
        async with Tasks() as tasks:
            tasks.start("work", fail())
            await never()

    with pytest.raises(ExceptionGroup) as caught:
        await live()
    assert caught.group_contains(ZeroDivisionError), "a driver died, and nobody heard of it"


async def test_one_task_per_name():
    ended = []

    async def work(what):
        try:
            await never()
        finally:
            ended.append(what)

    async with Tasks() as tasks:
        tasks.start("probe", work("first"))
        await passes(1.0)
        tasks.start("probe", work("second"))
        await passes(1.0)
        assert ended == ["first"], "two probes of one candidate at once"
        assert "probe" in tasks
    assert ended == ["first", "second"], "a task outlived its group"


async def test_one_that_has_ended_is_forgotten():
    async with Tasks() as tasks:
        tasks.start("gates", nothing())
        await passes(1.0)
        assert "gates" not in tasks
        tasks.stop("gates")


async def test_the_end_of_an_old_one_does_not_forget_the_new_one():
    async def slow_to_let_go():
        try:
            await never()
        finally:
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async with Tasks() as tasks:
        tasks.start("drain", slow_to_let_go())
        await passes(1.0)
        tasks.start("drain", never())
        await passes(1.0)
        assert "drain" in tasks, "the new drain could not be stopped any more"
        tasks.stop("drain")
        assert "drain" not in tasks
