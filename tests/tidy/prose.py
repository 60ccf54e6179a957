"""What a Markdown page promises: its code, its links, its headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.tidy.tree import files, lines

_SPAN = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def pages() -> tuple[str, ...]:
    """Every Markdown page of the tree."""
    return tuple(path for path in files() if path.endswith(".md"))


def code(page: str) -> Iterator[tuple[int, str]]:
    """(line, code) of each line of a fenced block and each code span."""
    fenced = False
    for number, line in lines(page):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced:
            yield number, line.strip()
        else:
            yield from ((number, span.strip()) for span in _SPAN.findall(line))


def links(page: str) -> Iterator[tuple[int, PurePosixPath]]:
    """(line, target) of each link to a file of the tree, relative to the root."""
    folder = PurePosixPath(page).parent
    for number, line in lines(page):
        for target in _LINK.findall(line):
            if "://" not in target and not target.startswith(("#", "mailto:")):
                yield number, folder / target.partition("#")[0]
