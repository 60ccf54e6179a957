"""The controller's log: one line per record on standard error, in UTC, for people or as JSON, and without secrets."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

Style = Literal["text", "json"]

LINE_CHARS_MAX: Final = 16_384
"""What somebody else's words may blow a record up to. The rest is cut off, and that is said."""

MASK: Final = "[secret]"

_TOKEN = re.compile(r"turnout_[A-Za-z0-9_-]{40,}")
_CREDENTIAL = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}")
_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")


def set_up(level: str = "info", style: Style = "text", stream: TextIO | None = None) -> None:
    """Send every record of this program to ``stream`` (standard error). Calling it again replaces what it set up.

    Raises:
        ValueError: there is no such level.
    """
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonLines() if style == "json" else TextLines())
    root = logging.getLogger()
    root.setLevel(level.upper())
    root.handlers[:] = [handler]
    logging.captureWarnings(capture=True)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it tells of every touch of every file


def without_secrets(text: str) -> str:
    """The text with tokens, credentials and passwords in URLs taken out.

    The last line of defence: whoever logs is to leave them out in the first place.
    """
    text = _CREDENTIAL.sub(rf"\1 {MASK}", _TOKEN.sub(MASK, text))
    return _USERINFO.sub(f"{MASK}@", text)


class TextLines(logging.Formatter):
    """For people: ``2026-01-31T12:00:00.000Z info controller.runtime.driver: code-assistant: step: ...``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, without control characters."""
        text = f"{_time(record)} {record.levelname.lower()} {record.name}: {_message(record)}"
        trace = _trace(self, record)
        return _one_line(f"{text} | {trace}" if trace else text)


class JsonLines(logging.Formatter):
    """``{"at": ..., "level": ..., "logger": ..., "message": ...}``, with ``trace`` after an unexpected error."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        fields = {
            "at": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(_message(record)),
        }
        if trace := _trace(self, record):
            fields["trace"] = _cut(trace)
        return json.dumps(fields, ensure_ascii=True)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    return without_secrets(record.getMessage())


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return without_secrets(formatter.formatException(record.exc_info)) if record.exc_info else ""


def _one_line(text: str) -> str:
    return _cut("".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text))


def _cut(text: str) -> str:
    return text if len(text) <= LINE_CHARS_MAX else f"{text[:LINE_CHARS_MAX]}... (cut)"
