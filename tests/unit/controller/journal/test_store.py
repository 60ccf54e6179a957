import os
import sqlite3

import pytest

from controller.errors import InvalidError
from controller.journal.backlog import DROPPED_KIND
from controller.journal.errors import (
    JournalAlteredError,
    JournalBusyError,
    JournalDamagedError,
    JournalError,
    JournalFullError,
    JournalMissingError,
    JournalReadOnlyError,
)
from controller.journal.records import draft, verify
from controller.journal.store import PAGE_MAX, Journal, Verified


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "journal.sqlite"


@pytest.fixture
def journal(path):
    journal = Journal.open(path, backlog_max=2)
    yield journal
    journal.close()


def add(journal, number, agent="bot"):
    return journal.append(agent, "split-set", {"number": number}, actor="ann", at_s=1000.0 + number)


def numbers(journal):
    return [record.body.get("number", record.kind) for record in journal.replay()]


def fill(journal):
    """Let the file take no more pages; SQLite answers as it does on a full disk (SQLITE_FULL)."""
    journal._connection.execute("PRAGMA max_page_count = 1")


def free(journal):
    journal._connection.execute("PRAGMA max_page_count = 1000000")


BIG = {"filling": "x" * 20_000}


def tamper(path, *statements):
    """Do what somebody does who has the file and a SQLite shell."""
    connection = sqlite3.connect(path, isolation_level=None)
    for trigger in ("record_stays", "record_stays_as_it_is", "record_is_next"):
        connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    for statement in statements:
        connection.execute(statement)
    connection.close()


def three(path):
    journal = Journal.open(path)
    for number in (1, 2, 3):
        add(journal, number)
    journal.close()
    return path


def reader(path):
    return Journal.open(path, read_only=True)


# Reading and writing


def test_what_was_appended_is_there_after_reopening(path):
    journal = Journal.open(path)
    assert journal.last() is None
    assert journal.read() == []
    written = [add(journal, number) for number in range(3)]
    journal.close()
    again = Journal.open(path)
    assert again.read() == written
    assert add(again, 3).previous == written[-1].digest, "the chain must go on where it ended"
    verify(list(again.replay()))
    assert again.verify() == Verified(4, "matches")
    again.close()


def test_pages_are_bounded_and_complete(journal):
    journal.append_all([draft(("a", "b")[n % 2], "k", {"n": n}, actor="ann", at_s=n) for n in range(2500)])
    assert [record.seq for record in journal.read(limit=2)] == [1, 2]
    assert [record.seq for record in journal.read(after_seq=2499)] == [2500]
    assert journal.read(after_seq=2500) == []
    assert [record.seq for record in journal.read("b", after_seq=3, limit=2)] == [4, 6]
    assert len(journal.read()) == 1000
    assert [record.seq for record in journal.replay()] == list(range(1, 2501))
    assert [record.seq for record in journal.replay("a", after_seq=10)] == list(range(11, 2501, 2))
    assert journal.last("a").seq == 2499
    assert journal.last().seq == 2500
    assert journal.last("nobody") is None


@pytest.mark.parametrize("page", [{"limit": 0}, {"limit": PAGE_MAX + 1}, {"after_seq": -1}, {"after_seq": 2**63}])
def test_a_page_that_cannot_be_is_refused(journal, page):
    with pytest.raises(InvalidError):
        journal.read(**page)


def test_a_refused_record_changes_nothing(journal):
    with pytest.raises(InvalidError):
        journal.append("bot", "k", {"password": "x"}, actor="ann", at_s=1)
    assert add(journal, 1).seq == 1


def test_a_reader_reads_while_a_controller_writes(journal, path):
    add(journal, 1)
    other = reader(path)
    assert numbers(other) == [1]
    add(journal, 2)
    assert numbers(other) == [1, 2]
    assert other.verify() == Verified(2, "matches")
    with pytest.raises(JournalReadOnlyError):
        add(other, 3)
    other.close()


def test_a_reader_makes_nothing(path):
    with pytest.raises(JournalMissingError):
        reader(path)
    assert not path.parent.exists()


def test_a_second_controller_is_refused_and_the_lock_is_given_back(path):
    first = Journal.open(path)
    with pytest.raises(JournalBusyError, match=f"process {os.getpid()}"):
        Journal.open(path)
    first.close()
    Journal.open(path).close()


def test_a_failed_open_gives_the_lock_back(path):
    path.parent.mkdir()
    path.write_bytes(b"garbage" * 1000)
    for _ in range(2):
        with pytest.raises(JournalDamagedError):
            Journal.open(path)


def test_a_closed_journal_says_so(path):
    journal = Journal.open(path)
    journal.close()
    journal.close()
    for call in (lambda: add(journal, 1), journal.read, journal.last, journal.verify):
        with pytest.raises(JournalError, match="closed"):
            call()


# When the disk will not


def test_a_full_disk_keeps_the_chain_and_the_next_append_works(journal):
    add(journal, 1)
    fill(journal)
    with pytest.raises(JournalFullError) as caught:
        journal.append("bot", "k", BIG, actor="ann", at_s=2)
    assert caught.value.retryable
    assert not journal._connection.in_transaction, "a reader's snapshot and the write lock would be held for ever"
    free(journal)
    add(journal, 2)
    assert numbers(journal) == [1, 2]
    assert journal.verify() == Verified(2, "matches")


def test_a_group_is_written_whole_or_not_at_all(journal):
    fill(journal)
    with pytest.raises(JournalFullError):
        journal.append_all([draft("bot", "k", body, actor="ann", at_s=2) for body in ({"number": 1}, BIG)])
    free(journal)
    assert numbers(journal) == []


def test_a_file_that_became_read_only(journal):
    add(journal, 1)
    journal._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(JournalReadOnlyError):
        add(journal, 2)
    journal._connection.execute("PRAGMA query_only = OFF")
    assert add(journal, 2).seq == 2


def test_a_rollback_during_a_full_disk_is_recorded_later_with_its_true_time(journal):
    add(journal, 1)
    fill(journal)
    rollback = draft("bot", "rolled-back", {"number": 2} | BIG, actor="controller", at_s=5.0)
    with pytest.raises(JournalFullError):
        journal.append_all([rollback])
    journal.defer(rollback)
    with pytest.raises(JournalFullError):
        journal.flush()
    assert journal.deferred == 1, "a failed flush must not forget"
    free(journal)
    returned = add(journal, 3)
    assert returned.body == {"number": 3}, "the caller gets its own record, not the late one"
    _, late, _ = journal.read()
    assert (late.kind, late.at_s, late.body["late"], late.body["number"]) == ("rolled-back", 5.0, True, 2)
    assert journal.deferred == 0
    assert journal.verify() == Verified(3, "matches")


def test_what_did_not_fit_in_the_backlog_is_counted_in_the_trail(journal):
    for number in range(5):
        journal.defer(draft("bot", "k", {"number": number}, actor="controller", at_s=number))
    assert (journal.deferred, journal.dropped) == (2, 3)
    journal.flush()
    assert numbers(journal) == [0, 1, DROPPED_KIND]
    assert journal.last().body == {"dropped": 3, "late": True}
    assert (journal.deferred, journal.dropped) == (0, 0)
    journal.flush()
    assert journal.last().seq == 3, "a flush of nothing writes nothing"


def test_an_interrupted_append_leaves_no_transaction_behind(journal, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("controller.journal.store.chain", interrupt)
        with pytest.raises(KeyboardInterrupt):
            add(journal, 1)
    assert add(journal, 1).seq == 1


class LyingConnection:
    """Keeps a transaction and says that it did not: an fsync that fails after the bytes have gone out."""

    def __init__(self, connection):
        self.connection = connection

    def execute(self, statement, *values):
        result = self.connection.execute(statement, *values)
        if statement == "COMMIT":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return result

    def __getattr__(self, name):
        return getattr(self.connection, name)


def test_a_record_kept_in_spite_of_an_error_is_not_taken_for_tampering(journal):
    add(journal, 1)
    truthful = journal._connection
    journal._connection = LyingConnection(truthful)
    with pytest.raises(JournalError):
        add(journal, 2)
    journal._connection = truthful
    add(journal, 3)
    assert numbers(journal) == [1, 2, 3], "one bad fsync would stop all rollouts until a restart"
    assert journal.verify() == Verified(3, "matches")


def test_a_disk_that_cannot_keep_the_anchor_still_keeps_records(journal, path):
    add(journal, 1)
    path.with_name("journal.sqlite.anchor.new").mkdir()
    add(journal, 2)
    assert journal.verify() == Verified(2, "lags")


# When somebody has been at the file


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE record SET body = '{\"number\":9}' WHERE seq = 2",
        "UPDATE record SET body = body || ' ' WHERE seq = 2",
        "UPDATE record SET body = CAST(x'ff' AS TEXT) WHERE seq = 2",
        "UPDATE record SET actor = 'eve' WHERE seq = 2",
        "UPDATE record SET at_s = 9e999 WHERE seq = 2",
        "DELETE FROM record WHERE seq = 2",
        "UPDATE record SET version = 7 WHERE seq = 2",
    ],
)
def test_an_altered_record_is_found_when_it_is_read(path, statement):
    tamper(three(path), statement)
    other = reader(path)
    for call in (other.verify, other.read, lambda: list(other.replay())):
        with pytest.raises(JournalAlteredError) as caught:
            call()
        assert caught.value.seq == 2
    other.close()


def test_a_page_that_begins_after_a_missing_record_is_altered(path):
    tamper(three(path), "DELETE FROM record WHERE seq = 2")
    other = reader(path)
    with pytest.raises(JournalAlteredError):
        other.read(after_seq=2)
    with pytest.raises(JournalAlteredError):
        other.read(after_seq=1)
    other.close()


def test_one_agents_page_checks_each_record(path):
    tamper(three(path), "UPDATE record SET kind = 'promoted' WHERE seq = 2")
    other = reader(path)
    with pytest.raises(JournalAlteredError):
        other.read("bot")
    other.close()


@pytest.mark.parametrize("statement", ["DELETE FROM record WHERE seq = 3", "DELETE FROM record"])
def test_a_cut_off_tail_is_found_by_the_anchor_and_nothing_is_written_over_it(path, statement):
    tamper(three(path), statement)
    anchor = path.with_name("journal.sqlite.anchor").read_bytes()
    other = reader(path)
    with pytest.raises(JournalAlteredError, match="record 3 was written"):
        other.verify()
    other.close()
    for _ in range(2):
        with pytest.raises(JournalAlteredError):
            Journal.open(path)
    assert path.with_name("journal.sqlite.anchor").read_bytes() == anchor, "the evidence would be gone"


def test_a_file_cut_to_nothing_is_not_a_new_journal(path):
    os.truncate(three(path), 0)
    with pytest.raises(JournalAlteredError):
        Journal.open(path)


def test_a_chain_written_anew_does_not_fit_the_anchor(path, tmp_path):
    three(path)
    forged = Journal.open(tmp_path / "forged.sqlite")
    for number in range(4):
        add(forged, number + 100)
    forged.close()
    path.write_bytes((tmp_path / "forged.sqlite").read_bytes())
    other = reader(path)
    with pytest.raises(JournalAlteredError, match="another digest"):
        other.verify()
    other.close()


def test_without_an_anchor_the_proof_says_what_it_does_not_prove(path):
    three(path).with_name("journal.sqlite.anchor").unlink()
    other = reader(path)
    assert other.verify() == Verified(3, "absent")
    other.close()


def test_an_anchor_may_lag(path):
    anchor = three(path).with_name("journal.sqlite.anchor")
    old = anchor.read_bytes()
    journal = Journal.open(path)
    add(journal, 4)
    journal.close()
    anchor.write_bytes(old)
    journal = Journal.open(path)
    assert journal.verify() == Verified(4, "lags")
    journal.close()


def test_a_tail_cut_off_under_a_running_controller_is_found_at_its_next_append(journal, path):
    add(journal, 1)
    add(journal, 2)
    tamper(path, "DELETE FROM record WHERE seq = 2")
    with pytest.raises(JournalAlteredError):
        add(journal, 3)


def test_a_file_cut_in_the_middle_is_damaged(path):
    journal = Journal.open(path)
    journal.append_all([draft("bot", "k", {"n": n}, actor="ann", at_s=n) for n in range(500)])
    journal.close()
    os.truncate(path, path.stat().st_size // 2)
    for read_only in (False, True):
        with pytest.raises(JournalDamagedError) as caught:
            Journal.open(path, read_only=read_only)
        assert caught.value.remedy


def test_pages_overwritten_with_garbage_are_damaged(path):
    journal = Journal.open(path)
    journal.append_all([draft("bot", "k", {"n": n}, actor="ann", at_s=n) for n in range(500)])
    journal.close()
    content = bytearray(path.read_bytes())
    content[3 * 4096 : 5 * 4096] = b"\xa5" * 8192
    path.write_bytes(content)
    with pytest.raises(JournalDamagedError):
        Journal.open(path)
