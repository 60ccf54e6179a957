"""`kill -9` in the middle of appending: what was acknowledged is there."""

import subprocess
import sys
from pathlib import Path

import pytest

from controller.journal.store import Journal

APPENDER = Path(__file__).with_name("appender.py")


@pytest.mark.parametrize("how", ["one-by-one", "together"])
@pytest.mark.parametrize("records", [1, 37, 400])
def test_every_acknowledged_record_survives_the_kill(tmp_path, how, records):
    path = tmp_path / "journal.sqlite"
    acknowledged = set()
    for life in range(1, 4):
        with subprocess.Popen([sys.executable, APPENDER, path, how], stdout=subprocess.PIPE, text=True) as process:
            acknowledged.update(int(process.stdout.readline()) for _ in range(records))
            process.kill()
            # The last line may be cut off by the kill: then it was not heard by anybody.
            acknowledged.update(int(line) for line in process.stdout if line.endswith("\n"))
        assert process.returncode == -9, "the program must have died by the signal and not by itself"
        journal = Journal.open(path)  # also proves that the lock died with the process
        present = [record.seq for record in journal.replay()]
        assert acknowledged <= set(present), "a decision that was acted upon would be forgotten"
        assert present == list(range(1, len(present) + 1))
        assert len(present) >= life * records
        assert journal.verify().records == len(present)
        journal.close()
