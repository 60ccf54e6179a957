"""The shape of our code: sizes, names, and calls that have cost other projects dearly (CONTRIBUTING.md, "Habits")."""

from __future__ import annotations

import pytest

from tests.tidy import rules
from tests.tidy.tree import PACKAGES, ROOT, Finding, files, lines, report, sources, tree

FILE_LINES_MAX = 400
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "models", "base", "misc"}

EVERYWHERE = (*PACKAGES, "tests", "deploy")
TASK_WRAPPER = "controller/runtime/tasks.py"
SPEAKS_TO_PEOPLE = ("controller/cli/", "controller/demo/")

FAILS_SIDE_BY_SIDE = ("tests/unit/controller/journal/test_writer.py",)
"""Its appends fail one by one and are awaited one by one; a TaskGroup would cancel the others."""

RULES = [
    (rules.long_functions, EVERYWHERE, (), "Find the step in it that has a name of its own."),
    (
        rules.bare_tasks,
        EVERYWHERE,
        (TASK_WRAPPER, *FAILS_SIDE_BY_SIDE),
        f"Use a TaskGroup, or the wrapper in {TASK_WRAPPER}.",
    ),
    (rules.naps, ("tests",), (), "Wait for an event or a condition with a deadline, or move a fake clock."),
    (rules.prints, PACKAGES, SPEAKS_TO_PEOPLE, "Use the logger; only the cli and the demo speak to people."),
    (rules.swallowed, EVERYWHERE, (), "Catch what you expect; translate or report the rest."),
    (rules.shells, EVERYWHERE, (), "Pass a list of arguments; no shell, no quoting, no injection."),
    (rules.open_doors, PACKAGES, (), "Default to 127.0.0.1; the operator's YAML opens doors."),
]
"""Each rule, where it holds, who is exempt, and what to do instead."""


def test_a_file_can_be_read_in_one_sitting():
    report(
        Finding(path, FILE_LINES_MAX, f"{length} lines, and {FILE_LINES_MAX} is the limit", "Split it along its nouns.")
        for path in sources(*EVERYWHERE)
        if (length := sum(1 for _ in lines(path))) > FILE_LINES_MAX
    )


def test_names_say_what_is_inside():
    report(
        Finding(path, 1, f"a file or folder is named {part!r}", "Name it after the noun of the domain that it holds.")
        for path in sources(*EVERYWHERE)
        for part in path.removesuffix(".py").split("/")
        if part.removeprefix("test_") in VAGUE_NAMES
    )


@pytest.mark.parametrize(("rule", "tops", "exempt", "remedy"), RULES, ids=[rule.__name__ for rule, *_ in RULES])
def test_our_code_does_not(rule, tops, exempt, remedy):
    report(
        Finding(path, line, breach, remedy)
        for path in sources(*tops)
        if not path.startswith(tuple(exempt))
        for line, breach in rule(tree(path))
    )


def test_an_init_file_holds_nothing_that_needs_a_test():
    report(
        Finding(path, line, breach, "Move it into a module with a name and a test.")
        for path in sources(*PACKAGES)
        if path.endswith("/__init__.py")
        for line, breach in rules.substance(tree(path))
    )


def test_the_exempted_files_exist():
    gone = [path for path in SPEAKS_TO_PEOPLE if not (ROOT / path).exists()]
    assert not gone, f"exempt from a rule, and gone: {gone}; take them off the list"
    assert files(), "no file is ours: the walk in tree.py is broken, and every rule passes for nothing"
