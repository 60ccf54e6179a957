"""The anchor: the journal's last number and digest in a small file of its own, so that a cut-off tail shows."""

from __future__ import annotations

import json
from pathlib import Path

from controller.journal.records import Head


class Anchor:
    """A file that is replaced whole after each commit.

    It is not synced: it may lag behind the journal after a crash, and then says less, never something wrong.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Head | None:
        """Return the head that was last noted; None when there is no anchor, or none that can be understood."""
        try:
            noted = json.loads(self.path.read_bytes()[:1024])
            return Head(int(noted["seq"]), str(noted["digest"]))
        except (OSError, ValueError, KeyError, TypeError):  # as good as none: `Journal.verify` reports that
            return None

    def write(self, head: Head) -> bool:
        """Note a head; False when the disk would not, in which case the anchor lags."""
        fresh = self.path.with_name(f"{self.path.name}.new")
        try:
            fresh.write_text(json.dumps({"seq": head.seq, "digest": head.digest}) + "\n", encoding="ascii")
            fresh.replace(self.path)
        except OSError:  # the record itself is safe, and the next commit tries again
            return False
        return True
