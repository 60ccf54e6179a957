"""A server to measure, in a process of its own: ``python -m tests.bench.server turnout|bare HOSTS``.

Prints its port; then reads a command per line and answers each with one line of JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import uvloop

from adapters.envoy.gateway import EnvoyGateway, EnvoyOptions
from adapters.port import Assignment, Route, Split, Version
from tests.bench.bare import BareServer
from tests.bench.wire import GROUP
from xds.counters import Counters
from xds.server import XdsServer
from xds.snapshot import ResourceType


@dataclass(slots=True)
class FirstPush(Counters):
    """A meter that also knows when the first response went out."""

    first_s: float = 0.0
    reports: int = field(default=0)

    def pushed(self, group: str, type_: str, size_bytes: int) -> None:
        self.first_s = self.first_s or time.perf_counter()
        super(FirstPush, self).pushed(group, type_, size_bytes)  # noqa: UP008 - slots make a new class


def assignment(number: int, candidate_bp: int) -> Assignment:
    """One of many agents: its own host, two versions."""
    return Assignment(
        f"agent-{number}",
        Route(hosts=(f"agent-{number}.example.com",)),
        Version("1.0.0", ("127.0.0.1:3000",)),
        Version("1.1.0", ("127.0.0.1:3001",)),
        Split(candidate_bp),
    )


class Turnout:
    """The adapter and the xDS server, as the controller uses them."""

    def __init__(self, hosts: int) -> None:
        self.hosts = hosts
        self.meter = FirstPush()
        self.server = XdsServer("127.0.0.1:0", meter=self.meter, on_load_report=self._report)
        self.gateway = EnvoyGateway(GROUP, EnvoyOptions("127.0.0.1:10000"), self.server)

    def _report(self, report: Any) -> None:
        self.meter.reports += 1
        self.gateway.take_report(report)

    async def start(self) -> int:
        await self.gateway.start([assignment(number, 100) for number in range(self.hosts)])
        await self.server.start()
        return self.server.port

    async def push(self, turn: int) -> float:
        """One changed split, to everybody; how long until its first byte went out, in seconds."""
        self.meter.first_s = 0.0
        began_s = time.perf_counter()
        receipt = await self.gateway.apply(assignment(0, 1000 + turn % 1000), timeout_s=60)
        assert receipt.outcome == "confirmed", receipt
        return self.meter.first_s - began_s

    async def stop(self) -> None:
        await self.gateway.close()
        await self.server.stop()

    def payload(self) -> bytes:
        """What a subscriber gets, for the floor to send."""
        snapshot = self.server.cache.snapshot(GROUP)
        assert snapshot is not None
        return snapshot.sets[ResourceType.ROUTES].resources[GROUP].body

    @property
    def reports(self) -> int:
        return self.meter.reports


class Bare:
    """The same bytes, from a server that knows nothing."""

    def __init__(self, hosts: int) -> None:
        self.hosts = hosts
        self.server = BareServer()
        self.payloads: list[bytes] = []

    async def start(self) -> int:
        self.payloads = await response_bytes(self.hosts)
        self.server.payload = self.payloads[0]
        return await self.server.start()

    async def push(self, turn: int) -> float:
        began_s = time.perf_counter()
        await self.server.push(self.payloads[turn % 2])
        return time.perf_counter() - began_s

    async def stop(self) -> None:
        await self.server.stop()

    @property
    def reports(self) -> int:
        return self.server.reports


async def response_bytes(hosts: int) -> list[bytes]:
    """Two responses of the size that Turnout sends, encoded beforehand."""
    from xds import wire_pb2 as wire

    turnout, responses = Turnout(hosts), []
    for turn in range(2):
        await turnout.gateway.start([assignment(number, 100 + turn) for number in range(hosts)])
        response = wire.DiscoveryResponse(
            version_info="0123456789abcdef", type_url=ResourceType.ROUTES.url, nonce=f"{turn}.rds.0"
        )
        response.resources.add(type_url=ResourceType.ROUTES.url, value=turnout.payload())
        responses.append(response.SerializeToString())
    return responses


async def command(server: Turnout | Bare, line: str) -> dict[str, float]:
    """Do what a line says: ``push N``, ``usage``."""
    verb, _, number = line.partition(" ")
    gc.collect()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    firsts = [await server.push(turn) for turn in range(int(number))] if verb == "push" else []
    return {
        "wall_s": time.perf_counter() - wall_s,
        "cpu_s": time.process_time() - cpu_s,
        "cpu_total_s": time.process_time(),
        "first_byte_s": sorted(firsts)[len(firsts) // 2] if firsts else 0.0,
        "rss_kb": resident_kb(),
        "reports": server.reports,
    }


def resident_kb() -> int:
    """This process's resident memory."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - one line of a pseudo-file
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


async def main(kind: str, hosts: int) -> None:
    """Serve until standard input ends."""
    server = {"turnout": Turnout, "bare": Bare}[kind](hosts)
    print(await server.start(), flush=True)
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        print(json.dumps(await command(server, line)), flush=True)
    await server.stop()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
