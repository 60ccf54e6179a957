"""A stream's two ends, over a transport of lists and futures."""

import asyncio

import pytest

from xds.errors import MalformedRequestError
from xds.line import WOKEN_AT_ONCE, Line, Wave
from xds.rate import TokenBucket

LAST = object()


class Transport:
    """What the subscriber says, and what it is told; it may stall."""

    def __init__(self):
        self.said: asyncio.Queue[object] = asyncio.Queue()
        self.told: asyncio.Queue[bytes] = asyncio.Queue()
        self.takes = asyncio.Event()
        self.takes.set()

    async def write(self, data):
        await self.takes.wait()
        self.told.put_nowait(data)


class Desk:
    """The pure side: says what it was given to say, and counts how often it was asked."""

    def __init__(self):
        self.heard: list[bytes] = []
        self.to_say: list[bytes] = []
        self.asked = 0
        self.received = asyncio.Event()

    def receive(self, data, now_s):
        if data == b"garbage":
            raise MalformedRequestError("garbage")
        self.heard.append(data)
        self.received.set()
        return data != b"ack"

    def pull(self):
        self.asked += 1
        return self.to_say.pop(0) if self.to_say else None


@pytest.fixture
def transport():
    return Transport()


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
async def line(transport, desk):
    line = Line(transport.said.get, transport.write, LAST, TokenBucket(1000.0, 1000, 0.0), lambda: 0.0)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        carrying = tasks.create_task(line.carry(desk.receive, desk.pull))
        yield line
        line.end()
    assert carrying.done()


async def test_a_request_that_makes_something_due_wakes_the_writer(line, transport, desk):
    desk.to_say = [b"one", b"two"]
    transport.said.put_nowait(b"subscribe")
    assert [await transport.told.get(), await transport.told.get()] == [b"one", b"two"]


async def test_an_ack_wakes_nobody(line, transport, desk):
    await asyncio.sleep(0)
    asked = desk.asked
    transport.said.put_nowait(b"ack")
    await desk.received.wait()
    await asyncio.sleep(0)
    assert desk.asked == asked, "each ACK of a thousand streams made a writer look for nothing"


async def test_what_becomes_due_while_a_response_is_on_its_way_is_sent_after_it(line, transport, desk):
    transport.takes.clear()
    desk.to_say = [b"old"]
    line.wake()
    transport.said.put_nowait(b"subscribe")
    await desk.received.wait()
    desk.to_say.append(b"new")
    line.wake()
    transport.takes.set()
    assert [await transport.told.get(), await transport.told.get()] == [b"old", b"new"], "a wake-up was lost"


@pytest.mark.parametrize(("last_word", "fault"), [(LAST, None), (b"garbage", "garbage")])
async def test_the_subscribers_last_word_ends_it(transport, desk, last_word, fault):
    line = Line(transport.said.get, transport.write, LAST, TokenBucket(1000.0, 1000, 0.0), lambda: 0.0)
    transport.said.put_nowait(b"subscribe")
    transport.said.put_nowait(last_word)
    async with asyncio.timeout(10):
        await line.carry(desk.receive, desk.pull)
    assert desk.heard == [b"subscribe"]
    assert (str(line.fault) if line.fault else None) == fault


async def test_faster_requests_are_read_later_and_none_is_lost(transport, desk):
    line = Line(transport.said.get, transport.write, LAST, TokenBucket(1000.0, 1, 0.0), lambda: 0.0)
    for number in range(5):
        transport.said.put_nowait(b"%d" % number)
    transport.said.put_nowait(LAST)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    async with asyncio.timeout(10):
        await line.carry(desk.receive, desk.pull)
    assert desk.heard == [b"0", b"1", b"2", b"3", b"4"]
    assert loop.time() - began_s >= 0.004, "a flood was read as fast as it came"


class Sleeper:
    """A line that only counts how often it was woken."""

    def __init__(self):
        self.woken = 0

    def wake(self):
        self.woken += 1


async def test_a_wave_wakes_a_few_at_once_and_then_the_others():
    wave = Wave()
    sleepers = [Sleeper() for _ in range(3 * WOKEN_AT_ONCE)]
    wave.lines.update(sleepers)
    wave.wake()
    assert sum(sleeper.woken for sleeper in sleepers) == WOKEN_AT_ONCE, "the first had to wait for the last"
    for _ in range(3):
        await asyncio.sleep(0)
    assert [sleeper.woken for sleeper in sleepers] == [1] * len(sleepers)


async def test_a_wave_that_comes_while_another_one_rolls_wakes_everybody_again():
    wave = Wave()
    sleepers = [Sleeper() for _ in range(3 * WOKEN_AT_ONCE)]
    wave.lines.update(sleepers)
    wave.wake()
    early = {sleeper for sleeper in sleepers if sleeper.woken}
    wave.wake()
    for _ in range(6):
        await asyncio.sleep(0)
    assert all(sleeper.woken == (2 if sleeper in early else 1) for sleeper in sleepers), "somebody slept through a push"


async def test_a_thousand_silent_nodes_do_not_keep_their_last_reports_in_memory(line, transport, desk):
    freed = asyncio.Event()

    class Report(bytes):
        __slots__ = ()

        def __del__(self):
            freed.set()

    transport.said.put_nowait(Report(b"sixty kilobytes"))
    await desk.received.wait()
    desk.heard.clear()
    async with asyncio.timeout(1):
        await freed.wait()
