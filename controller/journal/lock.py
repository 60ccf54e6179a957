"""One controller per journal: two would each continue the chain, and each steer the gateways."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
from pathlib import Path

from controller.journal.errors import JournalBusyError, JournalError, JournalFullError, JournalReadOnlyError


class Lock:
    """An advisory lock (flock(2)) on a file beside the journal. The kernel drops it when the process ends, however."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            JournalBusyError: another process has it.
            JournalReadOnlyError: the lock file cannot be made.
            JournalFullError: there is no room for the lock file.
            JournalError: the file system has no locks.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise JournalFullError(f"There is no room in {path.parent}.", remedy="Free some disk space.") from error
            raise JournalReadOnlyError(
                f"The journal's directory {path.parent} cannot be written: {error.strerror}.",
                remedy="Give --state-dir a directory that this user may write.",
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _holder(self._fd)
            os.close(self._fd)
            raise JournalBusyError(
                f"Another controller ({holder}) has the journal at {path.with_suffix('')}.",
                remedy="Stop it first, or give this one a --state-dir of its own.",
            ) from error
        except OSError as error:
            os.close(self._fd)
            raise JournalError(
                f"The file system of {path} has no locks: {error.strerror}.", remedy="Use a local disk."
            ) from error
        note = json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode()
        with contextlib.suppress(OSError):  # only serves the message above; a full disk must not keep us from starting
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, note, 0)

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would let two processes lock two files of one name."""
        os.close(self._fd)


def _holder(fd: int) -> str:
    try:
        note = json.loads(os.pread(fd, 1024, 0))
        return f"process {note['pid']} on {note['host']}"
    except (OSError, ValueError, KeyError, TypeError):  # no note, or half a one
        return "a process that left no note"
