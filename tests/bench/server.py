"""A server to measure, in a process of its own: ``python -m tests.bench.server turnout|shared|bare|plain HOSTS``.

With ``shared``, all agents have one host. ``bare`` is the floor with the real program's settings of the interpreter,
the event loop and gRPC; ``plain`` is the floor as anybody's server is, with none of them.

Prints its port; then reads a command per line and answers each with one line of JSON.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import sys
import time
from typing import Any

import uvloop

from adapters.envoy.gateway import EnvoyGateway, EnvoyOptions
from adapters.port import Assignment, Route, Split, Version
from controller.garbage import collect_seldom
from tests.bench.bare import BareServer
from tests.bench.program import commands
from tests.bench.wire import GROUP
from xds import wire_pb2 as wire
from xds.counters import Counters
from xds.envelope import CONTROL_PLANE
from xds.server import XdsServer
from xds.snapshot import ResourceType

TURNS = itertools.count()
"""No push is the same as the one before."""

tidied_s = 0.0
"""What was spent on collecting garbage before each answer, which is no part of what is measured."""


class FirstPush(Counters):
    """A meter that also knows when the first response went out; only that one is slower for it."""

    first_s = 0.0

    def expect(self) -> None:
        """From now on, the next response is the first."""
        self.pushed = self._first  # type: ignore[method-assign]  # until the first has come

    def _first(self, group: str, type_: str, size_bytes: int) -> None:
        self.first_s = time.perf_counter()
        del self.pushed
        self.pushed(group, type_, size_bytes)


def assignment(number: int, candidate_bp: int, *, shared: bool = False) -> Assignment:
    """One of many agents, with two versions: at its own host, or below its own prefix of the one host."""
    apart = Route(hosts=(f"agent-{number}.example.com",))
    return Assignment(
        f"agent-{number}",
        Route(hosts=("agents.example.com",), path_prefix=f"/agent-{number}") if shared else apart,
        Version("1.0.0", ("127.0.0.1:3000",)),
        Version("1.1.0", ("127.0.0.1:3001",)),
        Split(candidate_bp),
    )


class Turnout:
    """The adapter and the xDS server, as the controller uses them."""

    def __init__(self, hosts: int, *, shared: bool = False) -> None:
        self.hosts = hosts
        self.shared = shared
        self.meter = FirstPush()
        self.reports = 0
        self.server = XdsServer("127.0.0.1:0", meter=self.meter, on_load_report=self._report)
        self.gateway = EnvoyGateway(GROUP, EnvoyOptions("127.0.0.1:10000"), self.server)

    def _report(self, report: Any) -> None:
        self.reports += 1
        self.gateway.take_report(report)

    async def start(self) -> int:
        await self.offer(100)
        await self.server.start()
        return self.server.port

    async def offer(self, candidate_bp: int) -> None:
        """Have all agents at once, at this share."""
        agents = [assignment(number, candidate_bp, shared=self.shared) for number in range(self.hosts)]
        await self.gateway.start(agents)

    async def push(self, turn: int) -> float:
        """One changed split, to everybody; how long until its first byte went out, in seconds."""
        self.meter.expect()
        began_s = time.perf_counter()
        receipt = await self.gateway.apply(assignment(0, 1000 + turn % 1000, shared=self.shared), timeout_s=60)
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
    turnout, responses = Turnout(hosts), []
    for turn in range(2):
        await turnout.offer(100 + turn)
        response = wire.DiscoveryResponse(
            version_info="0123456789abcdef", type_url=ResourceType.ROUTES.url, nonce=f"{turn}.rds.0"
        )
        response.control_plane.identifier = CONTROL_PLANE
        response.resources.add(type_url=ResourceType.ROUTES.url, value=turnout.payload())
        responses.append(response.SerializeToString())
    return responses


async def command(server: Turnout | Bare, line: str) -> dict[str, float]:
    """Do what a line says: ``push N``, ``usage``."""
    global tidied_s  # noqa: PLW0603 - of this process, as its clock is
    verb, _, number = line.partition(" ")
    began_s = time.process_time()
    gc.collect()
    tidied_s += time.process_time() - began_s
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    firsts = [await server.push(next(TURNS)) for _ in range(int(number))] if verb == "push" else []
    return {
        "wall_s": time.perf_counter() - wall_s,
        "cpu_s": time.process_time() - cpu_s,
        "cpu_total_s": time.process_time() - tidied_s,
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
    server = Bare(hosts) if kind in {"bare", "plain"} else Turnout(hosts, shared=kind == "shared")
    port = await server.start()
    if kind != "plain":
        collect_seldom()
    print(port, flush=True)
    reader = await commands()
    while line := (await reader.readline()).decode().strip():
        print(json.dumps(await command(server, line)), flush=True)
    await server.stop()


if __name__ == "__main__":
    run = asyncio.run if sys.argv[1] == "plain" else uvloop.run
    run(main(sys.argv[1], int(sys.argv[2])))
