import os

import pytest

from controller.journal.errors import JournalBusyError, JournalReadOnlyError
from controller.journal.lock import Lock


def test_the_second_is_told_who_the_first_is(tmp_path):
    path = tmp_path / "journal.sqlite.lock"
    first = Lock(path)
    with pytest.raises(JournalBusyError) as caught:
        Lock(path)
    assert f"process {os.getpid()} on {os.uname().nodename}" in str(caught.value)
    assert str(tmp_path / "journal.sqlite") in str(caught.value)
    first.release()
    Lock(path).release()


def test_a_holder_without_a_note_is_still_a_holder(tmp_path):
    path = tmp_path / "journal.sqlite.lock"
    first = Lock(path)
    path.write_bytes(b"{")
    with pytest.raises(JournalBusyError, match="left no note"):
        Lock(path)
    first.release()


def test_a_note_of_the_dead_does_not_hold_anybody_up(tmp_path):
    path = tmp_path / "journal.sqlite.lock"
    path.write_text('{"pid": 1, "host": "elsewhere, with a very long name that is longer than ours"}')
    lock = Lock(path)
    assert f'"pid": {os.getpid()},' in path.read_text(), "an operator would stop the wrong process"
    lock.release()


def test_a_directory_that_is_a_file_is_named(tmp_path):
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(JournalReadOnlyError, match="state"):
        Lock(tmp_path / "state" / "journal.sqlite.lock")
