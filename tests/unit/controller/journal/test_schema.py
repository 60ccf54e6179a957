import os
import sqlite3

import pytest

from controller.journal.errors import (
    JournalBusyError,
    JournalDamagedError,
    JournalError,
    JournalFullError,
    JournalMissingError,
    JournalReadOnlyError,
    JournalTooNewError,
)
from controller.journal.schema import APPLICATION_ID, connect, translate


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"


def begun(path):
    connect(path, read_only=False).close()
    return path


def alter(path, statement):
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


def test_a_new_file_is_safe_through_a_power_cut(path):
    connection = connect(path, read_only=False)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,), "FULL: an append would return before its fsync"
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()


def test_a_new_files_name_is_synced_too(path, monkeypatch):
    synced = []
    monkeypatch.setattr("os.fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    begun(path)
    assert path.parent.stat().st_ino in synced, "a power cut would take the whole new journal"
    begun(path)
    assert len(synced) == 1


ROW = "(at_s, agent, kind, actor, version, body, previous, digest, seq) VALUES (1, '', 'k', 'a', 1, '{}', 'p', 'd', ?)"


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("UPDATE record SET body = '{}'", ()),
        ("DELETE FROM record", ()),
        (f"INSERT OR REPLACE INTO record {ROW}", (1,)),
        (f"INSERT INTO record {ROW}", (3,)),
        (f"INSERT INTO record {ROW}", (0,)),
        (f"INSERT INTO record {ROW}", (None,)),
    ],
)
def test_sqlite_itself_refuses_to_change_what_was_written(path, statement, values):
    connection = connect(path, read_only=False)
    connection.execute(f"INSERT INTO record {ROW}", (1,))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement, values)
    assert connection.execute("SELECT seq, digest FROM record").fetchall() == [(1, "d")]
    connection.close()


@pytest.mark.parametrize("size", [1, 100, 4096, 20_000])
def test_garbage_is_damaged(path, size):
    path.write_bytes(b"not a database " * (size // 15 + 1))
    for read_only in (True, False):
        with pytest.raises(JournalDamagedError) as caught:
            connect(path, read_only=read_only)
        assert "backup" in caught.value.remedy


def test_an_empty_file_is_a_journal_that_was_not_begun(path):
    path.touch()
    with pytest.raises(JournalMissingError):
        connect(path, read_only=True)
    assert path.stat().st_size == 0, "a reader must not write"
    begun(path)


def test_a_missing_file_is_not_made_by_a_reader(path):
    with pytest.raises(JournalMissingError, match=r"journal\.sqlite"):
        connect(path, read_only=True)
    assert not path.exists()


def test_another_programs_database_is_left_alone(path):
    alter(path, "CREATE TABLE precious (x)")
    before = path.read_bytes()
    with pytest.raises(JournalDamagedError, match="not a journal"):
        connect(path, read_only=False)
    assert path.read_bytes() == before


def test_a_newer_schema_is_left_alone(path):
    alter(begun(path), "PRAGMA user_version = 2")
    before = path.read_bytes()
    for read_only in (True, False):
        with pytest.raises(JournalTooNewError, match="schema 2"):
            connect(path, read_only=read_only)
    assert path.read_bytes() == before


def test_a_directory_in_the_files_place_is_read_only(path):
    path.mkdir()
    with pytest.raises(JournalReadOnlyError):
        connect(path, read_only=False)


def test_a_name_with_signs_that_mean_something_in_a_uri(tmp_path):
    path = tmp_path / "a?mode=memory#b%20.sqlite"
    begun(path)
    assert path.exists()


def test_a_stranger_who_holds_the_file_is_busy(path, monkeypatch):
    monkeypatch.setattr("controller.journal.schema.BUSY_TIMEOUT_S", 0)
    stranger = sqlite3.connect(begun(path), isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalBusyError):
        connect(path, read_only=False)
    stranger.close()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, JournalFullError),
        (sqlite3.SQLITE_IOERR_WRITE, JournalFullError),
        (sqlite3.SQLITE_IOERR_SHMOPEN, JournalFullError),
        (sqlite3.SQLITE_IOERR_SHMSIZE, JournalFullError),
        (sqlite3.SQLITE_READONLY_DBMOVED, JournalReadOnlyError),
        (sqlite3.SQLITE_CANTOPEN_ISDIR, JournalReadOnlyError),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, JournalBusyError),
        (sqlite3.SQLITE_CORRUPT_VTAB, JournalDamagedError),
        (sqlite3.SQLITE_NOTADB, JournalDamagedError),
        (sqlite3.SQLITE_IOERR_FSYNC, JournalError),
        (sqlite3.SQLITE_NOMEM, JournalError),
    ],
)
def test_what_sqlite_says_is_said_in_our_words(path, code, kind):
    error = sqlite3.OperationalError("its words")
    error.sqlite_errorcode = code
    translated = translate(error, path)
    assert type(translated) is kind
    assert translated.remedy
    assert str(path) in translated.message


def test_an_error_without_a_code_is_translated_too(path):
    assert type(translate(sqlite3.ProgrammingError("closed"), path)) is JournalError


def test_a_schema_that_is_no_text_is_damage_and_no_crash(path):
    error = UnicodeDecodeError("utf-8", b"\x80", 0, 1, "invalid start byte")
    assert isinstance(translate(error, path), JournalDamagedError), "a flipped byte would end the controller in a trace"
