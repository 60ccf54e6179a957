"""The bytes of the settings: one file, or the YAML files of one directory. The only place that opens them."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from controller.settings.problem import Problem

FILE_BYTES_MAX = 1024 * 1024
"""A ConfigMap holds no more than this either."""
FILES_MAX = 256
"""One per agent and gateway is usual; a directory with more is a wrong directory."""

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Source:
    """What was found on the disk. Equal when nothing has changed.

    Attributes:
        files: name, as the operator would write it, and bytes of each file, in order.
        problems: what could not be read.
    """

    files: tuple[tuple[str, bytes], ...]
    problems: tuple[Problem, ...] = ()


def read(path: Path) -> Source:
    """Read a file, or every ``*.yaml`` and ``*.yml`` that stands directly in a directory, sorted, without dotfiles."""
    try:
        paths = _yaml_files(path) if path.is_dir() else [path]
    except OSError as error:
        return Source((), (_unreadable(path, error),))
    if not paths:
        message = "The directory holds no *.yaml or *.yml file."
        return Source((), (Problem(str(path), 0, "", message, "Put the settings there, or name another path."),))
    if len(paths) > FILES_MAX:
        message = f"The directory holds {len(paths):,} YAML files; the most is {FILES_MAX}."
        return Source((), (Problem(str(path), 0, "", message, "Name a directory of settings only."),))
    files, problems = [], []
    for each in paths:
        content = _content(each)
        if isinstance(content, Problem):
            problems.append(content)
        else:
            files.append((str(each), content))
    return Source(tuple(files), tuple(problems))


def _yaml_files(directory: Path) -> list[Path]:
    # A ConfigMap's `..data` is a dotfile; the links that point into it are not.
    files = (path for path in directory.iterdir() if path.suffix in _SUFFIXES and not path.name.startswith("."))
    return sorted(path for path in files if not path.is_dir())


def _content(path: Path) -> bytes | Problem:
    try:
        # Without O_NONBLOCK, a FIFO of that name would hold us up for ever.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return Problem(str(path), 0, "", "This is not a regular file.", "Name a file or a directory.")
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        return _unreadable(path, error)
    if len(content) > FILE_BYTES_MAX:
        message = f"The file is larger than {FILE_BYTES_MAX // 1024:,} KiB."
        return Problem(str(path), 0, "", message, "Split it, and name the directory.")
    return content


def _unreadable(path: Path, error: OSError) -> Problem:
    reason = error.strerror or type(error).__name__
    return Problem(str(path), 0, "", f"It cannot be read: {reason}.", "Check the path and its permissions.")
