"""Progress: lines that stay, and a live line where there is a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from controller.demo.screen import Screen


def test_without_a_terminal_there_are_plain_lines():
    out, clock = io.StringIO(), iter([10.0, 12.5])
    with Screen(Console(file=out, width=80), lambda: next(clock)) as screen:
        screen.act("Act 1")
        screen.say("step: 1 %")
        screen.now("300 requests/s")
    assert out.getvalue() == "\nAct 1\n  2.5 s  step: 1 %\n", "a log would fill with live lines"


def test_on_a_terminal_there_is_a_live_line():
    out = io.StringIO()
    with Screen(Console(file=out, width=80, force_terminal=True)) as screen:
        screen.now("300 requests/s")
        assert screen._live is not None
        assert "300 requests/s" in str(screen._live.status)
