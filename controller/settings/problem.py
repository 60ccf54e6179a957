"""What is wrong with the settings, said so that a person can mend it: where, what, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from controller.errors import InvalidError

FieldPath: TypeAlias = tuple[str | int, ...]
"""Where a field stands in its document: ``("spec", "steps", 1, "weight")``."""

LIMITS_KEY = "x-limits"
"""Where our JSON schema says in words what the problems are measured by: unit, range, form."""

PROBLEMS_SHOWN_MAX = 100
"""A file that is not ours at all may have thousands of faults; nobody reads more than the first hundred."""

_VALUE_CHARS_MAX = 60


class RefusedError(InvalidError, ValueError):
    """A single value cannot be meant. To pydantic it is a ValueError, to the API and the command line an InvalidError.

    Attributes:
        value: what was refused; None where repeating it says nothing, or would tell a secret.
        predicate: what is wrong, as said of the value or of its field: ``is not a duration``.
        at: where below the refusing field the fault is, when it is not the field itself.
    """

    def __init__(self, value: object | None, predicate: str, remedy: str, *, at: FieldPath = ()) -> None:
        super().__init__(predicate + "." if value is None else f"{shown(value)} {predicate}.", remedy=remedy)
        self.value = value
        self.predicate = predicate
        self.at = at


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault (or, from ``advise``, one doubt), rendered like a compiler's: ``file:line: field: message remedy``.

    Attributes:
        file: as the operator named it.
        line: counted from 1; 0 when the fault is not on any line (a file that cannot be read).
        field: ``spec.strategy.steps[1].weight``; empty when the fault is not in a field.
        message: a sentence.
        remedy: what to do about it, a sentence.
    """

    file: str
    line: int
    field: str
    message: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return f"{place}{self.field + ': ' if self.field else ''}{self.message} {self.remedy}".rstrip()


class SettingsError(InvalidError):
    """The settings are refused whole. What ran before goes on.

    Attributes:
        problems: every fault that was found, in the order of files and lines; never empty.
    """

    code = "invalid-settings"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        assert self.problems, "settings are not refused without a reason"
        lines = [str(problem) for problem in self.problems[:PROBLEMS_SHOWN_MAX]]
        if more := len(self.problems) - len(lines):
            lines.append(f"... and {more} more.")
        super().__init__("\n".join(lines))


def shown(value: object) -> str:
    """A value for people: short, on one line, text in quotes."""
    text = f"'{value}'" if isinstance(value, str) else str(value)
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= _VALUE_CHARS_MAX else f"{text[:_VALUE_CHARS_MAX]}..."


def field_name(path: FieldPath) -> str:
    """``("spec", "steps", 1, "weight")`` as ``spec.steps[1].weight``."""
    name = ""
    for part in path:
        name += f"[{part}]" if isinstance(part, int) else f".{shown(part)[1:-1]}" if name else shown(part)[1:-1]
    return name
