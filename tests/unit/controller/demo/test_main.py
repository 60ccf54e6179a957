"""What `turnout demo` returns and leaves behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from types import SimpleNamespace

import pytest

from controller.demo import main
from controller.demo.main import INTERRUPTED, SIGNALS, run, until_signalled
from controller.demo.measure import COMMON_CAUSE, PROMOTE, ROLLBACK, Act, Share
from controller.demo.records import Records
from controller.errors import UnavailableError

OUTCOMES = {PROMOTE: "promoted", ROLLBACK: "rolled-back", COMMON_CAUSE: "not-blamed"}


def act_of(name, *, faults=()):
    return Act(name, OUTCOMES[name], 20.0, 100, 0, 10, 0, None, (Share(0.1, 0.1, 100),), faults, "")


class Performance:
    """Plays what it is told, in the folder that it is given."""

    def __init__(self, *, acts=(), then=None, log=False):
        self.acts, self.then, self.log = acts, then, log

    def __call__(self, folder, seed, gateway, console):
        self.folder, self.records, self.played, self.where = folder, Records(), [], "It was at act 2."
        return self

    async def run(self):
        if self.log:
            (self.folder / "envoy.log").write_text("no")
        self.played += self.acts
        if self.then is not None:
            await self.then()


@pytest.fixture
def demo(monkeypatch, tmp_path, capsys):
    """Play a performance: exit code, standard output, standard error, what was left behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(main, "measure", lambda played, _records: played)

    def play(performance, output="json"):
        monkeypatch.setattr(main, "Performance", performance)
        code = run(seed=1, output=output, gateway="envoy")
        said = capsys.readouterr()
        return SimpleNamespace(code=code, out=said.out, err=said.err, left=[path.name for path in tmp_path.glob("*/*")])

    return play


GOOD = tuple(map(act_of, OUTCOMES))


def test_a_demo_that_went_well(demo):
    result = demo(Performance(acts=GOOD, log=True))
    assert (result.code, json.loads(result.out)["ok"], result.left) == (0, True, [])


def test_standard_output_is_one_json_object_and_nothing_else(demo):
    assert len(demo(Performance(acts=GOOD)).out.splitlines()) == 1


def test_people_get_a_table(demo):
    assert "Every act went as it must." in demo(Performance(acts=GOOD), output="text").out


def test_an_act_that_went_wrong_fails_the_command(demo):
    result = demo(Performance(acts=(*GOOD[:2], act_of(COMMON_CAUSE, faults=("It was blamed.",)))))
    assert (result.code, json.loads(result.out)["ok"]) == (1, False), "a script would take it for a success"


async def fail():
    raise UnavailableError("Envoy did not start.")


def test_trouble_is_told_and_its_logs_are_kept(demo):
    result = demo(Performance(acts=GOOD[:1], then=fail, log=True))
    assert result.code == 1
    assert "Envoy did not start." in result.err
    assert result.left == ["envoy.log"], "the error would point at a log that is gone"
    assert [act["name"] for act in json.loads(result.out)["acts"]] == ["promote"], "what was played would be lost"


def test_trouble_after_the_last_act_is_trouble(demo):
    assert demo(Performance(acts=GOOD, then=fail)).code == 1


def test_the_watchdog_ends_a_demo_that_hangs(demo, monkeypatch):
    monkeypatch.setattr(main, "WATCHDOG_S", 0.0)
    result = demo(Performance(then=asyncio.Event().wait))
    assert result.code == 1
    assert "It was at act 2." in result.err, "nobody would know where it hung"


async def interrupt(number=signal.SIGINT):
    os.kill(os.getpid(), number)
    await asyncio.Event().wait()


def test_ctrl_c_ends_it_and_leaves_nothing(demo):
    result = demo(Performance(then=interrupt, log=True))
    assert (result.code, result.left) == (INTERRUPTED, [])
    assert "has been ended" in result.err


def test_an_unknown_gateway_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert run(seed=1, output="text", gateway="apache") == 1
    assert "It has envoy" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


async def test_a_second_signal_does_not_disturb_the_cleaning_up():
    cleaned = []

    async def work():
        try:
            await interrupt()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            cleaned.append(True)

    assert not await until_signalled(work())
    assert cleaned, "a second Ctrl-C would leave an Envoy behind"


@pytest.mark.parametrize("number", SIGNALS)
async def test_whatever_ends_it_lets_it_clean_up(number):
    cleaned = []

    async def work():
        try:
            await interrupt(number)
        finally:
            cleaned.append(True)

    assert not await until_signalled(work())
    assert cleaned, f"{number.name} would leave an Envoy behind"


async def test_nohup_is_left_alone():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def work():
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0)

    try:
        assert await until_signalled(work()), "a demo under nohup would end with its terminal"
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_work_that_ends_by_itself_was_not_interrupted():
    assert await until_signalled(asyncio.sleep(0))
