import asyncio
import socket
import threading

import pytest

from adapters.names import LOOKUPS_MAX, endpoints_of, is_address, joined, look_up
from adapters.port import Assignment, Route, Split, Version

WAIT_S = 20.0


async def test_names_that_no_server_answers_leave_others_a_thread(monkeypatch):
    given_up = threading.Event()

    def resolver(host, port, **_):
        if host.startswith("dead"):
            given_up.wait(WAIT_S)
            raise OSError("no answer")
        return [(None, None, None, None, ("10.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    try:
        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as tasks:
            dead = [tasks.create_task(look_up(f"dead{number}.test", 80)) for number in range(LOOKUPS_MAX - 1)]
            await asyncio.sleep(0)
            assert await look_up("a.test", 80) == ("10.0.0.1",)
            assert not any(lookup.done() for lookup in dead)
            for lookup in dead:
                lookup.cancel()
    finally:
        given_up.set()


async def test_the_systems_resolver_is_asked():
    assert "127.0.0.1" in await look_up("localhost", 80)
    with pytest.raises(OSError, match=r"."):
        await look_up("turnout.invalid", 80)


def test_every_endpoint_of_every_version_is_known():
    old, new, gone = (Version(name, (f"{name}:1", f"{name}:2")) for name in ("old", "new", "gone"))
    assignment = Assignment("bot", Route(), old, new, Split(10), (gone,))
    assert endpoints_of(assignment) == ["old:1", "old:2", "new:1", "new:2", "gone:1", "gone:2"]


@pytest.mark.parametrize(("host", "answer"), [("10.0.0.1", True), ("::1", True), ("a.test", False), ("", False)])
def test_an_address_needs_nobody(host, answer):
    assert is_address(host) is answer


def test_an_ipv6_address_is_written_with_brackets():
    assert joined("::1", 80) == "[::1]:80"
    assert joined("10.0.0.1", 80) == "10.0.0.1:80"
