"""Where HAProxy sends its log: a UDP socket on loopback.

Not a unix socket, whose queue holds ten lines on most systems (``net.unix.max_dgram_qlen``): HAProxy drops what does
not fit. A UDP socket holds hundreds or thousands while this program is busy.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

LINE_BYTES_MAX = 8_192
"""A longer line is cut, and then cannot be read; HAProxy's own limit is 1,024 unless its ``log`` says more."""

BATCH_MAX = 128
"""Lines that are read before anything else of this program has its turn."""

BUFFER_BYTES = 4 * 2**20
"""What is asked for; the kernel gives as much as ``net.core.rmem_max`` allows."""


class LogSocket:
    """Takes datagrams.

    Args:
        host: the address to listen on.
        port: the port; 0 for a free one.
        take: hears each datagram.
    """

    def __init__(self, host: str, port: int, take: Callable[[bytes], None]) -> None:
        self._host = host
        self._port = port
        self._take = take
        self._socket: socket.socket | None = None

    @property
    def is_open(self) -> bool:
        """Whether lines can come."""
        return self._socket is not None

    @property
    def port(self) -> int:
        """Where it listens. Only when it is open."""
        assert self._socket is not None, "a socket that is not open has no port"
        port: int = self._socket.getsockname()[1]
        return port

    def open(self) -> None:
        """Listen. Raises OSError."""
        opened = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            opened.bind((self._host, self._port))
            asyncio.get_running_loop().add_reader(opened.fileno(), self._read, opened)
        except BaseException:
            opened.close()
            raise
        self._socket = opened

    def close(self) -> None:
        """Stop listening; idempotent."""
        opened, self._socket = self._socket, None
        if opened is not None:
            asyncio.get_running_loop().remove_reader(opened.fileno())
            opened.close()

    def _read(self, opened: socket.socket) -> None:
        """Many at a time: a turn of the loop for each line would cost more than the line."""
        for _ in range(BATCH_MAX):
            try:
                datagram = opened.recv(LINE_BYTES_MAX)
            except OSError:  # BlockingIOError, most of all: there is nothing more
                return
            self._take(datagram)
