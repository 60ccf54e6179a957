"""How a command fails: an exit code for programs, and for people what happened, where, and what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import IntEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import IO, Any

import click

from controller.cli.console import plain
from controller.errors import TurnoutError


class Exit(IntEnum):
    """What the shell is told. ``USAGE`` is click's own."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    UNCONFIRMED = 4


class Failure(click.ClickException):
    """A command was not carried out, or not to its end.

    Attributes:
        code: one word for programs, as in docs/errors.md.
        what: what happened, one sentence or several lines.
        where: the request or the file that it was about; may be empty.
        remedy: what to do about it; may be empty.
        exit_code: see :class:`Exit`.
        details: what else the controller said, for programs.
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        where: str = "",
        remedy: str = "",
        exit_code: Exit,
        details: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.where = where
        self.remedy = remedy
        self.details = details
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance as well
        context = click.get_current_context(silent=True)
        self.as_json = context is not None and context.params.get("output") == "json"

    def show(self, file: IO[Any] | None = None) -> None:
        """Tell it on standard error, in the form that ``--output`` asks for."""
        click.echo(self.told(), file=file or sys.stderr)

    def told(self) -> str:
        """What is written: a few lines, or one JSON object."""
        facts = {"code": self.code, "detail": self.what, "where": self.where, "remedy": self.remedy}
        if self.as_json:
            return json.dumps({**self.details, **facts, "exit_code": int(self.exit_code)}, ensure_ascii=False)
        lines = [f"turnout: {line}" if not index else line for index, line in enumerate(self.what.splitlines())]
        lines += [f"  {name}: {facts[name]}" for name in ("where", "remedy", "code") if facts[name]]
        return "\n".join(plain(line) for line in lines)


def refused(error: TurnoutError, *, where: str = "") -> Failure:
    """One of our own errors, met in this process."""
    return Failure(error.code, error.message, where=where, remedy=error.remedy, exit_code=Exit.REFUSED)


def refused_by_controller(problem: Mapping[str, Any], *, status: int, where: str) -> Failure:
    """A problem document (RFC 9457) that the API answered with: also each field at fault, and each change missed."""
    lines = [str(problem.get("detail") or problem.get("title") or f"The controller answered {status}.")]
    faults = _each(problem, "faults")
    lines += [f"  {each.get('field')}: {told}" for each in faults if (told := str(each.get("message"))) not in lines[0]]
    missed = _each(problem, "missed")
    lines += [f"  {str(each.get('at'))[:19]} {each.get('text')} ({each.get('phase')})" for each in missed]
    remedy = str(problem.get("remedy") or "")
    if status == HTTPStatus.UNAUTHORIZED:
        remedy = "Set TURNOUT_TOKEN, or use --token-file."
    code = str(problem.get("code") or f"http-{status}")
    return Failure(code, "\n".join(lines), where=where, remedy=remedy, exit_code=Exit.REFUSED, details=problem)


def _each(problem: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The mappings in a list of the problem; none where there is no such list."""
    found = problem.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def unreachable(url: str, why: str) -> Failure:
    """Nobody answered, or not as a controller would."""
    remedy = "Is it running (turnout run)? Name its address with --url or TURNOUT_URL."
    what = f"The controller cannot be reached: {why}."
    return Failure("controller-unreachable", what, where=url, remedy=remedy, exit_code=Exit.UNREACHABLE)


def unconfirmed(what: str, *, where: str, remedy: str) -> Failure:
    """It was decided, and not every gateway has said in time that it follows."""
    return Failure("not-confirmed", what, where=where, remedy=remedy, exit_code=Exit.UNCONFIRMED)
