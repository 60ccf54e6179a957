"""The journal for asyncio: one thread does the disk's work, and appends that wait together share one fsync."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from controller.journal.backlog import Backlog
from controller.journal.errors import JournalError
from controller.journal.records import Body, Draft, Record, draft
from controller.journal.store import Journal

PENDING_MAX: Final = 1024
"""How many appends may wait. One more is refused: a disk this slow is as good as none."""

CLOSE_PATIENCE_S: Final = 5.0
"""How long the end waits for the disk. What it is writing then may still get there; what waits behind it is lost."""


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    draft: Draft
    deferrable: bool
    written: asyncio.Future[Record | None]


class AsyncJournal:
    """A `Journal` whose calls do not hold up the event loop. Owns that journal, and closes it.

    An append whose caller is cancelled may still be written: once handed to the disk, a record is not called back.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        pending_max: int = PENDING_MAX,
        on_append: Callable[[float], None] | None = None,
    ) -> None:
        """Take over a journal.

        Args:
            journal: nobody else uses it from now on.
            pending_max: how many appends may wait.
            on_append: hears how long each write to the disk took, in seconds, for meters.
        """
        self._journal = journal
        self._on_append = on_append
        self._pending_max = pending_max
        self._pending: list[_Entry] = []
        self._overflow = Backlog()  # what is deferrable and came while `_pending` was full
        self._writing: asyncio.Future[list[Record] | JournalError] | None = None
        self._closed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    async def append(self, agent: str, kind: str, body: Body, *, actor: str, at_s: float) -> Record:
        """Write one record; on return it is on disk.

        Raises:
            InvalidError: the record is outside its limits.
            JournalError: it could not be written, or too many wait already.
        """
        entry = draft(agent, kind, body, actor=actor, at_s=at_s)
        if self._closed:
            raise JournalError("The journal is closed: the controller is stopping.")
        if len(self._pending) >= self._pending_max:
            raise JournalError(f"{self._pending_max} records wait for the journal's disk.", remedy="Look at the disk.")
        record = await self._submit(entry, deferrable=False)
        assert record is not None, "only a deferrable append ends without a record"
        return record

    def append_or_defer(
        self, agent: str, kind: str, body: Body, *, actor: str, at_s: float
    ) -> asyncio.Future[Record | None]:
        """Write a record of what is done in any case: the way back. Returns at once, so that nothing waits for a disk.

        The future may be awaited or dropped. It ends with the record, or with None when the record was deferred (see
        `Journal.defer`) or, after `close`, lost; never with a JournalError.

        Raises:
            InvalidError: the record is outside its limits.
        """
        entry = draft(agent, kind, body, actor=actor, at_s=at_s)
        if not self._closed and len(self._pending) < self._pending_max:
            return self._submit(entry, deferrable=True)
        self._overflow.add(entry)
        nothing: asyncio.Future[Record | None] = asyncio.get_running_loop().create_future()
        nothing.set_result(None)
        return nothing

    def _submit(self, entry: Draft, *, deferrable: bool) -> asyncio.Future[Record | None]:
        written: asyncio.Future[Record | None] = asyncio.get_running_loop().create_future()
        self._pending.append(_Entry(entry, deferrable, written))
        if self._writing is None:
            self._write_pending()
        return written

    def _write_pending(self) -> None:
        loop = asyncio.get_running_loop()
        batch = self._pending
        batch += [_Entry(entry, True, loop.create_future()) for entry in self._overflow.drafts()]
        self._pending = []
        self._overflow.clear()
        self._writing = loop.run_in_executor(self._thread, self._write, batch)
        self._writing.add_done_callback(partial(self._settle, batch, time.monotonic()))

    def _write(self, batch: Sequence[_Entry]) -> list[Record] | JournalError:
        """In the thread: all of them with one fsync, or none."""
        try:
            return self._journal.append_all([entry.draft for entry in batch])
        except JournalError as error:
            for entry in batch:
                if entry.deferrable:
                    self._journal.defer(entry.draft)
            return error

    def _settle(
        self, batch: Sequence[_Entry], began_s: float, writing: asyncio.Future[list[Record] | JournalError]
    ) -> None:
        """Back in the loop: tell those who wait, and begin with those who came meanwhile."""
        self._writing = None
        if self._on_append is not None:
            self._on_append(time.monotonic() - began_s)
        error = writing.exception()  # a fault of ours, not of the disk: everybody who waits gets to see it
        outcome = error or writing.result()
        for place, entry in enumerate(batch):
            if entry.written.done():  # its caller was cancelled
                continue
            if isinstance(outcome, list):
                entry.written.set_result(outcome[place])
            elif entry.deferrable and isinstance(outcome, JournalError):
                entry.written.set_result(None)
            else:
                entry.written.set_exception(outcome)
        if self._pending or len(self._overflow):
            self._write_pending()

    async def flush(self) -> None:
        """Write what was deferred. Raises what `Journal.flush` raises."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.flush)

    @property
    def deferred(self) -> int:
        """How many records wait to be written late."""
        return self._journal.deferred + len(self._overflow)

    @property
    def dropped(self) -> int:
        """How many records did not fit among those that wait."""
        return self._journal.dropped + self._overflow.dropped

    async def read(self, agent: str | None = None, *, after_seq: int = 0, limit: int = 1000) -> list[Record]:
        """Return the next records in order. Raises what `Journal.read` raises."""
        call = partial(self._journal.read, agent, after_seq=after_seq, limit=limit)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def last(self, agent: str | None = None) -> Record | None:
        """Return the newest record, of one agent or of all. Raises what `Journal.read` raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.last, agent)

    async def close(self) -> None:
        """Take no more, write what waits, try once more to write what was deferred, and let go of the file.

        Raises:
            JournalError: records could not be written and are lost. The file is closed all the same, unless the disk
                does not answer: then the thread goes on waiting for it.
        """
        self._closed = True
        try:
            async with asyncio.timeout(CLOSE_PATIENCE_S):
                await self._finish()
        except TimeoutError:
            lost = len(self._pending) + self.deferred
            raise JournalError(
                f"The journal's disk does not answer; {lost} records are lost.", remedy="Look at the disk."
            ) from None
        finally:
            self._thread.shutdown(wait=False)

    async def _finish(self) -> None:
        while self._writing is not None:
            await asyncio.wait([self._writing])
        try:
            await self.flush()
        finally:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.close)
