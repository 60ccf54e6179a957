import asyncio
import stat
import threading

import pytest

from adapters.haproxy import disk
from adapters.port import GatewayError


def test_a_file_is_replaced_whole_and_can_be_read_by_haproxy(tmp_path):
    path = tmp_path / "turnout.map"
    path.write_text("old 1\n")
    disk.save(path, disk.map_text({"bot": "10", "other": "x y"}))
    assert path.read_text() == "bot 10\nother x y\n"
    assert stat.S_IMODE(path.stat().st_mode) == disk.MODE
    assert list(tmp_path.iterdir()) == [path], "something was left behind"


def test_a_disk_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "turnout.map"
    path.write_text("bot 10\n")

    def fail(_):
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(disk.os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        disk.save(path, "bot 20\n")
    assert path.read_text() == "bot 10\n", "a reload would read half a file"
    assert list(tmp_path.iterdir()) == [path]


class Process:
    """Has one share, which is its map and its state."""

    def __init__(self, share=0):
        self.share = share

    async def show_map(self):
        return f"0x1 bot {self.share}\n"

    async def show_state(self):
        return f"state {self.share}"


class SlowDisk:
    """Each save takes until it is let go; ``begun`` counts those that have begun."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def save(self, path, text):
        self.begun.release()
        assert self.go.acquire(timeout=10), "nobody let the disk go on"
        disk.save(path, text)

    async def until_begun(self):
        assert await asyncio.to_thread(self.begun.acquire, timeout=10), "nothing is written"


@pytest.fixture
def patient(monkeypatch):
    monkeypatch.setattr(disk, "KEEP_TIMEOUT_S", 10.0)


@pytest.fixture
def kept(tmp_path):
    made = []

    def make(save=disk.save, **paths):
        made.append(disk.Files(**{"map_file": str(tmp_path / "map"), "state_file": None, **paths}, save=save))
        return made[-1]

    yield make
    for files in made:
        files.close()


async def test_files_are_written_once_for_each_change(kept, tmp_path):
    files, process = kept(state_file=str(tmp_path / "state")), Process(10)
    assert files.are_behind, "nobody knows what is in them at first"
    assert await files.keep(process) == ""
    assert ((tmp_path / "map").read_text(), (tmp_path / "state").read_text()) == ("bot 10\n", "state 10\n")
    process.share = 20
    await files.keep(process)
    assert (tmp_path / "map").read_text() == "bot 10\n", "the disk is written though nobody said that anything changed"
    files.changed()
    await files.keep(process)
    assert (tmp_path / "map").read_text() == "bot 20\n"
    assert not files.are_behind
    assert not kept(map_file=None).are_behind


@pytest.mark.usefixtures("patient")
async def test_a_rollback_during_anothers_slow_save_is_in_the_file(kept, tmp_path):
    slow, process = SlowDisk(), Process(5_000)
    files = kept(slow.save)
    async with asyncio.TaskGroup() as tasks:
        other = tasks.create_task(files.keep(process))
        await slow.until_begun()
        process.share = 0
        files.changed()
        rollback = tasks.create_task(files.keep(process))
        slow.go.release(2)
        await asyncio.wait([other, rollback])
    assert (tmp_path / "map").read_text() == "bot 0\n", "a reload would bring back what was rolled back"
    assert not files.are_behind


@pytest.mark.usefixtures("patient")
async def test_what_an_interrupted_change_still_writes_is_never_the_last_word(kept, tmp_path):
    slow, process = SlowDisk(), Process(5_000)
    files = kept(slow.save)
    async with asyncio.TaskGroup() as tasks:
        step = tasks.create_task(files.keep(process))
        await slow.until_begun()
        step.cancel()
    process.share = 0
    files.changed()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(files.keep(process))
        slow.go.release(2)
    assert (tmp_path / "map").read_text() == "bot 0\n", "a reload would bring back what was rolled back"


async def test_a_disk_that_hangs_holds_nobody_up_and_is_tried_again(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "KEEP_TIMEOUT_S", 0.01)
    slow, process = SlowDisk(), Process(10)
    files = kept(slow.save)
    for _ in range(3):
        assert "not written within 0.01 s" in await files.keep(process)
    assert files.are_behind
    assert slow.begun.acquire(timeout=10)
    assert not slow.begun.acquire(blocking=False), "each attempt took a thread that hangs"
    slow.go.release(9)
    monkeypatch.setattr(disk, "KEEP_TIMEOUT_S", 10.0)
    assert await files.keep(process) == ""
    assert (tmp_path / "map").read_text() == "bot 10\n"
    assert slow.begun.acquire(blocking=False)
    assert not slow.begun.acquire(blocking=False), "what was tried in vain is all written when the disk is back"


@pytest.mark.usefixtures("patient")
async def test_what_was_read_first_is_not_written_last(kept, tmp_path):
    read, go_on = asyncio.Event(), asyncio.Event()

    class Busy(Process):
        async def show_map(self):
            answer = await super().show_map()
            read.set()
            await go_on.wait()
            return answer

    files, process = kept(), Process(0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(files.keep(Busy(5_000)))
        await read.wait()
        files.changed()
        rollback = tasks.create_task(files.keep(process))
        await asyncio.wait([rollback], timeout=0.05)
        go_on.set()
    assert (tmp_path / "map").read_text() == "bot 0\n", "a reload would bring back what was rolled back"


async def test_a_file_that_cannot_be_written_keeps_no_other_from_it(kept, tmp_path):
    files = kept(map_file=str(tmp_path / "none" / "map"), state_file=str(tmp_path / "state"))
    assert "a reload would not keep it" in await files.keep(Process(10))
    assert (tmp_path / "state").read_text() == "state 10\n"
    assert files.are_behind, "it is not tried again"


async def test_a_process_that_is_gone_is_told_of(kept):
    class Gone(Process):
        async def show_map(self):
            raise GatewayError("edge", "unreachable", "nobody listens there", retryable=True)

    assert "nobody listens there" in await kept().keep(Gone())
