"""Many subscribers in a process of their own: ``python -m tests.bench.subscribers ads|reports PORT STREAMS``.

``ads`` opens all streams at once, prints how long it took until each had its first response, and ACKs whatever comes.
``reports`` introduces a node on each stream, and prints that all were answered. At each line ``report SECONDS`` it
sends one load report per stream and second for so long, and prints how many.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

import grpc
import grpc.aio
import uvloop

from tests.bench.program import commands
from tests.bench.wire import acknowledge, introduction, load_report, subscribe

Reporting = Callable[[float, int], Awaitable[int]]
"""Reports once a second from a moment on, so many seconds long; how many reports that were."""

EOF = grpc.aio.EOF  # type: ignore[attr-defined]  # grpc-stubs leaves it out
STREAMS_PER_CHANNEL = 50
ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
LRS = "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats"


class Subscribers:
    """Streams over as few connections as a fleet of Envoys behind a proxy would use."""

    def __init__(self, port: int, streams: int) -> None:
        self.streams = streams
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        count = -(-streams // STREAMS_PER_CHANNEL)
        self.channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) for _ in range(count)]
        self.waiting = streams
        self.all_served = asyncio.Event()
        self.acks: dict[bytes, bytes] = {}

    async def connect(self) -> None:
        """Have every connection ready, so that the storm is of streams."""
        await asyncio.gather(*(channel.channel_ready() for channel in self.channels))

    async def follow(self, number: int) -> None:
        """One ADS stream, ACKing for ever."""
        call = self.channels[number % len(self.channels)].stream_stream(ADS)()
        await call.write(subscribe(f"node-{number}"))
        served = False
        while (data := await call.read()) is not EOF:
            ack = self.acks.get(data)
            if ack is None:
                self.acks.clear()
                ack = self.acks[data] = acknowledge(data)
            await call.write(ack)
            if not served:
                served = True
                self.waiting -= 1
                if not self.waiting:
                    self.all_served.set()

    async def introduce(self, number: int) -> Reporting:
        """One LRS stream, up to the answer that says how often to report."""
        call = self.channels[number % len(self.channels)].stream_stream(LRS)()
        await call.write(introduction(f"node-{number}"))
        await call.read()
        message = load_report(f"node-{number}", requests=100)

        async def report(began_s: float, seconds: int) -> int:
            for second in range(seconds):
                due_s = began_s + second + number / self.streams
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                await call.write(message)
            return seconds

        return report


async def report(subscribers: Subscribers) -> None:
    """Have all of them report, over the second, once they are told to."""
    told = await commands()
    reporting = await asyncio.gather(*(subscribers.introduce(number) for number in range(subscribers.streams)))
    print(json.dumps({"streams": len(reporting)}), flush=True)
    while command := (await told.readline()).decode().strip():
        began_s, seconds = time.perf_counter(), int(command.removeprefix("report "))
        sent = await asyncio.gather(*(each(began_s, seconds) for each in reporting))
        print(json.dumps({"sent": sum(sent), "wall_s": time.perf_counter() - began_s}), flush=True)


async def main(mode: str, port: int, streams: int) -> None:
    """Run until standard input ends, or all is reported."""
    subscribers = Subscribers(port, streams)
    await subscribers.connect()
    if mode == "reports":
        await report(subscribers)
        return
    began_s = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        following = [tasks.create_task(subscribers.follow(number)) for number in range(streams)]
        await subscribers.all_served.wait()
        print(json.dumps({"storm_s": time.perf_counter() - began_s}), flush=True)
        await (await commands()).read()
        for task in following:
            task.cancel()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
