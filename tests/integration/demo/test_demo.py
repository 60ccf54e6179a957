"""The whole demo, as a newcomer runs it: real gateways, real agents, real load, the real controller."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from controller.demo import scene

RUN = "from controller.cli.main import main; main()"
DEMO = [sys.executable, "-c", RUN, "demo", "--output", "json"]
SHAPE = {
    "name": str,
    "outcome": str,
    "requests": int,
    "failed_requests": int,
    "candidate_requests": int,
    "bad_answers": int,
    "seconds_to_rollback": (float, type(None)),
    "shares": list,
}


GATEWAYS = {"envoy,haproxy": 70_417, "openresty,traefik": 70_419}
"""What is played, and its seed: every kind, two of them in one rollout. `.ci/run` plays Envoy alone: `make demo`."""

INTERRUPTED = 70_418
"""Numbers that no other process on this machine is likely to name: the agents are known by them."""


def start(tmp_path, seed, gateway="envoy"):
    """The demo, with a folder of its own for whatever it leaves behind."""
    return subprocess.Popen(
        [*DEMO, "--seed", str(seed), "--gateway", gateway],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        text=True,
    )


def family(folder, seed):
    """What the demo started and has not ended: its processes name its folder, or the seed of its agents."""
    marks = str(folder).encode(), scene.cast(seed).to_json().encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes()
        except OSError:  # it has just ended
            continue
        if any(mark in command for mark in marks):
            found.append(command)
    return found


@pytest.mark.timeout(170)
@pytest.mark.parametrize(("gateway", "seed"), GATEWAYS.items())
def test_the_demo_keeps_every_promise(tmp_path, gateway, seed):
    began_s = time.monotonic()
    demo = start(tmp_path, seed, gateway)
    out, err = demo.communicate()
    took_s = time.monotonic() - began_s
    assert demo.returncode == 0, f"an act went wrong:\n{err}\n{out}"

    report = json.loads(out)
    assert list(report) == ["ok", "acts"]
    assert report["ok"] is True
    for act in report["acts"]:
        assert list(act) == list(SHAPE), "programs that read the report would break"
        assert all(isinstance(act[key], kind) for key, kind in SHAPE.items()), act
        assert all(list(share) == ["wanted", "observed"] for share in act["shares"]), act
    promote, rollback, common = report["acts"]

    assert (promote["name"], promote["outcome"]) == ("promote", "promoted")
    assert promote["failed_requests"] == 0, "a good candidate was promoted at the cost of a client's request"
    assert [share["wanted"] for share in promote["shares"]] == [0.01, 0.1, 0.5, 1.0]
    assert promote["requests"] > 1_000, "there was hardly any load"
    assert promote["seconds_to_rollback"] is None

    assert (rollback["name"], rollback["outcome"]) == ("rollback", "rolled-back")
    assert 0 < rollback["bad_answers"] == rollback["failed_requests"], "clients were hurt by more than the candidate"
    assert rollback["candidate_requests"] < rollback["requests"] / 10, "half of the clients met the bad version"
    assert 0 < rollback["seconds_to_rollback"] < 15

    assert (common["name"], common["outcome"]) == ("common-cause", "not-blamed")
    assert common["failed_requests"] > common["bad_answers"] > 0, "the outage did not hit both"

    assert "rolled-back" in err, "nobody could see what happened while it ran"
    assert took_s < 150, "it takes far longer than it says"
    assert list(tmp_path.iterdir()) == [], "something was left behind"
    assert family(tmp_path, seed) == [], "a process was left behind"


@pytest.mark.timeout(60)
def test_ctrl_c_leaves_nothing_behind(tmp_path):
    demo = start(tmp_path, INTERRUPTED)
    for line in demo.stderr:
        if "Act 1" in line:
            break
    assert len(family(tmp_path, INTERRUPTED)) == 3, "agents, controller and gateway should be running"
    demo.send_signal(signal.SIGINT)
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate()
    assert demo.returncode == 130, err
    assert out == "", "an interrupted demo has no report"
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == [], "something was left behind"
    assert family(tmp_path, INTERRUPTED) == [], "a process was left behind"
