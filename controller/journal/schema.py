"""The journal's SQLite file: its tables, how it is opened, and what SQLite's errors mean.

Sources: sqlite.org/pragma.html, sqlite.org/wal.html, sqlite.org/rescode.html.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from controller.journal.errors import (
    JournalBusyError,
    JournalDamagedError,
    JournalError,
    JournalFullError,
    JournalMissingError,
    JournalReadOnlyError,
    JournalTooNewError,
)

APPLICATION_ID: Final = 0x54524E54
"""`TRNT`: tells a journal from any other SQLite file."""

SCHEMA_VERSION: Final = 1
"""In `PRAGMA user_version`. Grows when the tables change; the format of a record has a version of its own."""

BUSY_TIMEOUT_S: Final = 1.0
"""How long an append waits for a stranger who holds the file, e.g. somebody's SQLite shell."""

_TABLES: Final = (
    """CREATE TABLE record (
        seq INTEGER PRIMARY KEY,
        at_s REAL NOT NULL,
        agent TEXT NOT NULL,
        kind TEXT NOT NULL,
        actor TEXT NOT NULL,
        version INTEGER NOT NULL,
        body TEXT NOT NULL,
        previous TEXT NOT NULL,
        digest TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX record_by_agent ON record (agent, seq)",
    """CREATE TRIGGER record_stays BEFORE DELETE ON record
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    """CREATE TRIGGER record_stays_as_it_is BEFORE UPDATE ON record
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    # INSERT OR REPLACE fires no DELETE trigger, so a record's number must be the next one.
    """CREATE TRIGGER record_is_next BEFORE INSERT ON record
    WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM record)
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
)

_NO_ROOM: Final = {
    sqlite3.SQLITE_FULL,  # ENOSPC
    sqlite3.SQLITE_IOERR_WRITE,  # EDQUOT, EFBIG; a faulty disk rather fails the fsync
    sqlite3.SQLITE_IOERR_SHMOPEN,  # whichever of these, for the -shm file's first bytes
    sqlite3.SQLITE_IOERR_SHMSIZE,  # and for the rest of it
}

_RESTORE: Final = (
    "Keep the file, restore the state directory from a backup, or start with an empty one; "
    "gateways go on with the split they have. `sqlite3 FILE .recover` gets out what is readable."
)


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open the file, make its tables when it is new, and check that it is a journal that we know.

    A journal that is already there opens on a full disk too: the controller must be able to read where it was, and to
    go back. Its appends then fail until there is room.

    Raises:
        JournalError: see `Journal.open`.
    """
    if read_only and not path.exists():
        raise JournalMissingError(f"There is no journal at {path}.", remedy="Is --state-dir the controller's?")
    try:
        return _connect(path, read_only=read_only, shared=True)
    except (JournalFullError, JournalReadOnlyError) as error:
        # Perhaps only SQLite's -shm file could not be made, by which several processes share a journal.
        hopeless = (
            _size(path.with_name(f"{path.name}-wal")) > 0 if read_only else isinstance(error, JournalReadOnlyError)
        )
        if hopeless:
            raise
        return _connect(path, read_only=read_only, shared=False)


def _connect(path: Path, *, read_only: bool, shared: bool) -> sqlite3.Connection:
    """Open it shared, or not: a reader takes the file as it lies there, a writer keeps the index of its log in memory.

    Not shared is for when there is no other way: other programs then cannot read while a controller runs.
    """
    mode = "mode=rwc" if not read_only else "mode=ro" if shared else "mode=ro&immutable=1"
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?{mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,  # transactions begin and end where the code says so
            check_same_thread=False,  # used by one thread at a time, not always the one that opened it
        )
    except sqlite3.Error as error:
        raise translate(error, path) from error
    try:
        # Bytes that are not UTF-8 must reach the digest's check, instead of failing on the way there.
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        if not shared:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        fresh = _check(connection, path)
        if read_only and fresh:
            raise JournalMissingError(f"The journal at {path} has not been begun.")
        if not read_only:
            _prepare(connection, path, fresh=fresh)
    except TROUBLE as error:
        connection.close()
        raise translate(error, path) from error
    except JournalError:
        connection.close()
        raise
    return connection


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _prepare(connection: sqlite3.Connection, path: Path, *, fresh: bool) -> None:
    """Make a connection that writes, and writes safely."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise JournalReadOnlyError(
            f"The file system of {path} cannot hold SQLite's write-ahead log.", remedy="Use a local disk."
        )
    connection.execute("PRAGMA synchronous = FULL")
    if fresh:
        connection.execute("BEGIN IMMEDIATE")
        for statement in _TABLES:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
        _sync_directory(path.parent)
        return
    try:
        # A write that changes nothing says now, not at the first append, that the file is read-only. BEGIN IMMEDIATE
        # would not: SQLite takes it for a read when it could open the file only for reading.
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except sqlite3.Error as error:
        if not isinstance(translate(error, path), JournalFullError):  # full is no reason not to start: see `connect`
            raise


def _check(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether the file is still empty."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if (application, version, tables) == (0, 0, 0):
        return True
    if application != APPLICATION_ID:
        raise JournalDamagedError(
            f"{path} is an SQLite file, but not a journal.", remedy="Give --state-dir the controller's own directory."
        )
    if version > SCHEMA_VERSION:
        raise JournalTooNewError(
            f"The journal {path} has schema {version}; this Turnout knows schemas up to {SCHEMA_VERSION}.",
            remedy="Start the newer Turnout that wrote it; nothing was changed.",
        )
    broken = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if broken != "ok":
        raise JournalDamagedError(f"The journal {path} has broken pages: {broken}.", remedy=_RESTORE)
    return False


def _sync_directory(path: Path) -> None:
    """Make the new file's name last through a power cut, as its content does."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


TROUBLE: Final = (sqlite3.Error, UnicodeDecodeError)
"""What a file can do to its reader. The second comes where SQLite's own message repeats bytes of a damaged schema."""


def translate(error: Exception, path: Path) -> JournalError:
    """Say in our words what SQLite says with its result codes."""
    if isinstance(error, UnicodeDecodeError):
        return JournalDamagedError(f"The journal {path} is damaged: its schema is no text.", remedy=_RESTORE)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code in _NO_ROOM:
        return JournalFullError(
            f"There is no room for the journal {path}.", remedy="Free some disk space; look at quotas and limits too."
        )
    match code & 0xFF:
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return JournalReadOnlyError(
                f"The journal {path} cannot be written: {error}.",
                remedy="Let this user write the file and its directory.",
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return JournalBusyError(f"Another program has the journal {path} locked.", remedy="Close it.")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return JournalDamagedError(f"The journal {path} is damaged: {error}.", remedy=_RESTORE)
        case _:
            return JournalError(
                f"The journal {path} could not be read or written: {error}.",
                remedy="Look at the disk.",
            )
