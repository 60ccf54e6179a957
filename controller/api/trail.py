"""The audit trail: the journal's records, page by page."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from controller.journal.history import render
from controller.journal.records import Record, upcast

from .operation import Call, Operation
from .shape import DIGITS, Name, Query, Told, utc

PAGE_MAX = 1000


class TrailQuery(Query):
    """Which records."""

    agent: Name | None = None
    """Only those about this agent."""
    kind: Annotated[str, Field(pattern="^[a-z-]{1,64}$")] | None = None
    """Only those of this kind, such as ``transition``. A page may then hold fewer than ``limit``, or none."""
    after: Annotated[int, Field(ge=0, lt=10**18), DIGITS] = 0
    """Only those after this number."""
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX), DIGITS] = 100
    """How many records are looked through."""


class RecordTold(Told):
    """One thing that happened."""

    seq: int
    at: datetime
    agent: str
    kind: str
    actor: str
    body: dict[str, Any]
    version: int
    previous: str
    """The digest of the record before, in hexadecimal."""
    digest: str
    text: str
    """One line for people."""


class TrailTold(Told):
    """A page of the journal."""

    records: list[RecordTold]
    next_after: int | None
    """What to ask for next; null at the journal's end."""


async def _page(call: Call, asked: TrailQuery) -> TrailTold:
    records = await call.context.journal.read(asked.agent, after_seq=asked.after, limit=asked.limit)
    whole = len(records) == asked.limit
    return TrailTold(
        records=[_told(record) for record in records if asked.kind in (None, record.kind)],
        next_after=records[-1].seq if whole else None,
    )


def _told(record: Record) -> RecordTold:
    return RecordTold(
        seq=record.seq,
        at=utc(record.at_s),
        agent=record.agent,
        kind=record.kind,
        actor=record.actor,
        body=dict(upcast(record)),
        version=record.version,
        previous=record.previous,
        digest=record.digest,
        text=render(record),
    )


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path="/v1/journal",
        name="readJournal",
        summary="The audit trail, oldest first",
        handle=_page,
        asks=TrailQuery,
        told=TrailTold,
    ),
)
