from pathlib import Path

import pytest

from controller import app
from controller.app import Options
from controller.errors import UnavailableError


@pytest.fixture
def served(monkeypatch):
    options = []
    monkeypatch.setattr(app, "serve", options.append)
    return options


def test_the_defaults_listen_on_loopback_only(turnout, served):
    turnout.ok("run")
    assert served == [
        Options(Path("turnout.yaml"), Path("turnout-state"), ("127.0.0.1", 8900), ("127.0.0.1", 18000), "text")
    ]


def test_options_and_their_environment_variables(turnout, served):
    turnout.ok(
        *("run", "--config", "c", "--state-dir", "s", "--http", "0.0.0.0:0", "--xds", "[::1]:9"),
        *("--log-format", "json"),
    )
    env = {
        "TURNOUT_CONFIG": "c",
        "TURNOUT_STATE_DIR": "s",
        "TURNOUT_HTTP": "0.0.0.0:0",
        "TURNOUT_XDS": "[::1]:9",
        "TURNOUT_LOG_FORMAT": "json",
    }
    turnout("run", env=env)
    assert served == [Options(Path("c"), Path("s"), ("0.0.0.0", 0), ("::1", 9), "json")] * 2


@pytest.mark.parametrize("address", ["8900", ":8900", "localhost:", "localhost:70000", "localhost:http"])
def test_an_address_that_cannot_be_is_wrong_usage(turnout, served, address):
    assert turnout("run", "--http", address).exit_code == 2
    assert not served


def test_settings_that_are_refused_are_told_whole(turnout, tmp_path):
    (tmp_path / "bad.yaml").write_text("kind: Nonsense\n")
    result = turnout("run", "--config", str(tmp_path / "bad.yaml"), "--state-dir", str(tmp_path / "state"))
    assert result.exit_code == 1
    assert "bad.yaml:1: kind: 'Nonsense' is not a kind of document." in result.stderr
    assert "code: invalid-settings" in result.stderr
    assert not (tmp_path / "state").exists()


def test_a_controller_that_cannot_start_says_why(turnout, monkeypatch):
    def taken(options):
        raise UnavailableError("127.0.0.1:8900 is taken.", remedy="Stop what listens there.")

    monkeypatch.setattr(app, "serve", taken)
    result = turnout("run")
    assert result.exit_code == 1
    assert result.stderr == (
        "turnout: 127.0.0.1:8900 is taken.\n  remedy: Stop what listens there.\n  code: unavailable\n"
    )
