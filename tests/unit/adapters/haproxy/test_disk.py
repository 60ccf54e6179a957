import stat

import pytest

from adapters.haproxy import disk


def test_a_file_is_replaced_whole_and_can_be_read_by_haproxy(tmp_path):
    path = tmp_path / "turnout.map"
    path.write_text("old 1\n")
    disk.save(path, disk.map_text({"bot": "10", "other": "x y"}))
    assert path.read_text() == "bot 10\nother x y\n"
    assert stat.S_IMODE(path.stat().st_mode) == disk.MODE
    assert list(tmp_path.iterdir()) == [path], "something was left behind"


def test_a_disk_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "turnout.map"
    path.write_text("bot 10\n")

    def fail(_):
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(disk.os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        disk.save(path, "bot 20\n")
    assert path.read_text() == "bot 10\n", "a reload would read half a file"
    assert list(tmp_path.iterdir()) == [path]
