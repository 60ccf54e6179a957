"""One stream's two ends, whatever transport carries it: one reads requests, the other writes what there is to send.

They never wait for each other, and the writer sleeps until somebody wakes it: most requests are plain ACKs, after which
there is nothing to write.
"""

import asyncio
from collections.abc import Awaitable, Callable

from xds.errors import XdsError
from xds.rate import TokenBucket

WOKEN_AT_ONCE = 64
"""Enough to keep the transport busy, and few enough that the first response is out within a millisecond."""


class Line:
    """Carries requests in and responses out until either side ends it.

    Args:
        read: awaits the next request.
        write: sends a response, and returns when there is room for another one.
        last: what `read` gives once the subscriber has said its last.
        bucket: how fast requests are read; nothing is lost.
        now_s: a clock that never goes back.

    Attributes:
        fault: why the subscriber was not listened to any longer; None when it closed, or was stopped.
    """

    __slots__ = ("_bucket", "_ended", "_last", "_now_s", "_read", "_sleeping", "_write", "fault")

    def __init__(
        self,
        read: Callable[[], Awaitable[object]],
        write: Callable[[bytes], Awaitable[None]],
        last: object,
        bucket: TokenBucket,
        now_s: Callable[[], float],
    ) -> None:
        self.fault: XdsError | None = None
        self._read = read
        self._write = write
        self._last = last
        self._bucket = bucket
        self._now_s = now_s
        self._ended = False
        self._sleeping: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Have the writer look for something to send. One that is busy writing looks anyway."""
        if self._sleeping is not None and not self._sleeping.done():
            self._sleeping.set_result(None)

    def end(self) -> None:
        """Have `carry` return as soon as the response that is being written is out."""
        self._ended = True
        self.wake()

    async def carry(self, receive: Callable[[bytes, float], bool], pull: Callable[[], bytes | None]) -> None:
        """Carry until the subscriber closes, sends garbage, or `end` is called.

        Args:
            receive: takes a request and the time, and says whether there may be something to send now. Raises XdsError
                when the subscriber is not to be listened to any longer.
            pull: returns what is to be sent next; None when there is nothing until something happens.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(self._take_in(receive))
            while not self._ended:
                data = pull()
                if data is not None:
                    await self._write(data)
                else:
                    # A future of its own: an `asyncio.Event` costs a good deal more, per push and stream.
                    self._sleeping = loop.create_future()
                    await self._sleeping
            reader.cancel()

    async def turn(self) -> float:
        """Wait until one more request may be taken; the time then."""
        now_s = self._now_s()
        wait_s = self._bucket.take(now_s)
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        return now_s + wait_s

    async def _take_in(self, receive: Callable[[bytes, float], bool]) -> None:
        while (data := await self._read()) is not self._last:
            assert isinstance(data, bytes), "without serializers, messages are bytes"
            # As in `turn`: mostly nobody waits, and a coroutine would be a good part of what a message costs.
            now_s = self._now_s()
            wait_s = self._bucket.take(now_s)
            if wait_s > 0:
                await asyncio.sleep(wait_s)
                now_s += wait_s
            try:
                is_due = receive(data, now_s)
            except XdsError as error:
                self.fault = error
                break
            del data  # a load report has 61 KB, and the next one may be a second away
            if is_due:
                self.wake()
        self.end()


class Wave:
    """Wakes many lines, a few at a time: the first response is on its way before the last writer is awake."""

    def __init__(self) -> None:
        self.lines: set[Line] = set()
        self._asleep: list[Line] = []
        self._rolls = False

    def wake(self) -> None:
        """Wake every line, those that were woken a moment ago included."""
        self._asleep = list(self.lines)
        if not self._rolls:
            self._roll()

    def _roll(self) -> None:
        woken, self._asleep = self._asleep[:WOKEN_AT_ONCE], self._asleep[WOKEN_AT_ONCE:]
        for line in woken:
            line.wake()
        self._rolls = bool(self._asleep)
        if self._rolls:
            asyncio.get_running_loop().call_soon(self._roll)
