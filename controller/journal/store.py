"""The journal on disk: append with fsync, read by pages, verify.

How fast. A record is one row, found by its number; its body is stored in the very form that was hashed, so reading
costs one SHA-256 and one JSON parse per record and encodes no body. 100,000 records of 300 bytes replay in about one
second on one core (`replay`, pages of 1,000). Nothing is ever compacted: whoever produces many records bounds
them, e.g. by writing checkpoints of evidence and not each observation.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from controller.errors import InvalidError
from controller.journal.anchor import Anchor
from controller.journal.backlog import BACKLOG_MAX, Backlog
from controller.journal.errors import JournalAlteredError, JournalError
from controller.journal.lock import Lock
from controller.journal.records import GENESIS, Body, Draft, Head, Record, chain, draft, follow, from_row, to_row
from controller.journal.schema import TROUBLE, connect, translate

PAGE_MAX: Final = 10_000
"""The most records that one `read` returns."""

_INSERT: Final = (
    "INSERT INTO record (seq, at_s, agent, kind, actor, version, body, previous, digest) VALUES (?,?,?,?,?,?,?,?,?)"
)
_SELECT: Final = "SELECT seq, at_s, agent, kind, actor, version, body, previous, digest FROM record "
_READ_ALL: Final = _SELECT + "WHERE seq > ? ORDER BY seq LIMIT ?"
_READ_AGENT: Final = _SELECT + "WHERE agent = ? AND seq > ? ORDER BY seq LIMIT ?"
_LAST: Final = _SELECT + "ORDER BY seq DESC LIMIT 1"
_LAST_OF_AGENT: Final = _SELECT + "WHERE agent = ? ORDER BY seq DESC LIMIT 1"
_SEQ_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Verified:
    """What `Journal.verify` has proven.

    Attributes:
        records: how many records there are, all as they were written.
        anchor: `matches` the last record; `lags`: vouches only for the records up to its own (normal after a crash or
            while a controller writes); `absent`: whether records are missing at the end cannot be said.
    """

    records: int
    anchor: Literal["matches", "lags", "absent"]


class Journal:
    """One journal file. Use it from one thread at a time.

    Beside the file `journal.sqlite` lie SQLite's `-wal` and `-shm`, our `.lock` and our `.anchor`.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, lock: Lock | None, *, backlog_max: int = BACKLOG_MAX
    ) -> None:
        self.path = path
        self._connection = connection
        self._lock = lock
        self._anchor = Anchor(path.with_name(f"{path.name}.anchor"))
        self._backlog = Backlog(backlog_max)
        self._head: Head | None = None

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False, backlog_max: int = BACKLOG_MAX) -> Journal:
        """Open a journal, and make it when it is not there (unless `read_only`).

        A writer holds the journal's lock until `close`. Readers need none, and may read while a controller writes.

        Raises:
            JournalBusyError: another controller has it.
            JournalReadOnlyError: the file or its directory cannot be written.
            JournalMissingError: there is nothing to read.
            JournalDamagedError: it is not a journal, or has broken pages.
            JournalTooNewError: a newer Turnout has written it.
            JournalAlteredError: its end is not where its anchor says (writers only: a reader asks `verify`).
            JournalFullError: there is no room to begin a new one (one that is there opens on a full disk too).
        """
        lock = None if read_only else Lock(path.with_name(f"{path.name}.lock"))
        try:
            connection = connect(path, read_only=read_only)
        except JournalError:
            if lock:
                lock.release()
            raise
        journal = cls(path, connection, lock, backlog_max=backlog_max)
        if lock:
            try:
                journal._check_anchor(journal._anchor.read())
            except JournalError:
                journal.close()
                raise
        return journal

    def append(self, agent: str, kind: str, body: Body, *, actor: str, at_s: float) -> Record:
        """Write one record; on return it is on disk.

        Raises:
            InvalidError: the record is outside its limits.
            JournalError: it could not be written. The chain is as it was, and a later append may work.
        """
        return self.append_all([draft(agent, kind, body, actor=actor, at_s=at_s)])[0]

    def append_all(self, drafts: Sequence[Draft]) -> list[Record]:
        """Write what is deferred and then these, all or nothing, with one fsync. Returns the records of `drafts`.

        Raises:
            JournalError: nothing was written.
        """
        late = self._backlog.drafts()
        try:
            head = self._begin()
            records: list[Record] = []
            for entry in (*late, *drafts):
                record = chain(head, entry)
                records.append(record)
                head = record.head
            self._connection.executemany(_INSERT, map(to_row, records))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._forget()
            raise translate(error, self.path) from error
        except BaseException:
            self._forget()
            raise
        self._head = head
        self._backlog.clear()
        self._anchor.write(head)
        return records[len(late) :]

    def _begin(self) -> Head:
        """Begin a transaction, and return where the chain ends."""
        self._undo()  # what an earlier failure may have left behind
        self._connection.execute("BEGIN IMMEDIATE")
        head = self._end()
        if self._head not in {None, head}:
            raise JournalAlteredError(head.seq + 1, "another program has changed the end of the journal")
        return head

    def _forget(self) -> None:
        """After a failure, trust what the file says and nothing that was remembered."""
        self._head = None
        with contextlib.suppress(sqlite3.Error):  # the failure itself is being reported, and the next append undoes too
            self._undo()

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def defer(self, entry: Draft) -> None:
        """Keep a record that could not be written, for the next append that works. Does no I/O and never fails.

        Only for what is done whether or not it can be recorded: the way back. At most `backlog_max` are kept, the
        oldest; how many more there were is recorded too. They are lost if the process ends before the disk is well.
        """
        self._backlog.add(entry)

    @property
    def deferred(self) -> int:
        """How many records wait to be written late."""
        return len(self._backlog)

    @property
    def dropped(self) -> int:
        """How many records did not fit among those that wait."""
        return self._backlog.dropped

    def flush(self) -> None:
        """Write what is deferred, if anything is.

        Raises:
            JournalError: it still could not be written, and stays deferred.
        """
        if self.deferred or self.dropped:
            self.append_all([])

    def read(self, agent: str | None = None, *, after_seq: int = 0, limit: int = 1000) -> list[Record]:
        """Return the next records in order, at most `limit` (1 to 10,000), of one agent or of all.

        Each is checked against its own digest, and against the one before it when all agents are read.

        Raises:
            InvalidError: `after_seq` or `limit` is out of range.
            JournalAlteredError, JournalDamagedError, JournalTooNewError: a record cannot be trusted or understood.
        """
        if not (0 <= after_seq <= _SEQ_MAX and 1 <= limit <= PAGE_MAX):
            raise InvalidError(f"A page has 1 to {PAGE_MAX} records, after a number from 0 on.")
        try:
            if agent is not None:
                return [from_row(row) for row in self._connection.execute(_READ_AGENT, (agent, after_seq, limit))]
            before = self._at(after_seq)
            records = [from_row(row) for row in self._connection.execute(_READ_ALL, (after_seq, limit))]
        except TROUBLE as error:
            raise translate(error, self.path) from error
        for record in records:
            if before is None:
                raise JournalAlteredError(after_seq, "it is missing")
            follow(before, record)
            before = record.head
        return records

    def replay(self, agent: str | None = None, *, after_seq: int = 0) -> Iterator[Record]:
        """Yield every record after `after_seq`, page by page. Raises what `read` raises."""
        while page := self.read(agent, after_seq=after_seq):
            yield from page
            after_seq = page[-1].seq

    def last(self, agent: str | None = None) -> Record | None:
        """Return the newest record, of one agent or of all. Raises what `read` raises."""
        query, values = (_LAST, ()) if agent is None else (_LAST_OF_AGENT, (agent,))
        try:
            row = self._connection.execute(query, values).fetchone()
        except TROUBLE as error:
            raise translate(error, self.path) from error
        return from_row(row) if row else None

    def verify(self) -> Verified:
        """Read everything, and prove that nothing was changed, taken out, put in or cut off.

        Raises:
            JournalAlteredError: the first record that is not as it was written, or is gone.
            JournalDamagedError, JournalTooNewError: the file cannot be read to its end.
        """
        noted = self._anchor.read()  # before the records: a controller that is writing only ever makes it lag
        head = GENESIS
        for record in self.replay():
            head = record.head
        self._check_anchor(noted)
        if noted is None:
            return Verified(head.seq, "absent")
        return Verified(head.seq, "matches" if noted == head else "lags")

    def _check_anchor(self, noted: Head | None) -> None:
        if noted is None:
            return
        try:
            found, end = self._at(noted.seq), self._end()
        except TROUBLE as error:
            raise translate(error, self.path) from error
        if found is None:
            raise JournalAlteredError(
                end.seq + 1, f"it is missing; {self._anchor.path.name} says that record {noted.seq} was written"
            )
        if found != noted:
            raise JournalAlteredError(noted.seq, f"{self._anchor.path.name} has another digest for it")

    def _at(self, seq: int) -> Head | None:
        if seq == GENESIS.seq:
            return GENESIS
        row = self._connection.execute("SELECT seq, digest FROM record WHERE seq = ?", (seq,)).fetchone()
        return Head(*row) if row else None

    def _end(self) -> Head:
        row = self._connection.execute("SELECT seq, digest FROM record ORDER BY seq DESC LIMIT 1").fetchone()
        return Head(*row) if row else GENESIS

    def close(self) -> None:
        """Let go of the file and the lock. Deferred records that were not flushed are lost."""
        self._connection.close()
        if self._lock:
            self._lock.release()
            self._lock = None
