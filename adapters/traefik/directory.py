"""Our own file in the directory that Traefik watches: put there whole, by rename, and nobody else's is touched.

A file that is written in place is read half written: that cost one request in ten. A rename shows the old or the new.
"""

from __future__ import annotations

import errno
import json
import os
import tomllib
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import yaml

from adapters.port import GatewayError, Proof, Verification

from .disk import Disk
from .document import Document, Sections, sorted_out, stamp_in_text, with_templates, without_templates
from .edition import NEVER, Edition, Wanted, follow
from .translation import PREFIX

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

READ_BY_TRAEFIK = frozenset({".yml", ".yaml", ".toml"})
NEIGHBOURS_MAX = 1_000
"""Files of other people that are looked into."""

NEIGHBOUR_BYTES_MAX = 4 * 2**20
"""A larger one is taken to be nobody's routes."""

DISK_TIMEOUT_S = 5.0
"""How long a disk is waited for where whoever asks sets no limit: nobody else's gateway is to wait for it."""

MODE = 0o644
"""Traefik runs as another user, and has to read it, whatever this program's umask is. There is no secret in it: routes,
addresses and shares are what Traefik's own API shows; credentials and tokens are never written here."""

Found = TypeVar("Found")

Names = Mapping[str, frozenset[str]]
"""Names that are defined, by section."""


class Stamp(NamedTuple):
    """Changes when a file does."""

    inode: int
    mtime_ns: int
    size: int


class Directory:
    """One file of ours among those of others. A disk that hangs holds up one thread, and no rollback elsewhere.

    When it comes back it gets the newest that was put, whoever still waits for it, and nothing older.

    Args:
        gateway: the gateway's name: the file is ``turnout-<gateway>.yml``.
        folder: what Traefik watches.
        generation: of this controller's editions.

    Attributes:
        edition: what was last put.
    """

    provider = "file"

    def __init__(self, gateway: str, folder: Path, generation: str) -> None:
        self._gateway = gateway
        self._headline = f"Written by Turnout for its gateway {gateway!r}. Edits are lost: it is written as a whole."
        self._disk = Disk(f"traefik {gateway}", self._put, lambda: DISK_TIMEOUT_S)
        self._neighbours: dict[Path, tuple[Stamp, Names]] = {}
        self._newest = NEVER
        self._seen: tuple[Stamp, str] | None = None
        self._sorted: tuple[str, Document | None] = ("", None)
        self._is_closed = False
        self.edition = Edition(generation)
        self.path = folder / f"turnout-{gateway}.yml"

    # --- what the gateway asks for ------------------------------------------------------------------------------------

    async def put(self, wanted: Wanted) -> None:
        """Make it the next edition; whoever asks last is last, also where an earlier one still waits for the disk.

        What was put is known in the thread that writes, whatever becomes of whoever waits for it. Raises GatewayError.
        """
        self._newest = wanted
        await self._told(self._disk.write())

    async def verify(self, agent: str) -> Verification:
        """Whether the file says of an agent what was last put. Raises GatewayError."""
        return await self._told(self._disk.read(partial(self._verify, agent)))

    async def conflict(self, names: Sections) -> str:
        """Who else defines what is called so, in a sentence; empty when nobody does. Raises GatewayError."""
        return await self._told(self._disk.read(partial(self._conflict, names)))

    async def close(self) -> None:
        """The file stays, and Traefik goes on by it."""
        self._is_closed = True
        self._disk.close()

    async def _told(self, found: Awaitable[Found]) -> Found:
        """What the disk finds; its errors as ours."""
        try:
            return await found
        except TimeoutError as error:
            if self._is_closed:
                raise GatewayError(self._gateway, "unreachable", "it is closed", retryable=False) from error
            what = f"the disk of {self.path} does not answer within {DISK_TIMEOUT_S:g} s"
            raise GatewayError(self._gateway, "unreachable", what, retryable=True) from error
        except OSError as error:
            raise self._translated(error) from error

    def _translated(self, error: OSError) -> GatewayError:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            code = "not-found"
        elif isinstance(error, PermissionError):
            code = "denied"
        else:
            code = "read-only" if error.errno == errno.EROFS else "unreachable"
        where = error.filename or self.path
        return GatewayError(self._gateway, code, f"{code}: {where}: {error.strerror or error}", retryable=True)

    # --- in the thread ------------------------------------------------------------------------------------------------

    def _read(self) -> str | None:
        """What stands in the file; read again when it has changed, because each agent asks every few seconds."""
        try:
            stamp = _stamp(self.path)
            if self._seen is None or self._seen[0] != stamp:
                self._seen = (stamp, self.path.read_text(encoding="utf-8", errors="replace"))
        except FileNotFoundError:
            return None
        return self._seen[1]

    def _text(self, document: Document, stamp: str) -> str:
        return without_templates(document.text(self._headline, self._gateway, stamp))

    def _found(self, text: str) -> Document | None:
        """What a text says; None where it says nothing, or nobody can read it. Our own is known without looking."""
        if text != self._sorted[0]:
            wanted = self._newest.document
            is_wanted = text == self._text(wanted, stamp_in_text(text))
            self._sorted = (text, wanted if is_wanted else document_in(text))
        return self._sorted[1]

    def _verify(self, agent: str) -> Verification:
        text = self._read()
        if text is None:
            return Verification(self._gateway, Proof.RESET, "what was written is gone")
        found = self._found(text)
        if found is None:
            return Verification(
                self._gateway, Proof.DRIFTED, "somebody changed what was written: it cannot be read now"
            )
        change = self.edition.change(agent, found)
        if change:
            return Verification(self._gateway, Proof.DRIFTED, f"somebody changed what was written: {change}")
        return Verification(self._gateway, Proof.APPLIED)

    def _is_a_strangers(self) -> bool:
        """Whether what has our file's name is not ours. An edit that loses the headline and keeps our names is ours."""
        text = self._read()
        return not (text is None or text.startswith(f"# {self._headline}\n") or holds_only_ours(text))

    def _put(self) -> None:
        if self._is_a_strangers():
            raise GatewayError(self._gateway, "conflict", self._not_ours(), retryable=True)
        wanted, text = self._newest, self._read() or ""
        stamp = stamp_in_text(text)
        edition = follow(self.edition, wanted, self._found(text), stamp)
        is_there = edition.stamp == stamp
        if not is_there:
            text = self._text(edition.stands, edition.stamp)
            if not self._write(text, wanted):
                return
        self.edition, self._sorted = edition, (text, edition.stands)
        if not is_there:
            self._sync_folder()

    def _write(self, text: str, wanted: Wanted) -> bool:
        """Whether it stands there now. After a disk has hung, what is no longer the newest is not shown to anybody."""
        draft = self.path.with_name(f".{self.path.name}.tmp")
        draft.unlink(missing_ok=True)  # what a crash has left may be another user's, or a link
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                os.fchmod(opened.fileno(), MODE)
                opened.write(text)
                opened.flush()
                os.fsync(opened.fileno())
            if self._is_closed or (self._disk.hangs and self._newest is not wanted):
                draft.unlink()
                return False
            draft.replace(self.path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        return True

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _not_ours(self) -> str:
        return f"conflict: {self.path} was not written by Turnout, and is not touched; move it away"

    def _conflict(self, wanted: Sections) -> str:
        if self._is_a_strangers():
            return self._not_ours()
        seen: dict[Path, tuple[Stamp, Names]] = {}
        found = ""
        for path in self._others():
            defined = self._defined_in(path, seen)
            for section, named in wanted.items():
                twice = sorted(defined.get(section, frozenset()).intersection(named))
                if twice and not found:
                    found = f"conflict: {path} defines {twice[0]} ({section}) as well, and Traefik takes only one"
        self._neighbours = seen
        return found

    def _others(self) -> Iterator[Path]:
        left = NEIGHBOURS_MAX
        for folder, folders, names in os.walk(self.path.parent):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if path != self.path and path.suffix in READ_BY_TRAEFIK and left:
                    left -= 1
                    yield path

    def _defined_in(self, path: Path, seen: dict[Path, tuple[Stamp, Names]]) -> Names:
        """A file is looked into once as long as it does not change."""
        try:
            stamp = _stamp(path)
            known = self._neighbours.get(path)
            if known is None or known[0] != stamp:
                text = path.read_bytes() if stamp.size <= NEIGHBOUR_BYTES_MAX else b""
                known = (stamp, names_in(text, is_toml=path.suffix == ".toml"))
        except OSError:  # it has just gone, or is not ours to read
            return {}
        seen[path] = known
        return known[1]


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return Stamp(status.st_ino, status.st_mtime_ns, status.st_size)


def document_in(text: str) -> Document | None:
    """What a file of ours says, whoever has changed it; None where Traefik could not read it either."""
    http = _loaded(with_templates(text).encode(), is_toml=False).get("http")
    try:
        found = sorted_out(http) if isinstance(http, dict) else None
        json.dumps(found and found.agents)  # what YAML knows and JSON does not could not be written again
    except (TypeError, ValueError, RecursionError):
        return None
    return found


def names_in(text: bytes, *, is_toml: bool) -> Names:
    """What a file of Traefik's defines that begins like ours, by section; nothing where it cannot be read."""
    if PREFIX.encode() not in text:
        return {}
    http = _loaded(text, is_toml=is_toml).get("http")
    sections = http.items() if isinstance(http, dict) else ()
    return {str(section): _ours(named) for section, named in sections if isinstance(named, dict)}


def holds_only_ours(text: str) -> bool:
    """Whether a YAML file defines something, and nothing but what begins like ours."""
    loaded = _loaded(with_templates(text).encode(), is_toml=False)
    http = loaded.get("http")
    if loaded.keys() != {"http"} or not isinstance(http, dict) or not http:
        return False
    return all(isinstance(named, dict) and len(_ours(named)) == len(named) for named in http.values())


def _loaded(text: bytes, *, is_toml: bool) -> dict[str, object]:
    try:
        words = text.decode()
        loaded = tomllib.loads(words) if is_toml else yaml.load(words, Loader)  # noqa: S506 - a safe loader
    except (ValueError, yaml.YAMLError, RecursionError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _ours(names: Iterable[object]) -> frozenset[str]:
    return frozenset(name for name in names if isinstance(name, str) and name.startswith(PREFIX))
