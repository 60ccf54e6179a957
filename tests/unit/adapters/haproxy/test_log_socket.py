import asyncio
import contextlib
import socket

import pytest

from adapters.haproxy import log_socket
from adapters.haproxy.log_socket import LogSocket

DEADLINE_S = 10.0


class Ear:
    """Hears datagrams, and knows when there were enough."""

    def __init__(self):
        self.heard = []
        self._news = asyncio.Event()

    def take(self, datagram):
        self.heard.append(datagram)
        self._news.set()

    async def until(self, count):
        async with asyncio.timeout(DEADLINE_S):
            while len(self.heard) < count:
                self._news.clear()
                await self._news.wait()


@contextlib.contextmanager
def listening(ear, host="127.0.0.1"):
    log = LogSocket(host, 0, ear.take)
    log.open()
    try:
        yield log
    finally:
        log.close()


def send(log, *datagrams, host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as client:
        for datagram in datagrams:
            client.sendto(datagram, (host, log.port))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_datagrams_are_heard_one_by_one(host):
    ear = Ear()
    with listening(ear, host) as log:
        send(log, b"one", b"", b"two", host=host)
        await ear.until(3)
    assert ear.heard == [b"one", b"", b"two"]


async def test_what_came_while_the_program_was_busy_is_heard_and_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(log_socket, "BATCH_MAX", 2)
    ear, turns = Ear(), 0
    with listening(ear) as log:
        send(log, *(b"%d" % number for number in range(20)))
        async with asyncio.timeout(DEADLINE_S):
            while len(ear.heard) < 20:
                await asyncio.sleep(0)
                turns += 1
    assert turns >= 10, "a flood of lines keeps the program from everything else"
    assert ear.heard == [b"%d" % number for number in range(20)]


async def test_a_line_is_heard_only_so_far(monkeypatch):
    monkeypatch.setattr(log_socket, "LINE_BYTES_MAX", 4)
    ear = Ear()
    with listening(ear) as log:
        send(log, b"0123456789")
        await ear.until(1)
    assert ear.heard == [b"0123"]


async def test_a_port_that_is_taken_is_told_and_can_be_had_later():
    with listening(Ear()) as first:
        second = LogSocket("127.0.0.1", first.port, Ear().take)
        with pytest.raises(OSError, match="in use"):
            second.open()
        assert not second.is_open
    second.open()
    assert second.is_open
    second.close()
    second.close()
    assert not second.is_open
