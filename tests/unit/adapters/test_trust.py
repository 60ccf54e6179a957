import os
import ssl

import pytest

from adapters.trust import Trust


def test_a_file_is_read_once_and_again_when_it_has_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(ssl, "create_default_context", lambda cafile: object())
    path = tmp_path / "ca.pem"
    path.write_text("one")
    trust = Trust(str(path))
    first = trust.context()
    assert trust.context() is first, "every request would open a connection of its own"
    os.utime(path, ns=(1, 1))
    assert trust.context() is not first, "a new authority would be trusted after a restart only"


def test_without_a_file_the_system_is_trusted():
    assert Trust(None).context() is True


def test_a_file_that_is_none_is_told(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        Trust(str(tmp_path / "nowhere.pem")).context()
