"""What the controller said, and when: the moments of a rollout, and what can be told from their order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """One piece of the controller's news.

    Attributes:
        at_s: when it happened, by the controller's clock, in seconds since the epoch.
        heard_s: when we heard of it, by ours; never before it was true.
        what: one word, such as ``step``, ``confirmed``, ``paused``, ``rolled-back``.
        text: for people.
        percent: the candidate's share that is wanted since then.
    """

    at_s: float
    heard_s: float
    what: str
    text: str
    percent: float


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which every gateway followed one split: from when we heard so to the decision of the next."""

    percent: float
    begin_s: float
    end_s: float


ENDINGS = ("step", "promoted", "rolling-back")
"""News after which the split that was confirmed before is followed no longer."""


def windows(moments: Iterable[Moment], end_s: float) -> Iterator[Window]:
    """Every time in which a confirmed split gave the candidate a share; one that is still open ends at ``end_s``.

    A pause changes no split, and ends no window.
    """
    opened: Moment | None = None
    for moment in moments:
        if moment.what == "confirmed" and moment.percent > 0 and opened is None:
            opened = moment
        elif moment.what in ENDINGS and opened is not None:
            yield Window(opened.percent, opened.heard_s, max(opened.heard_s, moment.at_s))
            opened = None
    if opened is not None:
        yield Window(opened.percent, opened.heard_s, max(opened.heard_s, end_s))


def last(moments: Iterable[Moment], what: str) -> Moment | None:
    """The newest moment of this name."""
    return next((moment for moment in reversed(list(moments)) if moment.what == what), None)
