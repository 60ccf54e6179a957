"""One line per record, for people. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

from controller.journal.records import JSON, Record, upcast

FIRST_FIELDS: Final = ("reason", "phase", "version", "track", "weight_bp", "step", "gateway", "verdict", "code")
"""What people look for, when a body has it; the rest follows in alphabetical order."""

FIELDS_MAX: Final = 8
VALUE_CHARS_MAX: Final = 80


def render(record: Record) -> str:
    """Return a record as one line without control characters.

    Time in UTC (ISO 8601), number, agent, kind, actor, then the body's fields: `reason="p99 too high"`.
    """
    body = dict(upcast(record))
    mark = " (late)" if body.pop("late", False) is True else ""
    first = [key for key in FIRST_FIELDS if key in body]
    keys = first + sorted(body.keys() - set(first))
    fields = [f"{_plain(key)}={_value(body[key])}" for key in keys[:FIELDS_MAX]]
    if len(keys) > FIELDS_MAX:
        fields.append(f"and {len(keys) - FIELDS_MAX} more")
    head = f"{_time(record.at_s)}{mark} #{record.seq} {record.agent or '-'} {record.kind} by {record.actor}"
    return " ".join([head, *fields])


def _time(at_s: float) -> str:
    try:
        return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):  # beyond the year 9999, e.g. milliseconds taken for seconds
        return f"{at_s:.0f}s"


def _value(value: JSON) -> str:
    if isinstance(value, str) and value and _plain(value) == value and " " not in value:
        return _cut(value)
    return _cut(_plain(json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)))


def _plain(text: str) -> str:
    """Keep what a terminal prints, and nothing that it obeys."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _cut(text: str) -> str:
    return text if len(text) <= VALUE_CHARS_MAX else f"{text[: VALUE_CHARS_MAX - 1]}…"
