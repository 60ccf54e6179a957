"""Handing an operator's command to an agent's driver; and telling who comes too late what happened in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from controller.journal.errors import JournalError
from controller.journal.records import Record, upcast
from controller.journal.transitions import TRANSITION, Reader
from controller.rollout.events import OperatorEvent
from controller.rollout.refusal import Outdated
from controller.rollout.state import State
from controller.runtime.driver import Driver

from .errors import ChangedError, Missed
from .operation import Call
from .shape import utc

WINDOW = 500
WINDOWS_MAX = 4
"""How far back the journal is looked through for what was missed: its thread also writes what others decide."""
MISSED_MAX = 50


async def ask(call: Call, driver: Driver, event: OperatorEvent) -> State:
    """Hand in a command, and wait until it is decided.

    Raises:
        ChangedError: the asker had seen an older state than the one that it would change.
        TurnoutError: it does not fit, or cannot be done now.
    """
    try:
        return await driver.ask(event)
    except Outdated as error:
        assert event.seen is not None
        missed = await _missed(call.context.journal, driver, event.seen)
        raise ChangedError(error.message, missed, remedy=error.remedy) from error


async def _missed(journal: Reader, driver: Driver, seen: int) -> Missed:
    """The transitions since change ``seen``, from the journal's newest records."""
    agent, change = driver.profile.agent, driver.state.changes
    entries: dict[int, Mapping[str, object]] = {}
    reached = seen > change  # of another life than this one: nothing in this one was missed
    try:
        last = await journal.last()
        before = last.seq if last else 0
        for _ in range(WINDOWS_MAX):
            if reached or before <= 0:
                break
            start = max(0, before - WINDOW)
            for record in await journal.read(after_seq=start, limit=before - start):
                if record.agent == agent and record.kind == TRANSITION:
                    entry = _entry(record)
                    number = cast("int", entry["change"])
                    reached = reached or number <= seen
                    if number > seen:
                        entries.setdefault(number, entry)
            before = start
    except JournalError:
        # The refusal itself needs no journal; that the list is not whole is told with it.
        return Missed(change, (), complete=False)
    newest = [entries[number] for number in sorted(entries)][-MISSED_MAX:]
    return Missed(change, newest, complete=len(newest) == max(0, change - seen))


def _entry(record: Record) -> Mapping[str, object]:
    state = cast("dict[str, Any]", upcast(record)["state"])
    return {
        "seq": record.seq,
        "at": utc(record.at_s).isoformat().replace("+00:00", "Z"),
        "actor": record.actor,
        "phase": state["phase"],
        "change": state["changes"],
        "text": state["changed_by"],
    }
