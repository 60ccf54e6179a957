"""What users can see of the program, gathered from the program itself: verbs, variables, meters, error codes."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import click

from tests.tidy.tree import PACKAGES, sources, tree

METERS_ROOM = "controller/observe/"
METER_KINDS = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
FAMILY_KINDS = {f"{kind}MetricFamily" for kind in METER_KINDS}


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Something a user can see, and where in the tree it comes from."""

    name: str
    path: str
    line: int = 1
    kind: str = ""


def verbs() -> Iterator[tuple[str, click.Command]]:
    """Every command of `turnout`, by its words: `("turnout run", …)`."""
    module = importlib.import_module("controller.cli.main")
    groups = [value for value in vars(module).values() if isinstance(value, click.Group)]
    assert groups, "controller/cli/main.py:1: no click.Group here, so no command can be checked against docs/cli.md"
    for group in groups:
        yield from _descend("turnout", group)


def _descend(words: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, f"`{words}` lists {name}, and has no such command"
            yield from _descend(f"{words} {name}", child)


def options() -> Iterator[tuple[str, str]]:
    """(command, option) of every option that is not hidden: `("turnout run", "--http")`."""
    for words, command in verbs():
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                yield from ((words, spelling) for spelling in (*parameter.opts, *parameter.secondary_opts))


def variables() -> set[Place]:
    """Every environment variable that our code names, however it is read."""
    return {
        Place(value, path, line)
        for path, line, value in _strings(*PACKAGES)
        if re.fullmatch(r"TURNOUT_[A-Z0-9_]+", value)
    }


def meters() -> set[Place]:
    """Every metric that the controller registers. In the meters' room each string of a meter's shape is one."""
    named = {
        Place(value, path, line)
        for path, line, value in _strings("controller")
        if path.startswith(METERS_ROOM) and re.fullmatch(r"turnout_[a-z0-9_]+", value)
    }
    kinds = {(place.path, place.line, place.name): place.kind for place in meters_built()}
    return {Place(m.name, m.path, m.line, kinds.get((m.path, m.line, m.name), "")) for m in named}


def meters_built() -> Iterator[Place]:
    """Every call that builds a meter, wherever it stands. `collections.Counter` takes no such name."""
    for path in sources(*PACKAGES):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                kind, name = ast.unparse(node.func).rpartition(".")[2], node.args[0].value
                if kind in METER_KINDS | FAMILY_KINDS and isinstance(name, str) and name.startswith("turnout_"):
                    yield Place(name, path, node.args[0].lineno, kind.removesuffix("MetricFamily"))


def error_codes() -> set[Place]:
    """Every code that an error of ours can carry: of a class, or given to `GatewayError`."""
    return set(_class_codes()) | set(_gateway_codes())


def _class_codes() -> Iterator[Place]:
    for path in sources(*PACKAGES):
        if PurePosixPath(path).name == "__main__.py":
            continue
        name = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for value in vars(importlib.import_module(name)).values():
            if inspect.isclass(value) and issubclass(value, Exception) and value.__module__ == name:
                code = getattr(value, "code", None)
                if isinstance(code, str):
                    yield Place(code, path, inspect.getsourcelines(value)[1], value.__name__)


def _gateway_codes() -> Iterator[Place]:
    """The second argument of each `GatewayError(gateway, code, …)`, where it is written out."""
    for path in sources("controller", "adapters"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "GatewayError":
                given = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "code")]
                yield from (
                    Place(code.value, path, node.lineno, "GatewayError")
                    for code in given
                    if isinstance(code, ast.Constant) and isinstance(code.value, str)
                )


def _strings(*tops: str) -> Iterator[tuple[str, int, str]]:
    for path in sources(*tops):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.lineno, node.value
