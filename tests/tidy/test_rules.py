"""The rules themselves: each finds the guilty line and lets the innocent pass. A rule that can't fail is no rule."""

from __future__ import annotations

import ast

import pytest

from tests.tidy import rules

LONG = "def f():\n" + "    x = 1\n" * rules.FUNCTION_LINES_MAX
SHORT = "def f():\n" + "    x = 1\n" * (rules.FUNCTION_LINES_MAX - 1)


@pytest.mark.parametrize(
    ("rule", "guilty", "innocent"),
    [
        (rules.long_functions, LONG, SHORT),
        (rules.long_functions, "class C:\n async " + LONG.replace("    ", "  "), "x = 1\n" * 200),
        (rules.bare_tasks, "asyncio.create_task(f())", "group.create_task(f())"),
        (rules.bare_tasks, "create_task(f())", "self._tasks.create_task(f())"),
        (rules.bare_tasks, "loop.create_task(f())", "async with TaskGroup() as tg: tg.create_task(f())"),
        (rules.bare_tasks, "asyncio.get_running_loop().create_task(f())", "tasks.spawn(f())"),
        (rules.bare_tasks, "asyncio.ensure_future(f())", "await f()"),
        (rules.naps, "await asyncio.sleep(0.1)", "await asyncio.sleep(0)"),
        (rules.naps, "time.sleep(1)", "clock.sleep(1)"),
        (rules.naps, "sleep(5)", "await asyncio.sleep(interval_s)"),
        (rules.prints, "print('x')", "console.print('x')"),
        (rules.swallowed, "try: f()\nexcept Exception: pass", "try: f()\nexcept OSError: pass"),
        (rules.swallowed, "try: f()\nexcept: ...", "try: f()\nexcept Exception as e: log(e)"),
        (
            rules.swallowed,
            "try: f()\nexcept (OSError, BaseException):\n 'never mind'",
            "try: f()\nexcept Exception: raise",
        ),
        (rules.swallowed, "with contextlib.suppress(Exception): f()", "with suppress(OSError): f()"),
        (rules.shells, "subprocess.run('ls', shell=True)", "subprocess.run(['ls'])"),
        (rules.shells, "os.system('ls')", "subprocess.run(['ls'], shell=False)"),
        (rules.shells, "await asyncio.create_subprocess_shell('ls')", "await asyncio.create_subprocess_exec('ls')"),
        (rules.open_doors, "def serve(host='0.0.0.0'): ...", "def serve(host='127.0.0.1'): ..."),
        (rules.open_doors, "HTTP = '[::]:8900'", "'''Listens on 0.0.0.0 when told to.'''"),
        (rules.substance, "'''Doc.'''\nLIMIT = 3", "'''Doc.'''\nfrom a.b import c\n__all__ = ['c']"),
    ],
)
def test_a_rule_tells_guilty_from_innocent(rule, guilty, innocent):
    assert list(rule(ast.parse(guilty))), f"{rule.__name__} lets this pass:\n{guilty}"
    assert not list(rule(ast.parse(innocent))), f"{rule.__name__} blames this:\n{innocent}"
