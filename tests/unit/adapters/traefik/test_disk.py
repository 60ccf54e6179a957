import asyncio
import threading

import pytest

from adapters.traefik import disk as module
from adapters.traefik.disk import Disk

PATIENCE_S = 10.0


class Stage:
    """A disk whose writing takes until it is let go."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.done = []
        self.trouble = None
        self.timeout_s = PATIENCE_S
        self.disk = Disk("disk under test", self.write, lambda: self.timeout_s)

    def write(self):
        self.begun.release()
        self.go.acquire()
        self.done.append("written")
        if self.trouble:
            raise self.trouble

    async def has_begun(self):
        assert await asyncio.to_thread(self.begun.acquire, timeout=PATIENCE_S), "nothing is written"


@pytest.fixture
async def stage():
    made = Stage()
    yield made
    made.disk.close()
    made.go.release(100)


async def outcome(asked):
    """What comes of it, an error included."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await asked
    except OSError as error:  # TimeoutError is one
        return type(error)


async def test_all_who_ask_before_it_begins_share_one_write(stage):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.disk.write())
        await stage.has_begun()
        for _ in range(3):
            tasks.create_task(stage.disk.write())
        await asyncio.sleep(0)
        stage.go.release(2)
    assert stage.done == ["written"] * 2, "the disk is written once for each that asked"


async def test_trouble_is_told_to_all_who_asked_and_ends_nothing(stage):
    stage.trouble = PermissionError(13, "Permission denied")
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(outcome(stage.disk.write()))
        await stage.has_begun()
        others = [tasks.create_task(outcome(stage.disk.write())) for _ in range(2)]
        await asyncio.sleep(0)
        stage.go.release(2)
    assert [task.result() for task in (first, *others)] == [PermissionError] * 3
    assert await stage.disk.read(lambda: 7) == 7, "a disk that refused once is never asked again"


async def test_who_has_given_up_is_passed_over(stage):
    seen = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.disk.write())
        await stage.has_begun()
        given_up = tasks.create_task(stage.disk.read(lambda: seen.append("given up")))
        tasks.create_task(stage.disk.read(lambda: seen.append("kept")))
        await asyncio.sleep(0)
        given_up.cancel()
        stage.go.release()
    assert seen == ["kept"]


async def test_what_waits_is_bounded(stage, monkeypatch):
    monkeypatch.setattr(module, "WAITING_MAX", 3)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.disk.write())
        await stage.has_begun()
        waiting = [tasks.create_task(stage.disk.read(int)) for _ in range(3)]
        await asyncio.sleep(0)
        assert await outcome(stage.disk.read(int)) is TimeoutError
        stage.go.release()
    assert [task.result() for task in waiting] == [0, 0, 0]


async def test_a_write_that_nobody_waits_for_any_more_is_owed_all_the_same(stage):
    stage.timeout_s = 0.01
    assert await outcome(stage.disk.write()) is TimeoutError
    await stage.has_begun()
    assert stage.disk.hangs
    assert await outcome(stage.disk.write()) is TimeoutError
    stage.timeout_s = PATIENCE_S
    stage.go.release(2)
    await stage.has_begun()
    assert await stage.disk.read(int) == 0
    assert stage.done == ["written"] * 2, "a rollback that met a disk that hung was lost"
    assert not stage.disk.hangs


async def test_whoever_waits_for_one_that_is_closed_waits_no_longer(stage):
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(outcome(stage.disk.write()))]
        await stage.has_begun()
        asked.append(tasks.create_task(outcome(stage.disk.read(int))))
        await asyncio.sleep(0)
        stage.disk.close()
    assert [task.result() for task in asked] == [TimeoutError] * 2
    assert await outcome(stage.disk.write()) is TimeoutError
