"""One life of a journal on a disk that will not, told as JSON on standard output. The test sets the stage."""

import json
import os
import resource
import sys
from pathlib import Path

from controller.journal.errors import JournalError
from controller.journal.records import draft
from controller.journal.store import Journal


def full(path: Path) -> dict[str, object]:
    """The kernel refuses to let files grow (RLIMIT_FSIZE, EFBIG); later there is room again."""
    journal = Journal.open(path)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (128 * 1024, hard))
    written, failures = 0, []
    for number in range(200):
        entry = draft("bot", "k", {"number": number, "filling": "x" * 2000}, actor="ann", at_s=number)
        try:
            journal.append_all([entry])
            written += 1
        except JournalError as error:
            failures.append(error.code)
            journal.defer(entry)
    verified_while_full = journal.verify().records
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    journal.append("bot", "k", {"number": 200}, actor="ann", at_s=200)
    numbers = [record.body["number"] for record in journal.replay()]
    late = [record.body["number"] for record in journal.replay() if "late" in record.body]
    verified = journal.verify().records
    journal.close()
    return {
        "written": written,
        "failures": failures,
        "verified_while_full": verified_while_full,
        "numbers": numbers,
        "late": late,
        "verified": verified,
    }


def full_from_the_start(path: Path) -> dict[str, object]:
    """No file may grow at all, from before the journal is opened; later there is room again."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    told: dict[str, object] = {}
    reader = Journal.open(path, read_only=True)
    told["reader"] = reader.verify().records
    reader.close()
    journal = Journal.open(path)
    told["replayed"] = [record.seq for record in journal.replay()]
    rollback = draft("bot", "rolled-back", {}, actor="controller", at_s=2)
    try:
        journal.append_all([rollback])
    except JournalError as error:
        told["append"] = error.code
        journal.defer(rollback)
    try:
        Journal.open(path.with_name("new.sqlite"))
    except JournalError as error:
        told["new"] = error.code
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    journal.flush()
    told["kinds"] = [record.kind for record in journal.replay()]
    told["verified"] = journal.verify().records
    journal.close()
    return told


def read_only(path: Path) -> dict[str, object]:
    """Permissions bind this process; try as a controller and as a reader."""
    told: dict[str, object] = {"writable": os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)}
    try:
        Journal.open(path).close()
    except JournalError as error:
        told["controller"] = error.code
        told["remedy"] = error.remedy
    reader = Journal.open(path, read_only=True)
    told["reader"] = reader.verify().records
    reader.close()
    return told


def main() -> None:
    act = {"full": full, "full-from-the-start": full_from_the_start, "read-only": read_only}[sys.argv[1]]
    sys.stdout.write(json.dumps(act(Path(sys.argv[2]))))


main()
