import asyncio
import threading

import pytest

from controller.errors import InvalidError
from controller.journal import writer
from controller.journal.errors import JournalError, JournalFullError
from controller.journal.store import Journal
from controller.journal.writer import AsyncJournal


class GatedJournal(Journal):
    """A journal on a disk that waits for permission, and then answers as it is told."""

    def __init__(self, *args, **keywords):
        super().__init__(*args, **keywords)
        self.gate = threading.Event()
        self.gate.set()
        self.sizes = []
        self.trouble = None

    def append_all(self, drafts):
        self.gate.wait()
        self.sizes.append(len(drafts))
        if self.trouble:
            raise self.trouble
        return super().append_all(drafts)


FULL = JournalFullError("There is no room.")


@pytest.fixture
def store(tmp_path):
    return GatedJournal.open(tmp_path / "journal.sqlite", backlog_max=3)


@pytest.fixture
async def journal(store):
    journal = AsyncJournal(store, pending_max=4)
    yield journal
    store.gate.set()
    store.trouble = None
    await journal.close()


def add(journal, number):
    return journal.append("bot", "k", {"number": number}, actor="ann", at_s=number)


def add_or_defer(journal, number):
    return journal.append_or_defer("bot", "k", {"number": number}, actor="ann", at_s=number)


async def numbers(journal):
    return [record.body.get("number", record.kind) for record in await journal.read()]


async def started(*calls):
    """Run each call up to where it waits."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    await asyncio.sleep(0)
    return tasks


async def test_an_append_is_on_disk_when_it_returns(journal, store):
    record = await add(journal, 1)
    assert store.last() == record
    assert await journal.last() == record
    assert await journal.last("nobody") is None


async def test_appends_that_wait_together_share_one_fsync(journal, store):
    store.gate.clear()
    waiting = await started(*(add(journal, number) for number in range(5)))
    store.gate.set()
    records = await asyncio.gather(*waiting)
    assert store.sizes == [1, 4], "each append would cost an fsync of its own"
    assert [record.body["number"] for record in records] == [0, 1, 2, 3, 4]
    assert [record.seq for record in records] == [1, 2, 3, 4, 5]


async def test_an_invalid_record_fails_alone(journal):
    good, bad = await asyncio.gather(
        add(journal, 1),
        journal.append("bot", "k", {"password": "x"}, actor="ann", at_s=1),
        return_exceptions=True,
    )
    assert good.seq == 1
    assert isinstance(bad, InvalidError)
    with pytest.raises(InvalidError):
        journal.append_or_defer("bot", "k", {"password": "x"}, actor="ann", at_s=1)


async def test_a_full_disk_fails_the_way_forward_and_defers_the_way_back(journal, store):
    store.trouble = FULL
    store.gate.clear()
    forward, *_ = await started(add(journal, 1))
    back = add_or_defer(journal, 2)
    store.gate.set()
    with pytest.raises(JournalFullError):
        await forward
    assert await back is None
    assert journal.deferred == 1
    with pytest.raises(JournalFullError):
        await add(journal, 3)
    store.trouble = None
    await add(journal, 4)
    assert await numbers(journal) == [2, 4]
    assert (await journal.read())[0].body["late"] is True
    assert journal.deferred == 0


async def test_flush_writes_what_was_deferred(journal, store):
    store.trouble = FULL
    await add_or_defer(journal, 1)
    store.trouble = None
    await journal.flush()
    assert await numbers(journal) == [1]


async def test_a_disk_that_hangs_refuses_more_and_never_holds_a_rollback_up(journal, store):
    store.gate.clear()
    waiting = await started(*(add(journal, number) for number in range(5)))
    with pytest.raises(JournalError, match="4 records wait"):
        await add(journal, 5)
    back = add_or_defer(journal, 6)
    assert back.done(), "a rollback would wait for the disk"
    assert back.result() is None
    assert journal.deferred == 1
    store.gate.set()
    await asyncio.gather(*waiting)
    await journal.flush()
    assert await numbers(journal) == [0, 1, 2, 3, 4, 6]


async def test_what_is_too_much_for_the_backlog_is_counted(journal, store):
    store.trouble = FULL
    for number in range(5):
        await add_or_defer(journal, number)
    assert (journal.deferred, journal.dropped) == (3, 2)


async def test_a_caller_who_has_gone_does_not_disturb_the_others(journal, store):
    store.gate.clear()
    first, gone, last = await started(add(journal, 1), add(journal, 2), add(journal, 3))
    gone.cancel()
    store.gate.set()
    assert (await first).seq == 1
    assert (await last).seq == 3
    assert gone.cancelled()
    assert await numbers(journal) == [1, 2, 3]


async def test_a_fault_of_ours_is_seen_by_all_who_wait(journal, store):
    store.trouble = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        await add(journal, 1)
    with pytest.raises(ZeroDivisionError):
        await add_or_defer(journal, 1)
    store.trouble = None
    assert (await add(journal, 2)).seq == 1


async def test_close_writes_what_waits_and_takes_no_more(store):
    journal = AsyncJournal(store)
    store.gate.clear()
    waiting = await started(add(journal, 1), add(journal, 2))
    (closing,) = await started(journal.close())
    with pytest.raises(JournalError, match="closed"):
        await add(journal, 3)
    assert await add_or_defer(journal, 4) is None
    store.gate.set()
    await closing
    assert [(await append).seq for append in waiting] == [1, 2]
    again = Journal.open(store.path)
    assert [record.seq for record in again.read()] == [1, 2, 3]
    again.close()


async def test_close_does_not_wait_for_ever_for_a_disk(store, monkeypatch):
    monkeypatch.setattr(writer, "CLOSE_PATIENCE_S", 0.0)
    store.gate.clear()
    journal = AsyncJournal(store)
    waiting = await started(add(journal, 1), add(journal, 2))
    with pytest.raises(JournalError, match="does not answer; 1 records are lost"):
        await journal.close()
    store.gate.set()
    assert (await waiting[0]).body == {"number": 1}
    waiting[1].cancel()
    store.close()


async def test_close_says_what_is_lost_and_closes_all_the_same(store):
    journal = AsyncJournal(store)
    store.trouble = FULL
    await add_or_defer(journal, 1)
    with pytest.raises(JournalFullError):
        await journal.close()
    Journal.open(store.path).close()


async def test_the_time_of_every_write_is_heard(store):
    heard = []
    journal = AsyncJournal(store, on_append=heard.append)
    await add(journal, 1)
    await add(journal, 2)
    await journal.close()
    assert len(heard) == 2, "nobody would see that the disk gets slow"
    assert all(took_s >= 0 for took_s in heard)
