"""The tree that is kept tidy: which files are ours, and how a finding is told."""

from __future__ import annotations

import ast
import fnmatch
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("controller", "xds", "adapters")
GENERATED = "_pb2.py"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One breach of a rule: where it is, which rule, and what to do about it."""

    path: str
    line: int
    rule: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}. {self.remedy}"


def report(findings: Iterable[Finding]) -> None:
    """Fail with every finding at once, one on a line, as a compiler would."""
    told = [str(finding) for finding in sorted(findings)]
    if told:
        pytest.fail("the tree is not tidy:\n" + "\n".join(told), pytrace=False)


def _ignored_names() -> tuple[str, ...]:
    """What git does not track, by name; `.gitignore` is kept so simple that names are enough."""
    lines = (ROOT / ".gitignore").read_text().splitlines()
    names = tuple(line.rstrip("/") for line in lines if line and not line.startswith("#"))
    assert not any("/" in name or name.startswith("!") for name in names), (
        ".gitignore: keep to plain names, see tree.py"
    )
    return (".git", *names)


@cache
def files() -> tuple[str, ...]:
    """Every file that git tracks or would track, relative to the root; works without git, in an unpacked archive."""
    ignored = _ignored_names()
    kept = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not any(fnmatch.fnmatch(name, pattern) for pattern in ignored)]
        kept += [Path(folder, name) for name in names if not any(fnmatch.fnmatch(name, p) for p in ignored)]
    return tuple(sorted(path.relative_to(ROOT).as_posix() for path in kept))


def sources(*tops: str) -> tuple[str, ...]:
    """The Python files under these top folders that a person wrote."""
    return tuple(
        path for path in files() if path.endswith(".py") and path.split("/")[0] in tops and not path.endswith(GENERATED)
    )


def text(path: str) -> str:
    """A file's text; what isn't text is read as well as it goes, because patterns may hide there too."""
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


@cache
def tree(path: str) -> ast.Module:
    """A Python file's syntax tree."""
    return ast.parse(text(path), filename=path)


def lines(path: str) -> Iterator[tuple[int, str]]:
    """A file's lines, numbered from 1."""
    yield from enumerate(text(path).splitlines(), start=1)
