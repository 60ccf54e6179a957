"""The clients of the tests count each request that fails; or "0 failed requests" would be easy to promise."""

import asyncio
import contextlib

import pytest

from tests.contract import traffic
from tests.integration.envoy import stage

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"


class _Gateway(asyncio.Protocol):
    """Answers the first request of each connection, and ends the connection in its own way."""

    asked = 0

    def __init__(self, way: str) -> None:
        self._way = way
        self._on_this_one = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            self._answer()

    def _answer(self) -> None:
        _Gateway.asked += 1
        self._on_this_one += 1
        if self._on_this_one > 1:
            self._transport.abort()
        elif self._way == "announced":
            self._transport.write(OK + b"connection: close\r\n\r\n")
            self._transport.close()
        else:
            self._transport.write(OK + b"\r\n")
            if self._way == "after its answer":
                self._transport.close()


@contextlib.asynccontextmanager
async def served(way: str):
    _Gateway.asked = 0
    server = await asyncio.get_running_loop().create_server(lambda: _Gateway(way), "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@contextlib.asynccontextmanager
async def contract_load(listen: str):
    async with traffic.Load(f"http://{listen}/") as load:
        yield load


@contextlib.asynccontextmanager
async def envoy_load(listen: str):
    async with stage.loading(listen, stage.Pulse()) as load:
        yield load


@pytest.mark.parametrize("loading", [contract_load, envoy_load])
async def test_a_request_that_met_a_reset_has_failed_and_is_not_sent_again(loading):
    async with served("by a reset") as listen, loading(listen) as load:
        await load.more(100)
    assert len(load.answers) == _Gateway.asked, "requests were sent again, unseen"
    resets = _Gateway.asked - sum(answer.status == 200 for answer in load.answers)
    assert len(load.failed) == resets > 40, f"of {resets} resets only {len(load.failed)} were counted"


@pytest.mark.parametrize("loading", [contract_load, envoy_load])
async def test_a_connection_whose_end_is_announced_costs_nothing(loading):
    async with served("announced") as listen, loading(listen) as load:
        await load.more(100)
    assert not load.failed
    assert len(load.answers) == _Gateway.asked


async def test_a_connection_that_was_closed_before_is_opened_again():
    async with served("after its answer") as listen:
        connection = traffic.Connection(f"http://{listen}/")
        for _ in range(3):
            (answer,) = await connection.ask()
            assert answer.status == 200
            async with asyncio.timeout(5):
                assert await connection.rest() == b""
        await connection.close()


async def test_of_requests_sent_together_those_before_the_close_are_answered():
    async with served("by a reset") as listen:
        connection = traffic.Connection(f"http://{listen}/")
        answers = await connection.ask(5)
    assert answers[-1].status == 0
    assert len([answer for answer in answers if answer.status == 0]) == 1
    async with served("announced") as listen:
        connection = traffic.Connection(f"http://{listen}/")
        assert [answer.status for answer in await connection.ask(5)] == [200], "what was announced was called a failure"
