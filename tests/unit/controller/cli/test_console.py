import io

import pytest

from controller.cli.console import PIPE_COLUMNS, UNKNOWN, clock, console, fraction, lasting, percent, plain, styled


def test_words_of_others_cannot_command_the_terminal():
    assert plain("\x1b]0;owned\x07 ok\n") == "\\x1b]0;owned\\x07 ok\\n"
    assert styled("[red]not markup[/]").plain == "[red]not markup[/]"


@pytest.mark.parametrize(
    ("value", "told"), [(10.0, "10 %"), (0.5, "0.5 %"), (33.33, "33.33 %"), (0, "0 %"), (None, UNKNOWN)]
)
def test_percentages_are_told_as_people_write_them(value, told):
    assert percent(value) == told


def test_what_is_not_known_is_not_zero():
    assert fraction(None) == UNKNOWN
    assert fraction(0.0169) == "1.69 %"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (0.84, "0.8 s"),
        (9.99, "10 s"),
        (42.4, "42 s"),
        (60, "1 min"),
        (303, "5 min 3 s"),
        (7800, "2 h 10 min"),
        (602_000, "6 d 23 h"),
    ],
)
def test_durations_are_told_in_two_units_at_most(seconds, told):
    assert lasting(seconds) == told


def test_the_time_of_day_is_utc():
    assert clock(1_700_000_000) == "22:13:20"


def test_without_a_terminal_there_is_no_colour_and_nothing_is_cut():
    file = io.StringIO()
    console(file).print(styled("x" * (PIPE_COLUMNS - 1), "bold red"))
    assert file.getvalue() == "x" * (PIPE_COLUMNS - 1) + "\n"


def test_no_color_is_honoured_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    file = Terminal()
    console(file).print(styled("plain", "red"))
    assert "\x1b[31m" not in file.getvalue()
