"""What is written: text for people, JSON for programs, and nothing that a terminal would obey."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import IO, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_COLUMNS = 200
"""Without a terminal there is no width to keep to: whatever reads it should get whole words."""

UNKNOWN = "?"
"""What is not known. Never shown as 0."""


def console(file: IO[str] | None = None) -> Console:
    """Where text for people goes: standard output. No colour without a terminal, or with NO_COLOR."""
    file = file or sys.stdout
    width = None if file.isatty() else PIPE_COLUMNS
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


def emit(document: object) -> None:
    """Write one JSON document to standard output."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def emit_line(document: object) -> None:
    """Write one JSON document on one line, for streams of them."""
    click.echo(json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def plain(text: object) -> str:
    """Keep what a terminal prints, and nothing that it obeys: words of gateways and pipelines are not ours."""
    shown = str(text)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in shown)


def styled(text: object, style: str = "") -> Text:
    """One line of text, made plain."""
    return Text(plain(text), style)


def table(*columns: str) -> Table:
    """A table without frames, whose cells are cut by nobody."""
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold", show_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def percent(value: float | None) -> str:
    """Percent as people write it: ``10 %``, ``0.5 %``; what is not known is not 0."""
    return UNKNOWN if value is None else f"{round(value, 2):g} %"


def fraction(value: float | None) -> str:
    """A fraction from 0 to 1 as percent."""
    return percent(None if value is None else value * 100)


def clock(at_s: float) -> str:
    """Time of day in UTC."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%H:%M:%S")


def lasting(seconds: float) -> str:
    """How long something takes, for people: ``0.8 s``, ``42 s``, ``5 min 3 s``, ``2 h 10 min``, ``6 d 23 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    whole = round(seconds)
    for unit, size, below, small in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit} {rest} {below}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def show(document: Any, output: str) -> bool:  # noqa: ANN401 - JSON
    """Write the document if JSON was asked for; else it is for the caller to say it in words."""
    if output == "json":
        emit(document)
    return output == "json"
