"""What could not be written, kept in memory until it can. Pure.

A rollback never waits for a disk. Its record waits here, with the time at which it really happened, and is written with
`"late": true` in its body. The oldest are kept: they say how the trouble began. What does not fit is counted, and the
count becomes a record of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from controller.journal.records import Body, Draft, draft

BACKLOG_MAX: Final = 256

DROPPED_KIND: Final = "records-dropped"


class Backlog:
    """At most `size_max` drafts in the order in which they happened.

    Attributes:
        dropped: how many did not fit since the last `clear`.
    """

    def __init__(self, size_max: int = BACKLOG_MAX) -> None:
        self.size_max = size_max
        self.dropped = 0
        self._dropped_at_s = 0.0
        self._waiting: list[Draft] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, entry: Draft) -> None:
        """Keep a draft for later, or count it when there is no room."""
        if len(self._waiting) < self.size_max:
            self._waiting.append(late(entry))
        else:
            self.dropped += 1
            self._dropped_at_s = entry.at_s

    def drafts(self) -> Sequence[Draft]:
        """Return what is to be written before anything newer."""
        if not self.dropped:
            return tuple(self._waiting)
        body: Body = {"dropped": self.dropped, "late": True}
        return (*self._waiting, draft("", DROPPED_KIND, body, actor="journal", at_s=self._dropped_at_s))

    def clear(self) -> None:
        """Forget what has been written."""
        self._waiting.clear()
        self.dropped = 0


def late(entry: Draft) -> Draft:
    """Return the same draft, marked as written after the fact."""
    marked = draft(
        entry.agent, entry.kind, {**json.loads(entry.text), "late": True}, actor=entry.actor, at_s=entry.at_s
    )
    return replace(entry, text=marked.text)
