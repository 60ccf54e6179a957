"""Settings that change while we run: whoever iterates hears of each change once, good or bad.

Notifications (watchfiles) only say *look again*; what counts is what is then read. So an editor's rename, a
ConfigMap's swap of its ``..data`` link, a directory that vanishes and returns, and an event that was lost all come
to the same: read, compare, tell. Lost events (NFS, some overlays) are made up for by looking every second.
"""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections.abc import AsyncGenerator
from pathlib import Path

from watchfiles import awatch

from controller.settings.loading import Settings, parse
from controller.settings.problem import SettingsError
from controller.settings.source import Source, read

DEBOUNCE_MS = 100
"""An editor's truncate and write, and a ConfigMap's links, come this close together."""
POLL_MS = 1_000
"""How late a change may be seen whose notification was lost."""

_LINKS_MAX = 16


async def watch(
    path: Path | str, stop: asyncio.Event, *, since: Settings | None = None
) -> AsyncGenerator[Settings | SettingsError, None]:
    """Yield what the files mean each time that this has changed, until ``stop`` is set.

    Args:
        path: a file or a directory, as for ``load``; it need not exist now.
        stop: ends the iteration.
        since: what the caller has already; a change between its loading and now is yielded at once. None yields the
            first reading too.

    Yields:
        The new settings, or why the new files are refused; then the caller goes on with what it has.
    """
    path = Path(path)
    told: object = since.digest if since else None
    last: Source | None = None
    while not stop.is_set():
        watched = await asyncio.to_thread(_watched, path)
        async with contextlib.aclosing(_looks(watched, stop)) as looks:
            async for _ in looks:
                source = await asyncio.to_thread(read, path)
                if source != last:
                    last = source
                    outcome = await asyncio.to_thread(_outcome, source)
                    meaning = outcome.digest if isinstance(outcome, Settings) else outcome.problems
                    if meaning != told:
                        told = meaning
                        yield outcome
                if await asyncio.to_thread(_watched, path) != watched:
                    break


def _outcome(source: Source) -> Settings | SettingsError:
    try:
        return parse(source)
    except SettingsError as error:
        return error


class _Stop(asyncio.Event):
    """Set when the caller's event is. awatch sets the event that it is given when it is cancelled: not the caller's."""

    def __init__(self, callers: asyncio.Event) -> None:
        super().__init__()
        self._callers = callers

    def is_set(self) -> bool:
        return super().is_set() or self._callers.is_set()


async def _looks(watched: frozenset[tuple[Path, int]], stop: asyncio.Event) -> AsyncGenerator[None, None]:
    """Say when to look: at once, after each notification, and every POLL_MS."""
    yield
    try:
        notified = awatch(
            *sorted(directory for directory, _ in watched),
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            step=DEBOUNCE_MS // 4,
            stop_event=_Stop(stop),
            rust_timeout=POLL_MS,
            yield_on_timeout=True,
            recursive=False,
            ignore_permission_denied=True,
        )
        async with contextlib.aclosing(notified) as changes:
            async for _ in changes:
                yield
    except (OSError, RuntimeError):
        # A directory that vanished just now; or no notifications left to be had (inotify's limits, which watchfiles
        # reports as a RuntimeError of its own): look anew later.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL_MS / 1000)


def _watched(path: Path) -> frozenset[tuple[Path, int]]:
    """The directories in which a change of ``path`` would show, each with its inode: the same name may be a new one."""
    path = path.absolute()
    places = _places(path)
    with contextlib.suppress(OSError):
        if path.is_dir():
            places.add(path)
            for file in path.iterdir():
                places |= _places(file)
    return frozenset(_nearest(place) for place in places)


def _places(path: Path) -> set[Path]:
    """The directory of the path, of each link in it, and of each file that those links lead to."""
    places = {path.parent}
    for _ in range(_LINKS_MAX):
        places.update(ancestor.parent for ancestor in path.parents if ancestor.is_symlink())
        try:
            path = path.parent / path.readlink()
        except OSError:  # no link; or one that has just been taken away, and then its directory tells what comes
            break
        places.add(path.parent)
    return places


def _nearest(place: Path) -> tuple[Path, int]:
    """The place, or the nearest directory above it that is there."""
    for directory in (place, *place.parents):
        with contextlib.suppress(OSError):
            found = directory.stat()
            if stat.S_ISDIR(found.st_mode):
                return directory, found.st_ino
    return Path(place.anchor), 0
