from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from click.testing import CliRunner, Result

from controller.cli.main import main
from tests.unit.controller.cli.fake import FakeController


@dataclass
class Shell:
    """Types `turnout …` against the fake controller, without a terminal."""

    fake: FakeController

    def __call__(self, *words: str, **given: object) -> Result:
        env = {"TURNOUT_URL": self.fake.url, **given.pop("env", {})}
        return CliRunner().invoke(main, list(words), env=env, **given)

    def json(self, *words: str) -> object:
        """What the command says with `--output json`."""
        return json.loads(self.ok(*words, "--output", "json"))

    def ok(self, *words: str) -> str:
        """What a command that is done says, without the blanks that end a table's lines."""
        result = self(*words)
        assert result.exit_code == 0, f"`turnout {' '.join(words)}` failed: {result.stderr}"
        return "\n".join(line.rstrip() for line in result.stdout.splitlines())


@pytest.fixture
def fake():
    with FakeController() as controller:
        yield controller


@pytest.fixture
def turnout(fake, monkeypatch):
    for name in ("TURNOUT_TOKEN", "TURNOUT_TOKEN_FILE", "TURNOUT_STATE_DIR", "TURNOUT_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return Shell(fake)
