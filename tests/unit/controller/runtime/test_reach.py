import asyncio

import pytest

from controller.runtime.reach import CONNECT_TIMEOUT_S, RETRY_S, connect, until_reached
from tests.sim.clock import now_s
from tests.unit.controller.runtime.stage import NEW, never


class Network:
    def __init__(self, **down_until_s):
        self.tried = []
        self._down_until_s = down_until_s

    async def connect(self, host, port):
        self.tried.append(f"{host}:{port}")
        if now_s() < self._down_until_s.get(host.rpartition(".")[2], 0.0):
            raise ConnectionRefusedError(host)


def ignore(why):
    """What is told is not looked at."""


async def test_every_endpoint_must_answer():
    began_s = now_s()
    network = Network(**{"22": began_s + 3.0})
    await until_reached(NEW, network.connect, ignore)
    assert now_s() - began_s >= 3.0, "traffic would have gone to an instance that is not there yet"
    assert now_s() - began_s <= 3.0 + RETRY_S


async def test_one_that_has_answered_is_not_asked_again():
    network = Network(**{"22": now_s() + 3.0})
    await until_reached(NEW, network.connect, ignore)
    assert network.tried.count("10.0.0.21:3000") == 1


async def test_an_endpoint_that_stays_away_is_named_once():
    network, told = Network(**{"22": now_s() + 60.0}), []
    await until_reached(NEW, network.connect, told.append)
    assert told == ["1.3.0 at 10.0.0.22:3000 does not answer: 10.0.0.22"], "a disk would be full of one sentence"


async def test_a_timeout_is_no_answer():
    answers = iter([TimeoutError("slow"), None, None])

    async def slow(host, port):
        answer = next(answers)
        if answer:
            raise answer

    began_s = now_s()
    await until_reached(NEW, slow, ignore)
    assert now_s() - began_s == pytest.approx(RETRY_S)


async def test_a_connection_that_hangs_is_given_up(monkeypatch):
    async def hang(*_):
        await never()

    monkeypatch.setattr(asyncio, "open_connection", hang)
    began_s = now_s()
    with pytest.raises(TimeoutError):
        await connect("10.0.0.1", 3000)
    assert now_s() - began_s == pytest.approx(CONNECT_TIMEOUT_S)


async def test_a_connection_is_closed_again(monkeypatch):
    closed = []

    class Writer:
        def close(self):
            closed.append("close")

        async def wait_closed(self):
            closed.append("wait_closed")

    async def opened(*_):
        return None, Writer()

    monkeypatch.setattr(asyncio, "open_connection", opened)
    await connect("10.0.0.1", 3000)
    assert closed == ["close", "wait_closed"], "every probe would leave a connection at the agent"
