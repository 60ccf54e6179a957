"""The files from which a reload takes servers and shares: each whole or not at all, and never older than one before."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from adapters.port import GatewayError

from . import answers

MODE = 0o644
"""HAProxy may read them as somebody else; there is nothing secret in them."""

KEEP_TIMEOUT_S = 1.0
"""The longest that a confirmation waits for them. What takes longer goes on, and is tried again by the next look."""


class Shows(Protocol):
    """A process, as far as files are made of it."""

    def show_map(self) -> Awaitable[str]:
        """The map that divides. Raises GatewayError."""
        ...

    def show_state(self) -> Awaitable[str]:
        """All servers' addresses, weights and states. Raises GatewayError."""
        ...


def save(path: Path, text: str) -> None:
    """Replace a file by a new one beside it, on the disk before it has its name. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), MODE)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def map_text(entries: Mapping[str, str]) -> str:
    """A map's file."""
    return "".join(f"{key} {value}\n" for key, value in entries.items())


class Files:
    """Keeps the files at what stands.

    Changes are numbered. One at a time reads, writes and notes up to which change the files are true; a change that
    comes meanwhile has a higher number, so it is never taken for saved. All writing is done by one thread: a write that
    a cancelled ``apply`` left behind ends before the next one reads, and a disk that hangs takes no other thread.

    Args:
        map_file: where the map's file is for us; None writes none.
        state_file: where ``server-state-file`` is for us; None writes none.
        save: replaces a file.

    Attributes:
        is_closed: nothing is written any more.
    """

    def __init__(
        self, map_file: str | None, state_file: str | None, *, save: Callable[[Path, str], None] = save
    ) -> None:
        self._map = Path(map_file) if map_file else None
        self._state = Path(state_file) if state_file else None
        self._save = save
        self._changes = 1  # nobody knows what is in them at first
        self._kept = 0
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "haproxy-files")
        self._writing: asyncio.Future[str] | None = None
        self.is_closed = False

    def changed(self) -> None:
        """Something stands otherwise. Said after the change, or a read before it would count as one after it."""
        self._changes += 1

    @property
    def are_behind(self) -> bool:
        """Whether a reload would bring back what stands no more."""
        return self._kept != self._changes and (self._map is not None or self._state is not None)

    async def keep(self, process: Shows) -> str:
        """Write down what stands at a process, unless that is done; what went wrong, and nothing when all is well.

        A disk that fails or hangs holds no split up, and least of all a way back.
        """
        try:
            async with asyncio.timeout(KEEP_TIMEOUT_S), self._turn:
                problem = await self._keep(process)
        except TimeoutError:
            problem = f"the files were not written within {KEEP_TIMEOUT_S:g} s"
        except GatewayError as error:
            problem = str(error)
        return problem and f"a reload would not keep it: {problem}"

    async def _keep(self, process: Shows) -> str:
        if self._writing is not None:
            await asyncio.wait([self._writing])
        if not self.are_behind:
            return ""
        changes, texts = self._changes, {}
        if self._map is not None:
            texts[self._map] = map_text(answers.entries(await process.show_map()))
        if self._state is not None:
            texts[self._state] = await process.show_state() + "\n"
        self._writing = asyncio.get_running_loop().run_in_executor(self._thread, self._write, texts)
        await asyncio.wait([self._writing])
        problem = self._writing.result()
        if not problem:
            self._kept = changes
        return problem

    def _write(self, texts: Mapping[Path, str]) -> str:
        """In the thread; one file that cannot be written keeps no other from it."""
        problems = []
        for path, text in texts.items():
            try:
                self._save(path, text)
            except OSError as error:
                problems.append(str(error))
        return "; ".join(problems)

    def close(self) -> None:
        """Let the thread go when it has written."""
        self.is_closed = True
        self._thread.shutdown(wait=False)
