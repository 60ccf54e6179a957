"""What a driver writes, and what it finds again after a restart.

Two kinds of records carry an agent's life. A ``transition`` holds an event and the whole state that came of it, so that
the newest one is enough to go on from, and all of them together can be replayed and compared. ``evidence`` holds the
new counts of one look at the gateways, written before they lead to anything, so that the same e-values come out again;
when a watch begins, and every ``CHECKPOINT_EVERY`` looks, it is a checkpoint: the state of agent and judge, whole.

Each record names the checkpoint before it, and a restart reads from there on. It trusts no other number: a rollback may
reach the disk long after it was carried out, so nobody can say beforehand which transition a look comes after.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from pydantic import TypeAdapter

from controller.analysis.indicators import Block, Counts, Indicator
from controller.journal.errors import JournalAlteredError
from controller.journal.records import JSON, Body, Record, upcast
from controller.rollout.events import EVENTS, AnyEvent
from controller.rollout.state import State

TRANSITION = "transition"
EVIDENCE = "evidence"
CHECKPOINT_EVERY = 500

_state = TypeAdapter(State)
_events = {event.__name__: TypeAdapter(event) for event in EVENTS}


class Reader(Protocol):
    """The part of a journal that a restart needs."""

    async def read(self, agent: str | None = None, *, after_seq: int = 0, limit: int = 1000) -> list[Record]:
        """The next records in order."""
        ...

    async def last(self, agent: str | None = None) -> Record | None:
        """The newest record."""
        ...


@dataclass(frozen=True, slots=True)
class Recalled:
    """What the journal knows of an agent.

    Attributes:
        state: where it stood.
        judge: the judge's state at the last checkpoint, as :meth:`Watch.to_record` wrote it; None if no watch was under
            way.
        judge_seq: that checkpoint's number; 0 if there is none.
        looks: (when, blocks, whether stable was to get requests) of each look since.
    """

    state: State
    judge: Mapping[str, Any] | None = None
    judge_seq: int = 0
    looks: tuple[tuple[float, Mapping[Indicator, Block], bool], ...] = ()


def transition_body(event: AnyEvent, state: State, *, judge_seq: int) -> Body:
    """The body of a transition: the event, what it led to, and where the evidence before it begins."""
    name = type(event).__name__
    return {
        "event": name,
        "phase": state.phase.value,
        "split": str(state.split),
        "why": state.rollout.reason if state.rollout else "",
        "details": _events[name].dump_python(event, mode="json"),
        "state": _state.dump_python(state, mode="json"),
        "judge_seq": judge_seq,
    }


def evidence_body(blocks: Mapping[Indicator, Block], *, judge_seq: int, stable_serves: bool = True) -> Body:
    """The body of a look: candidate's and stable's ``[valid, bad]`` per indicator, the checkpoint it follows, and
    whether the split gave stable anything.
    """
    counts = {name: [block.candidate.to_record(), block.stable.to_record()] for name, block in blocks.items()}
    return {"blocks": _listed(counts), "judge_seq": judge_seq, "stable_serves": stable_serves}


def checkpoint_body(state: State, judge: Mapping[str, JSON]) -> Body:
    """The body of evidence that stands on its own: everything that a restart needs."""
    return {"state": _state.dump_python(state, mode="json"), "judge": _listed(judge)}


def _listed(named: Mapping[str, JSON]) -> JSON:
    """As pairs: operators choose these names, and one such as ``credentials`` may be no key of a record's body."""
    return [[name, value] for name, value in named.items()]


def _by_name(listed: object) -> dict[str, Any]:
    """The inverse; records of earlier days hold the mapping itself."""
    return dict(cast("list[tuple[str, Any]] | dict[str, Any]", listed))


def event_of(record: Record) -> AnyEvent:
    """The event of a transition record.

    Raises:
        JournalAlteredError: there is no such event.
    """
    body = upcast(record)
    try:
        return _events[cast("str", body["event"])].validate_python(body["details"])
    except (ValueError, KeyError) as error:
        raise JournalAlteredError(record.seq, f"its event cannot be: {error}") from error


def state_of(record: Record) -> State:
    """The state of a transition, or of a checkpoint.

    Raises:
        JournalAlteredError: it breaks an invariant of states.
    """
    try:
        return _state.validate_python(upcast(record)["state"])
    except (ValueError, AssertionError, KeyError) as error:
        raise JournalAlteredError(record.seq, f"its state cannot be: {error}") from error


async def recall(journal: Reader, agent: str) -> Recalled | None:
    """What the journal knows of ``agent``; None if it has never heard of it.

    Raises:
        JournalError: it cannot be read, or cannot be trusted.
    """
    last = await journal.last(agent)
    if last is None:
        return None
    judge_seq = _checkpoint_seq(last)
    if judge_seq == 0:
        return Recalled(state_of(last))
    checkpoint = last if judge_seq == last.seq else await _at(journal, agent, judge_seq)
    newest = checkpoint
    looks: list[tuple[float, Mapping[Indicator, Block], bool]] = []
    async for record in _after(journal, agent, judge_seq):
        if record.kind == TRANSITION:
            newest = record
        elif record.kind == EVIDENCE and "judge" in upcast(record):  # the newest transition was written late, behind it
            checkpoint, looks = record, []
        elif record.kind == EVIDENCE:
            looks.append((record.at_s, _blocks(record), _stable_serves(record)))
    return Recalled(state_of(newest), _by_name(upcast(checkpoint)["judge"]), checkpoint.seq, tuple(looks))


def _checkpoint_seq(record: Record) -> int:
    body = upcast(record)
    return record.seq if "judge" in body else cast("int", body["judge_seq"])


def _blocks(record: Record) -> dict[Indicator, Block]:
    return {
        name: Block(candidate=Counts.from_record(candidate), stable=Counts.from_record(stable))
        for name, (candidate, stable) in _by_name(upcast(record)["blocks"]).items()
    }


def _stable_serves(record: Record) -> bool:
    """Old records do not say. Then it did: too much patience is soon over, too little is not made good."""
    return cast("bool", upcast(record).get("stable_serves", True))


async def _at(journal: Reader, agent: str, seq: int) -> Record:
    found = await journal.read(agent, after_seq=seq - 1, limit=1)
    if not found or found[0].seq != seq:
        raise JournalAlteredError(seq, "a later record of the same agent refers to it, and it is not there")
    return found[0]


async def _after(journal: Reader, agent: str, seq: int) -> AsyncIterator[Record]:
    while page := await journal.read(agent, after_seq=seq):
        for record in page:
            yield record
        seq = page[-1].seq
