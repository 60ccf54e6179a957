"""Many subscribers in a process of their own: ``python -m tests.bench.subscribers ads|reports PORT STREAMS``.

``ads`` opens all streams at once, prints how long it took until each had its first response, and ACKs whatever comes.
``reports`` sends one load report per stream and second for some seconds, prints how many, and ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import grpc
import grpc.aio
import uvloop

from tests.bench.wire import acknowledge, load_report, subscribe

EOF = grpc.aio.EOF  # type: ignore[attr-defined]  # grpc-stubs leaves it out
STREAMS_PER_CHANNEL = 50
REPORT_SECONDS = 5
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

    async def report(self, number: int, began_s: float) -> int:
        """One LRS stream that reports every second, spread over the second."""
        call = self.channels[number % len(self.channels)].stream_stream(LRS)()
        message = load_report(f"node-{number}", requests=100)
        for second in range(REPORT_SECONDS):
            due_s = began_s + second + number / self.streams
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            await call.write(message)
        await call.done_writing()
        return REPORT_SECONDS


async def main(mode: str, port: int, streams: int) -> None:
    """Run until standard input ends, or all is reported."""
    subscribers = Subscribers(port, streams)
    await subscribers.connect()
    began_s = time.perf_counter()
    if mode == "reports":
        sent = await asyncio.gather(*(subscribers.report(number, began_s) for number in range(streams)))
        print(json.dumps({"sent": sum(sent), "wall_s": time.perf_counter() - began_s}), flush=True)
        return
    async with asyncio.TaskGroup() as tasks:
        following = [tasks.create_task(subscribers.follow(number)) for number in range(streams)]
        await subscribers.all_served.wait()
        print(json.dumps({"storm_s": time.perf_counter() - began_s}), flush=True)
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await reader.read()
        for task in following:
            task.cancel()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
