"""Real refusals by the kernel: no room, no permission."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from controller.journal.store import Journal

DISK = Path(__file__).with_name("disk.py")

PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


def let_permissions_bind() -> None:
    """Root ignores file modes through two capabilities: give them up, so that the next exec does without."""
    if os.geteuid() == 0:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "prctl")


def told_by(act, path):
    done = subprocess.run(
        [sys.executable, DISK, act, path],
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=let_permissions_bind,  # the child only calls prctl before it execs
    )
    return json.loads(done.stdout)


def test_files_that_may_not_grow(tmp_path):
    told = told_by("full", tmp_path / "journal.sqlite")
    failed = len(told["failures"])
    assert failed > 0, "the stage was not set: nothing failed"
    assert failed < 200
    assert set(told["failures"]) == {"journal-full"}
    assert told["verified_while_full"] == told["written"], "a failed append must leave the chain whole"
    assert told["numbers"] == list(range(201)), "what was deferred must be written in order, before what is newer"
    assert told["late"] == list(range(told["written"], 200))
    assert told["verified"] == 201


def test_a_controller_starts_on_a_full_disk_and_can_go_back(tmp_path):
    path = tmp_path / "journal.sqlite"
    journal = Journal.open(path)
    journal.append("bot", "promoting", {}, actor="ann", at_s=1)
    journal.close()
    told = told_by("full-from-the-start", path)
    assert told == {
        "reader": 1,
        "replayed": [1],
        "append": "journal-full",
        "new": "journal-full",
        "kinds": ["promoting", "rolled-back"],
        "verified": 2,
    }


@pytest.mark.parametrize("what", ["directory", "file"])
def test_what_may_not_be_written_is_read_only_and_can_still_be_read(tmp_path, what):
    path = tmp_path / "state" / "journal.sqlite"
    journal = Journal.open(path)
    journal.append("bot", "k", {}, actor="ann", at_s=1)
    journal.close()
    target, mode = (path.parent, 0o555) if what == "directory" else (path, 0o444)
    target.chmod(mode)
    try:
        told = told_by("read-only", path)
    finally:
        target.chmod(0o755)
    assert told["writable"] is False, "the stage was not set: permissions do not bind"
    assert told["controller"] == "journal-read-only", "the controller would find out at its first decision"
    assert told["remedy"]
    assert told["reader"] == 1, "`turnout history` needs no permission to write"
