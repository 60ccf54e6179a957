"""What was put where Traefik finds it, one edition after the other, and what somebody has changed of it since. Pure.

An agent is compared with what was last *put*, never with what is only wanted yet: a write that is under way, or that
the disk has refused, is nobody's edit. What somebody has changed of one agent is that agent's matter: it is carried
through the editions in which others change, until the agent itself asks again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from .comparison import difference
from .document import Document, Sections

NOTHING = Document({})


class Wanted(NamedTuple):
    """What is to stand.

    Attributes:
        document: all agents, as they are wanted.
        asked: per agent, the number of its newest wish; a greater one is newer. Nobody's things have one too.
    """

    document: Document
    asked: Mapping[str, int]


NEVER = Wanted(NOTHING, {})


@dataclass(frozen=True, slots=True)
class Edition:
    """A document as it was put.

    Attributes:
        generation: hexadecimal; tells the editions of one controller from those of another.
        number: counts the editions of a generation. 0: nothing was written, because it stood there.
        wanted: what it answers.
        meant: what each agent's parts were when they were last put for its own sake.
        stands: what was put: the same, but for those that were left as somebody had changed them.
        left: who was left so.
        since: per agent, the edition since which its parts stand as they are. One from before proves nothing, also if
            it says the same: Traefik may show that one while it is about to load what stood between the two.
        adopted: the stamp of what an earlier controller had left, and what was not written again.
    """

    generation: str
    number: int = 0
    wanted: Wanted = NEVER
    meant: Document = NOTHING
    stands: Document = NOTHING
    left: frozenset[str] = frozenset()
    since: Mapping[str, int] = field(default_factory=dict)
    adopted: str = ""

    @property
    def stamp(self) -> str:
        """Tells it from every other edition, also from an earlier one that says the same."""
        return f"{self.generation}-{self.number:x}" if self.number else self.adopted

    def number_of(self, stamp: str) -> int:
        """Which edition has this stamp; -1 for none of this generation."""
        if stamp and stamp == self.adopted:
            return 0
        found = re.fullmatch(rf"{re.escape(self.generation)}-([0-9a-f]{{1,16}})", stamp)
        return int(found[1], 16) if found else -1

    def answers(self, agent: str, wish: int | None) -> bool:
        """Whether it was put after the agent's wish of that number."""
        return wish is not None and self.wanted.asked.get(agent) == wish

    def change(self, agent: str, found: Document) -> str:
        """What somebody has changed of an agent, in a few words; empty for nothing."""
        return _change(self.meant.of(agent), found.of(agent))


def follow(before: Edition, wanted: Wanted, found: Document | None, stamp: str) -> Edition:
    """The edition that is to stand next. It has the stamp of what was found where nothing is to be written.

    Args:
        before: what was last put.
        wanted: what is wanted now.
        found: what stands there; None where nothing does, or nobody can read it.
        stamp: of what stands there.
    """
    if found is before.stands and wanted.document is before.wanted.document and not before.left:
        return replace(before, wanted=wanted)
    is_first = not before.wanted.asked
    there = found or NOTHING
    known = there if is_first else before.stands
    left = _left(before, wanted, found) if found else frozenset()
    meant = {**wanted.document.agents, **{agent: before.meant.of(agent) for agent in left}}
    stands = {**wanted.document.agents, **{agent: there.of(agent) for agent in left}}
    number = before.number + 1
    since = {
        agent: before.since.get(agent, 0) if there.of(agent) == known.of(agent) == parts else number
        for agent, parts in stands.items()
    }
    after = replace(
        before, wanted=wanted, meant=Document(meant), stands=Document(stands), left=left, since=since, number=number
    )
    if not (found and stamp and found.says_the_same(after.stands)):
        return after
    if is_first:
        return replace(after, number=0, adopted=stamp)
    is_known = stamp == before.stamp and number not in since.values()
    return replace(after, number=before.number) if is_known else after


def _left(before: Edition, wanted: Wanted, found: Document) -> frozenset[str]:
    """Who has been changed by somebody, and has not asked for anything since."""
    return frozenset(
        agent
        for agent in wanted.document.agents
        if before.answers(agent, wanted.asked.get(agent)) and found.of(agent) != before.meant.of(agent)
    )


def _change(meant: Sections, found: Sections) -> str:
    for section in {**meant, **found}:
        was, now = meant.get(section, {}), found.get(section, {})
        for name in {**was, **now}:
            if was.get(name) == now.get(name):
                continue
            if name not in now:
                return f"{name} ({section}) is gone"
            if name not in was:
                return f"{name} ({section}) is new"
            return f"{name} ({section}): {difference(was[name], now[name]) or 'it says more'}"
    return ""
