"""Whom to trust for https, where the settings name a file of certificates."""

from __future__ import annotations

import ssl
from pathlib import Path


class Trust:
    """Reads the file when it has changed, and not for each request: a context of its own is a connection of its own.

    Args:
        ca_file: certificates (PEM) of the authorities; None for those that the system trusts.
    """

    def __init__(self, ca_file: str | None) -> None:
        self._ca_file = ca_file
        self._read: tuple[int, ssl.SSLContext] | None = None

    def context(self) -> ssl.SSLContext | bool:
        """What aiohttp takes as ``ssl``. Raises OSError where the file cannot be read."""
        if self._ca_file is None:
            return True
        changed_ns = Path(self._ca_file).stat().st_mtime_ns
        if self._read is None or self._read[0] != changed_ns:
            self._read = (changed_ns, ssl.create_default_context(cafile=self._ca_file))
        return self._read[1]
