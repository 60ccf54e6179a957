import pytest

from controller.journal.anchor import Anchor
from controller.journal.records import Head


def test_what_was_noted_is_read(tmp_path):
    anchor = Anchor(tmp_path / "journal.anchor")
    assert anchor.read() is None
    for head in (Head(1, "a" * 64), Head(2, "b" * 64)):
        assert anchor.write(head)
        assert anchor.read() == head
    assert [file.name for file in tmp_path.iterdir()] == ["journal.anchor"]


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b"[]", b'{"seq": "x", "digest": ""}', b'{"seq": 1}'])
def test_garbage_is_as_good_as_no_anchor(tmp_path, content):
    path = tmp_path / "journal.anchor"
    path.write_bytes(content)
    assert Anchor(path).read() is None


def test_an_anchor_that_cannot_be_written_lags_and_does_not_fail(tmp_path):
    anchor = Anchor(tmp_path / "gone" / "journal.anchor")
    assert not anchor.write(Head(1, "a" * 64))
