"""Records: what one is, its canonical form, and the chain that holds them together. Pure.

A record's digest is the SHA-256 of a canonical JSON array of its other fields, a line feed, and its body's canonical
JSON. Canonical means: keys sorted, no spaces, ASCII only, numbers as Python's `repr` writes them (the shortest form
that reads back to the same double). The body is stored in exactly that form, so a check hashes what is stored and never
has to encode it anew.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from controller.errors import InvalidError
from controller.journal.errors import JournalAlteredError, JournalTooNewError

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"
Body: TypeAlias = Mapping[str, JSON]

VERSION: Final = 1
"""The format that records are written in now."""

UPCASTS: Final[Mapping[int, Callable[[str, Body], Body]]] = {}
"""From a format to the next one: `UPCASTS[1](kind, body)` gives a body of version 2. No record is rewritten."""

BODY_BYTES_MAX: Final = 256 * 1024
BODY_DEPTH_MAX: Final = 32
NAME_CHARS_MAX: Final = 256
KEY_CHARS_MAX: Final = 256
_INT_MAX: Final = 2**63 - 1

SECRET_KEYS: Final = frozenset(
    {
        "accesstoken",
        "apikey",
        "authorization",
        "bearertoken",
        "clientsecret",
        "credential",
        "credentials",
        "passphrase",
        "passwd",
        "password",
        "privatekey",
        "proxyauthorization",
        "refreshtoken",
        "secret",
        "setcookie",
        "token",
    }
)
"""Keys whose values are secrets, in lower case without `-` and `_`. Whole names only: `input_tokens` is a count."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: the last record's number and digest."""

    seq: int
    digest: str


GENESIS: Final = Head(0, "0" * 64)
"""What the first record is chained to."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A record that is valid and encoded, and does not yet have its place in the chain."""

    at_s: float
    agent: str
    kind: str
    actor: str
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened. As it was written, also when its format is an old one: see `upcast`.

    Attributes:
        seq: its place, from 1, without gaps.
        at_s: when it happened, Unix time in seconds. Not always in order: a late record keeps its true time.
        agent: whom it is about; empty when it is about the controller.
        kind: what happened, one word.
        actor: who did it: a person, `controller`, a pipeline.
        body: the facts, as JSON.
        version: the format of the body.
        previous: the digest of the record before, in hexadecimal.
        digest: the digest of this one.
    """

    seq: int
    at_s: float
    agent: str
    kind: str
    actor: str
    body: Body
    version: int
    previous: str
    digest: str

    @property
    def head(self) -> Head:
        """The chain's end, if this record is the last."""
        return Head(self.seq, self.digest)


Row: TypeAlias = tuple[int, float, str, str, str, int, str, str, str]
"""A record as it is stored: seq, at_s, agent, kind, actor, version, body's text, previous, digest."""

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


def draft(agent: str, kind: str, body: Body, *, actor: str, at_s: float) -> Draft:
    """Check and encode what somebody wants recorded.

    Raises:
        InvalidError: a name or the body is outside its limits, is not JSON, or has a key that names a secret.
    """
    for what, name, empty in (("agent", agent, True), ("kind", kind, False), ("actor", actor, False)):
        if not name.isprintable() or len(name) > NAME_CHARS_MAX or not (name or empty):
            raise InvalidError(f"A record's {what} must be up to {NAME_CHARS_MAX} printable characters.")
    if not (math.isfinite(at_s) and at_s >= 0):
        raise InvalidError(f"A record's time must be a Unix time in seconds, not {at_s!r}.")
    _check_body(body)
    text = _encode(body)
    if len(text) > BODY_BYTES_MAX:
        raise InvalidError(
            f"The body of a {kind} record has {len(text)} bytes; {BODY_BYTES_MAX} are allowed.",
            remedy="Record a digest and where the rest is kept.",
        )
    return Draft(float(at_s) + 0.0, agent, kind, actor, text)  # adding 0.0 makes -0.0 what SQLite stores: 0.0


def _check_body(body: Body) -> None:
    """Refuse what would not read back the same, or should never have been written. Bounded by the size limit."""
    if not isinstance(body, dict):
        raise InvalidError("A record's body must be a dict.")
    nodes_left = BODY_BYTES_MAX  # a node takes one byte at the least, and so does what separates it
    waiting: list[tuple[JSON, int]] = [(body, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > BODY_DEPTH_MAX:
            raise InvalidError(f"A record's body may be nested {BODY_DEPTH_MAX} deep, not deeper.")
        if isinstance(value, dict):
            for key in value:
                _check_key(key)
            children: Sequence[JSON] = list(value.values())
        elif isinstance(value, list | tuple):
            children = value
        else:
            _check_scalar(value)
            continue
        nodes_left -= len(children)
        if nodes_left < 0:
            raise InvalidError(f"A record's body has too many values for {BODY_BYTES_MAX} bytes.")
        waiting.extend((child, depth + 1) for child in children)


def _check_key(key: object) -> None:
    if not isinstance(key, str) or len(key) > KEY_CHARS_MAX:
        raise InvalidError(f"A key in a record's body must be a string of up to {KEY_CHARS_MAX} characters.")
    if key.lower().replace("-", "").replace("_", "") in SECRET_KEYS:
        raise InvalidError(
            f"A record's body has the key {key!r}, which names a secret; the journal keeps none.",
            remedy="Leave it out, or record a name or a digest under another key.",
        )


def _check_scalar(value: object) -> None:
    if value is None or isinstance(value, bool | str):
        return
    if isinstance(value, int) and abs(value) <= _INT_MAX:
        return
    if isinstance(value, float) and math.isfinite(value):
        return
    raise InvalidError(f"A record's body holds a {type(value).__name__} that JSON cannot carry and read back the same.")


def chain(previous: Head, entry: Draft) -> Record:
    """Give a draft its place after `previous`."""
    seq = previous.seq + 1
    digest = _digest(seq, entry.at_s, entry.agent, entry.kind, entry.actor, VERSION, entry.text, previous.digest)
    body = json.loads(entry.text)  # what a reader will get, and nothing that the caller can still change
    return Record(seq, entry.at_s, entry.agent, entry.kind, entry.actor, body, VERSION, previous.digest, digest)


def to_row(record: Record) -> Row:
    """Return the record in the form that is stored."""
    return (
        record.seq,
        record.at_s,
        record.agent,
        record.kind,
        record.actor,
        record.version,
        _encode(record.body),
        record.previous,
        record.digest,
    )


def from_row(row: Row) -> Record:
    """Read a stored record, and check that it has the digest it was written with.

    Raises:
        JournalAlteredError: it does not.
        JournalTooNewError: it has a format that this program does not know.
    """
    seq, at_s, agent, kind, actor, version, text, previous, digest = row
    try:
        body = json.loads(text) if _digest(*row[:7], previous) == digest else None
    except (TypeError, ValueError, RecursionError):  # not even something that has a canonical form
        body = None
    if not isinstance(body, dict):
        raise JournalAlteredError(seq, "its digest does not match its content")
    if version > VERSION:
        raise JournalTooNewError(
            f"Record {seq} has format {version}; this Turnout knows formats up to {VERSION}.",
            remedy="Start the newer Turnout that wrote it.",
        )
    return Record(seq, at_s, agent, kind, actor, body, version, previous, digest)


def verify(records: Iterable[Record], *, after: Head = GENESIS) -> None:
    """Prove that these records, which follow `after` without a gap, are as they were written.

    For records that come from elsewhere than a journal's file, e.g. an export: `Journal.verify` checks a file.

    Raises:
        JournalAlteredError: the first one which is not.
        JournalTooNewError: one has a format that this program does not know.
    """
    for record in records:
        follow(after, record)
        try:
            row = to_row(record)
        except (TypeError, ValueError) as error:
            raise JournalAlteredError(record.seq, "its body is not JSON") from error
        from_row(row)
        after = record.head


def follow(previous: Head, record: Record) -> None:
    """Check that `record` comes right after `previous`.

    Raises:
        JournalAlteredError: a record is missing or was put in between.
    """
    if record.seq != previous.seq + 1:
        raise JournalAlteredError(previous.seq + 1, f"after record {previous.seq} comes record {record.seq}")
    if record.previous != previous.digest:
        raise JournalAlteredError(record.seq, "it is not chained to the record before it")


def upcast(record: Record) -> Body:
    """Return the body in today's format: what replay reads."""
    body = record.body
    for version in range(record.version, VERSION):
        body = UPCASTS[version](record.kind, body)
    return body


def _digest(seq: int, at_s: float, agent: str, kind: str, actor: str, version: int, text: str, previous: str) -> str:
    header = _encode([seq, at_s, agent, kind, actor, version, previous])
    return hashlib.sha256(f"{header}\n{text}".encode("utf-8", "surrogateescape")).hexdigest()
