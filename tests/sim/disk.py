"""A simulated journal: the records that are on disk outlive controllers; what waits in memory does not."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from controller.journal.backlog import Backlog
from controller.journal.errors import JournalFullError
from controller.journal.records import GENESIS, Body, Draft, Record, chain, draft
from controller.journal.transitions import EVIDENCE, TRANSITION

from .clock import passes
from .gateway import Point
from .law import Law

WRITE_S_MAX = 0.01

SETTLE_S_MAX = 0.005
"""From a record being on disk to its writer knowing it."""


@dataclass(slots=True)
class Disk:
    """What lasts."""

    chance: random.Random
    records: list[Record] = field(default_factory=list)
    full: bool = False
    slow: bool = False

    def write(self, entry: Draft) -> Record:
        record = chain(self.records[-1].head if self.records else GENESIS, entry)
        self.records.append(record)
        return record


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    draft: Draft
    deferrable: bool
    written: asyncio.Future[Record | None]


class SimJournal:
    """The journal of one life of the controller; the same order, batches and promises as `AsyncJournal`."""

    def __init__(self, disk: Disk, law: Law, point: Point) -> None:
        self.backlog = Backlog()
        self.in_doubt = 0
        self.exact = True
        self._disk, self._law, self._point = disk, law, point
        self._pending: list[_Entry] = []
        self._writing = False

    @property
    def busy(self) -> bool:
        """Something waits to be written, now or once there is room."""
        return bool(self._writing or self._pending or len(self.backlog))

    async def append(self, agent: str, kind: str, body: Body, *, actor: str, at_s: float) -> Record:
        entry = draft(agent, kind, body, actor=actor, at_s=at_s)
        self.in_doubt += kind == EVIDENCE
        record = await self._submit(entry, deferrable=False)
        assert record is not None
        return record

    def append_or_defer(
        self, agent: str, kind: str, body: Body, *, actor: str, at_s: float
    ) -> asyncio.Future[Record | None]:
        entry = draft(agent, kind, body, actor=actor, at_s=at_s)
        self._law.decided(body)
        return self._submit(entry, deferrable=True)

    def _submit(self, entry: Draft, *, deferrable: bool) -> asyncio.Future[Record | None]:
        written: asyncio.Future[Record | None] = asyncio.get_running_loop().create_future()
        self._pending.append(_Entry(entry, deferrable, written))
        if not self._writing:
            self._begin()
        return written

    def _begin(self) -> None:
        batch, self._pending, self._writing = self._pending, [], True
        write_s = self._disk.chance.uniform(0.0, WRITE_S_MAX) * (1000.0 if self._disk.slow else 1.0)
        asyncio.get_running_loop().call_later(write_s, self._write, batch)

    def _write(self, batch: list[_Entry]) -> None:
        if not self._point("write"):
            return
        failed = self._disk.full
        records: list[Record | None] = []
        if failed:
            for entry in batch:
                if entry.deferrable:
                    self.backlog.add(entry.draft)
        else:
            for late in self.backlog.drafts():
                self._law.durable(self._disk.write(late))
            self.backlog.clear()
            for entry in batch:
                record = self._disk.write(entry.draft)
                records.append(record)
                given_up = entry.written.done()
                if not entry.deferrable and record.kind == TRANSITION and not given_up:
                    self._law.decided(record.body, hears_within_s=SETTLE_S_MAX)
                self._law.durable(record)
        if self._point("written"):
            settle_s = self._disk.chance.uniform(0.0, SETTLE_S_MAX)
            asyncio.get_running_loop().call_later(settle_s, self._settle, batch, records, failed)

    def _settle(self, batch: list[_Entry], records: list[Record | None], failed: bool) -> None:
        if not self._point("settle"):
            return
        for place, entry in enumerate(batch):
            if entry.draft.kind == EVIDENCE:
                self.in_doubt -= 1
                kept = not failed and not entry.written.done()
                self.exact = kept and (self.exact or '"judge":' in entry.draft.text)
            if entry.written.done():
                continue
            if not failed:
                entry.written.set_result(records[place])
            elif entry.deferrable:
                entry.written.set_result(None)
            else:
                entry.written.set_exception(JournalFullError("simulated: no space left"))
        self._writing = False
        if self._pending:
            self._begin()

    async def read(self, agent: str | None = None, *, after_seq: int = 0, limit: int = 1000) -> list[Record]:
        await passes(0.001)
        newer = self._disk.records[after_seq:]
        return [record for record in newer if agent in (None, record.agent)][:limit]

    async def last(self, agent: str | None = None) -> Record | None:
        await passes(0.001)
        return next((record for record in reversed(self._disk.records) if agent in (None, record.agent)), None)
