from __future__ import annotations

import io
import json
import logging

import pytest

from controller.observe.logs import LINE_CHARS_MAX, MASK, set_up, without_secrets
from controller.settings.access import new_token


@pytest.fixture
def root():
    """The root logger, as it was, after a test."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logging.captureWarnings(capture=False)
    logger.handlers[:], logger.level = handlers, level


def lines(style: str, *args: object, level: str = "info", exc_info: bool = False) -> list[str]:
    stream = io.StringIO()
    set_up(level, style, stream)
    logging.getLogger("controller.test").warning(*args, exc_info=exc_info)
    return stream.getvalue().splitlines()


def test_a_record_is_one_line_in_utc(root):
    (line,) = lines("text", "%s: step", "mail\nforged line\x1b[31m")
    assert line.endswith("Z warning controller.test: mail\\nforged line\\x1b[31m: step".partition("Z")[2])
    assert line[10] == "T", "a log without dates cannot be compared with the journal"
    assert line.split(" ")[0].endswith("Z")


def test_a_record_is_one_object_of_json(root):
    (line,) = lines("json", "%s: step", "mail\nforged")
    told = json.loads(line)
    assert (told["level"], told["logger"], told["message"]) == ("warning", "controller.test", "mail\nforged: step")


def test_a_trace_stands_in_the_same_line(root):
    for style in ("text", "json"):
        try:
            int("it broke")
        except ValueError:
            (line,) = lines(style, "failed", exc_info=True)
        assert "ValueError: invalid literal" in line


def test_no_secret_gets_through(root):
    token, _ = new_token()
    for text in (
        f"Authorization: Bearer {token}",
        f"refused {token}",
        "authorization: basic dXNlcjpzZWNyZXQtdG9rZW4=",
        "http://user:secret-token@host/",
    ):
        for style in ("text", "json"):
            (line,) = lines(style, "%s", text)
            assert MASK in line
            assert token not in line
            assert "secret-token" not in line
            assert "dXNlcjp" not in line


def test_innocent_text_stays_as_it_is():
    for text in ("turnout_gateway_apply_seconds", "basic health", "http://host/a@b"):
        assert without_secrets(text) == text


def test_a_line_has_a_limit(root):
    (line,) = lines("text", "x" * (2 * LINE_CHARS_MAX))
    assert len(line) < LINE_CHARS_MAX + 100
    assert line.endswith("(cut)")


def test_what_is_below_the_level_is_left_out_and_set_up_again_replaces(root):
    assert lines("text", "quiet", level="error") == []
    assert len(lines("text", "loud")) == 1
    assert len(root.handlers) == 1, "every record would be written twice"
    with pytest.raises(ValueError, match="Unknown level"):
        set_up("loudest")
