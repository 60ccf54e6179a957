"""``make bench``: runs every benchmark, prints ratios against floors of the same run, and what was to be reached."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.bench.decisions import block_costs

PUSHES = 30
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One figure: what was measured, its floor, and the bound that it should keep."""

    what: str
    ours: str
    floor: str
    ratio: str
    goal: str
    kept: bool


class Program:
    """A subprocess that answers each line with a line of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode().strip()
        assert line, "the program ended; its error stands above"
        return line

    async def ask(self, command: str) -> dict[str, float]:
        """Send a command, and take its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())
        answer: dict[str, float] = json.loads(await self.line())
        return answer

    async def close(self) -> None:
        """End its input, and wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def program(module: str, *arguments: object) -> AsyncIterator[Program]:
    """Run ``python -m tests.bench.<module>`` while the context is open."""
    command = [sys.executable, "-m", f"tests.bench.{module}", *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    running = Program(process)
    try:
        yield running
    finally:
        await running.close()


@dataclass(frozen=True, slots=True)
class Pushes:
    """What pushing cost one server: per push, and the connect storm before."""

    wall_s: float
    cpu_s: float
    first_byte_s: float
    storm_s: float
    storm_cpu_s: float
    memory_growth: float


async def push(kind: str, hosts: int, streams: int, *, pushes: int = PUSHES) -> Pushes:
    """Measure one server with ``streams`` subscribers; medians over rounds."""
    async with program("server", kind, hosts) as server:
        port = int(await server.line())
        before = await server.ask("usage")
        async with program("subscribers", "ads", port, streams) as subscribers:
            storm = json.loads(await subscribers.line())
            after = await server.ask("usage")
            warm = await server.ask(f"push {pushes}")
            rounds = [await server.ask(f"push {pushes}") for _ in range(ROUNDS)]
    return Pushes(
        wall_s=statistics.median(each["wall_s"] for each in rounds) / pushes,
        cpu_s=statistics.median(each["cpu_s"] for each in rounds) / pushes,
        first_byte_s=statistics.median(each["first_byte_s"] for each in rounds),
        storm_s=storm["storm_s"],
        storm_cpu_s=after["cpu_total_s"] - before["cpu_total_s"],
        memory_growth=rounds[-1]["rss_kb"] / warm["rss_kb"],
    )


def compared(what: str, ours_s: float, floor_s: float, limit: float) -> Line:
    """A time against its floor."""
    ratio = ours_s / floor_s
    ours, floor = f"{ours_s * 1e3:.2f} ms", f"{floor_s * 1e3:.2f} ms"
    return Line(what, ours, floor, f"{ratio:.2f}", f"≤ {limit:g}", ratio <= limit)


async def push_lines(streams: int) -> list[Line]:
    """A changed split to everybody, and everybody at once."""
    lines: list[Line] = []
    for hosts in (10, 1000):
        floor, ours = await push("bare", hosts, streams), await push("turnout", hosts, streams)
        where = f"{streams} streams, {hosts} virtual hosts"
        lines += [
            compared(f"push until all have ACKed: {where}", ours.wall_s, floor.wall_s, 1.3),
            compared(f"push, the server's CPU: {where}", ours.cpu_s, floor.cpu_s, 1.3),
            compared(f"connect storm until all are served: {where}", ours.storm_s, floor.storm_s, 1.5),
            compared(f"connect storm, the server's CPU: {where}", ours.storm_cpu_s, floor.storm_cpu_s, 1.5),
            Line(
                f"changed split to first byte: {hosts} virtual hosts",
                f"{ours.first_byte_s * 1e3:.2f} ms",
                "",
                "",
                "< 5 ms",
                ours.first_byte_s < 0.005,
            ),
        ]
    return lines


async def report_lines(per_second: int) -> list[Line]:
    """Load reports of many nodes."""
    share: dict[str, float] = {}
    for kind in ("bare", "turnout"):
        async with program("server", kind, 1) as server:
            port = int(await server.line())
            before = await server.ask("usage")
            async with program("subscribers", "reports", port, per_second) as subscribers:
                sent = json.loads(await subscribers.line())
            after = await server.ask("usage")
            assert after["reports"] == sent["sent"], f"{kind} took {after['reports']} of {sent['sent']} reports"
            share[kind] = (after["cpu_total_s"] - before["cpu_total_s"]) / sent["wall_s"]
    own = share["turnout"] - share["bare"]
    ratio = f"{share['turnout'] / share['bare']:.2f}"
    what = f"{per_second} load reports a second, of a core above the floor"
    return [Line(what, f"{share['turnout']:.1%}", f"{share['bare']:.1%}", ratio, "< 10 %", own < 0.10)]


async def memory_lines(pushes: int) -> list[Line]:
    """Memory after very many pushes, against memory after the first of them."""
    grown = await push("turnout", 10, 10, pushes=pushes // (ROUNDS + 1))
    growth = f"{grown.memory_growth:.3f}"
    return [Line(f"memory after {pushes} pushes", growth, "1", growth, "≤ 1.05", grown.memory_growth <= 1.05)]


def decision_lines() -> list[Line]:
    """Judging one block, against the bare arithmetic of one likelihood ratio per alternative."""
    ours_s, floor_s = block_costs()
    per_second = f"{ours_s:.2%} of a core at one look a second"
    what = f"judging a block of 4 objectives ({per_second})"
    return [Line(what, f"{ours_s * 1e6:.0f} µs", f"{floor_s * 1e6:.0f} µs", f"{ours_s / floor_s:.1f}", "", kept=True)]


def show(lines: list[Line], console: Console) -> None:
    """Print the table."""
    table = Table(title="Turnout, as ratios to floors of the same run")
    for column in ("what", "ours", "floor", "ratio", "goal", ""):
        table.add_column(column, justify="left" if column in ("what", "goal", "") else "right")
    for line in lines:
        table.add_row(line.what, line.ours, line.floor, line.ratio, line.goal, "" if line.kept else "missed")
    console.print(table)


async def measure(streams: int, console: Console) -> list[Line]:
    """Run all benchmarks, one after the other, saying which."""
    lines: list[Line] = []
    parts: list[tuple[str, Callable[[], object]]] = [
        ("decisions", decision_lines),
        ("load reports", lambda: report_lines(streams)),
        ("memory", lambda: memory_lines(10_000)),
        ("pushes and storms", lambda: push_lines(streams)),
    ]
    for name, part in parts:
        console.print(f"measuring {name} …")
        found = part()
        lines += await found if asyncio.iscoroutine(found) else found  # type: ignore[operator]  # one of the two
    return lines


def main() -> int:
    """Exit 1 when a goal is missed, so that a machine notices; the figures are for people."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--streams", type=int, default=1000, help="subscribers, and load reports a second")
    options = parser.parse_args()
    console = Console()
    lines = asyncio.run(measure(options.streams, console))
    show(lines, console)
    return 0 if all(line.kept for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
