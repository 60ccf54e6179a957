"""``make bench``: runs every benchmark, prints ratios against floors of the same run, and what was to be reached."""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import uvloop
from rich.console import Console
from rich.table import Table

from tests.bench.decisions import BLOCKS, block_costs
from tests.bench.effect import effect_lines
from tests.bench.line import Line, bounded, compared
from tests.bench.program import Program, program

PUSHES = 10
WARM_PUSHES = 5
ROUNDS = 9
STORMS = 3
FIRST_BYTE_S_MAX = 0.005
REPORT_ROUNDS = 3
REPORT_SECONDS = 5
REPORTS_SHARE_MAX = 0.1
HEARD_DEADLINE_S = 10.0
LOOK_S = 0.01
AS_IT_COMES = {"GRPC_EXPERIMENTS": "", "GRPC_ENABLE_FORK_SUPPORT": "true"}
"""For gRPC without Turnout's settings of it (`xds/polling.py`): its own."""

TUNED_MAX = 1.5
"""What may be lost to a floor that has our settings: a guard of our own, lest they hide what our code costs."""


@dataclass(slots=True)
class Figures:
    """What one server was measured at, round by round. Seconds, and of pushes per push."""

    push_s: list[float] = field(default_factory=list)
    push_cpu_s: list[float] = field(default_factory=list)
    first_byte_s: list[float] = field(default_factory=list)
    storm_s: list[float] = field(default_factory=list)
    storm_cpu_s: list[float] = field(default_factory=list)
    stream_bytes: float = 0.0

    async def storm(self, server: Program, port: int, streams: int) -> None:
        """Have all streams open at once, until each has its first response; then all leave."""
        before = await server.ask("usage")
        async with program("subscribers", "ads", port, streams) as subscribers:
            self.storm_s.append((await subscribers.line())["storm_s"])
            after = await server.ask("usage")
        self.storm_cpu_s.append(after["cpu_total_s"] - before["cpu_total_s"])
        # The first storm finds a server that has held no stream yet.
        self.stream_bytes = self.stream_bytes or (after["rss_kb"] - before["rss_kb"]) * 1024 / streams

    async def push(self, server: Program, pushes: int) -> None:
        """One round of pushes."""
        taken = await server.ask(f"push {pushes}")
        self.push_s.append(taken["wall_s"] / pushes)
        self.push_cpu_s.append(taken["cpu_s"] / pushes)
        self.first_byte_s.append(taken["first_byte_s"])


def first_byte(where: str, figures: Figures) -> Line:
    """From the decision to the first response that is handed to gRPC."""
    return bounded(f"changed split to first byte: {where}", figures.first_byte_s, FIRST_BYTE_S_MAX, "< 5 ms")


def tuned(what: str, ours_s: Sequence[float], floor_s: Sequence[float]) -> Line:
    """A time against the floor that has Turnout's own settings: what is above it is Turnout's code alone."""
    return compared(f"{what}; floor set up as ours", ours_s, floor_s, TUNED_MAX)


async def push_lines(
    hosts: int, streams: int, *, storms: int = STORMS, rounds: int = ROUNDS, pushes: int = PUSHES
) -> list[Line]:
    """Everybody at once, and a changed split to everybody: the floors and ours by turns, in the same minute."""
    plain, floor, ours = Figures(), Figures(), Figures()
    async with AsyncExitStack() as running:
        sides: list[tuple[Figures, Program, int]] = []
        for figures, kind in ((plain, "plain"), (floor, "bare"), (ours, "turnout")):
            env = AS_IT_COMES if kind == "plain" else None
            server = await running.enter_async_context(program("server", kind, hosts, env=env))
            sides.append((figures, server, await server.line()))
        for _ in range(storms):
            for figures, server, port in sides:
                await figures.storm(server, port, streams)
        for _, server, port in sides:
            subscribers = await running.enter_async_context(program("subscribers", "ads", port, streams))
            await subscribers.line()
            await server.ask(f"push {WARM_PUSHES}")
        for _ in range(rounds):
            for figures, server, _ in sides:
                await figures.push(server, pushes)
    where = f"{streams} streams, {hosts} virtual hosts"
    ours_kb, floor_kb = ours.stream_bytes / 1024, floor.stream_bytes / 1024
    memory = f"{ours_kb / floor_kb:.2f}" if floor_kb else ""  # a few streams need no page more
    return [
        compared(f"push until all have ACKed: {where}", ours.push_s, plain.push_s, 1.3),
        tuned(f"push until all have ACKed: {where}", ours.push_s, floor.push_s),
        compared(f"push, the server's CPU: {where}", ours.push_cpu_s, plain.push_cpu_s, 1.3),
        tuned(f"push, the server's CPU: {where}", ours.push_cpu_s, floor.push_cpu_s),
        first_byte(where, ours),
        compared(f"connect storm until all are served: {where}", ours.storm_s, plain.storm_s, 1.5),
        tuned(f"connect storm until all are served: {where}", ours.storm_s, floor.storm_s),
        compared(f"connect storm, the server's CPU: {where}", ours.storm_cpu_s, plain.storm_cpu_s, 1.5),
        tuned(f"connect storm, the server's CPU: {where}", ours.storm_cpu_s, floor.storm_cpu_s),
        Line(f"memory per stream: {where}", f"{ours_kb:.0f} KB", f"{floor_kb:.0f} KB", memory),
    ]


async def shared_host_lines(agents: int, streams: int) -> list[Line]:
    """All agents at one host: then the virtual host that changes is the whole table."""
    figures = Figures()
    async with program("server", "shared", agents) as server:
        port = await server.line()
        async with program("subscribers", "ads", port, streams) as subscribers:
            await subscribers.line()
            await server.ask(f"push {WARM_PUSHES}")
            await figures.push(server, PUSHES)
    return [first_byte(f"{streams} streams, {agents} agents at one virtual host", figures)]


async def heard(server: Program, reports: int) -> dict[str, float]:
    """What the server has used, once it has taken so many reports: the last of them may be on their way."""
    async with asyncio.timeout(HEARD_DEADLINE_S):
        while (usage := await server.ask("usage"))["reports"] < reports:  # noqa: ASYNC110 - another process is asked
            await asyncio.sleep(LOOK_S)
    assert usage["reports"] == reports, f"{reports} reports were sent, and {usage['reports']} taken"
    return usage


async def report_lines(per_second: int, *, rounds: int = REPORT_ROUNDS, seconds: int = REPORT_SECONDS) -> list[Line]:
    """Load reports of many nodes: what both servers use while they come, by turns."""
    shares: dict[str, list[float]] = {"bare": [], "turnout": []}
    async with AsyncExitStack() as running:
        sides: list[tuple[str, Program, Program]] = []
        for kind in shares:
            server = await running.enter_async_context(program("server", kind, 1))
            port = await server.line()
            subscribers = await running.enter_async_context(program("subscribers", "reports", port, per_second))
            await subscribers.line()
            sides.append((kind, server, subscribers))
        for _ in range(rounds):
            for kind, server, subscribers in sides:
                before = await server.ask("usage")
                sent = await subscribers.ask(f"report {seconds}")
                after = await heard(server, before["reports"] + sent["sent"])
                shares[kind].append((after["cpu_total_s"] - before["cpu_total_s"]) / sent["wall_s"])
    ours, floor = (statistics.median(shares[kind]) for kind in ("turnout", "bare"))
    what, own = f"{per_second} load reports a second, share of a core", ours - floor
    return [
        Line(
            what,
            f"{ours:.1%}",
            f"{floor:.1%}",
            f"{ours / floor:.2f}",
            "< 10 %",
            ours / REPORTS_SHARE_MAX,
            counts=False,
            note=f"{floor / ours:.0%} of it is the floor",
        ),
        Line(f"{what}: above the floor", f"{own:.1%}", goal="< 10 %", used=max(own, 0.0) / REPORTS_SHARE_MAX),
    ]


async def memory_lines(pushes: int) -> list[Line]:
    """Memory after very many pushes, against memory after the first tenth of them."""
    async with program("server", "turnout", 10) as server:
        port = await server.line()
        async with program("subscribers", "ads", port, 10) as subscribers:
            await subscribers.line()
            warm = await server.ask(f"push {pushes // 10}")
            done = await server.ask(f"push {pushes - pushes // 10}")
    ours_mb, floor_mb = done["rss_kb"] / 1024, warm["rss_kb"] / 1024
    ratio = ours_mb / floor_mb
    what = f"memory after {pushes} pushes, against that after {pushes // 10}"
    return [Line(what, f"{ours_mb:.1f} MB", f"{floor_mb:.1f} MB", f"{ratio:.3f}", "≤ 1.05", ratio / 1.05)]


def decision_lines(blocks: int = BLOCKS) -> list[Line]:
    """Judging one block, against the bare arithmetic of one likelihood ratio per alternative."""
    ours_s, floor_s = block_costs(blocks)
    per_second = f"{ours_s:.2%} of a core at one look a second"
    what = f"judging a block of 4 objectives ({per_second})"
    return [Line(what, f"{ours_s * 1e6:.0f} µs", f"{floor_s * 1e6:.0f} µs", f"{ours_s / floor_s:.1f}")]


def show(lines: list[Line], console: Console) -> None:
    """Print the table."""
    table = Table(title="Turnout, as ratios to floors of the same run")
    for column in ("what", "ours", "floor", "ratio", "goal", ""):
        table.add_column(column, justify="left" if column in ("what", "goal", "") else "right")
    for line in lines:
        table.add_row(line.what, line.ours, line.floor, line.ratio, line.goal, line.judgement)
    console.print(table)


async def measure(streams: int, only: str, console: Console) -> list[Line]:
    """Run the benchmarks whose names have these words, one after the other, saying which."""
    lines: list[Line] = []
    parts: list[tuple[str, Callable[[], object]]] = [
        ("decisions", decision_lines),
        ("command to effect, per gateway", effect_lines),
        ("load reports", lambda: report_lines(streams)),
        ("memory", lambda: memory_lines(10_000)),
        ("pushes and storms, 10 virtual hosts", lambda: push_lines(10, streams)),
        ("pushes and storms, 1000 virtual hosts", lambda: push_lines(1000, streams)),
        ("1000 agents at one virtual host", lambda: shared_host_lines(1000, streams)),
    ]
    chosen = [(name, part) for name, part in parts if only in name]
    for number, (name, part) in enumerate(chosen, 1):
        console.print(f"{number} of {len(chosen)}: {name} …")
        found = part()
        lines += await found if asyncio.iscoroutine(found) else found  # type: ignore[operator]  # one of the two
    return lines


def main() -> int:
    """Exit 1 when a goal is missed by more than the margin, so that a machine notices; the figures are for people."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--streams", type=int, default=1000, help="subscribers, and load reports a second")
    parser.add_argument(
        "--only", default="", help="a part by words of its name, such as effect, reports, memory, pushes"
    )
    options = parser.parse_args()
    console = Console()
    lines = uvloop.run(measure(options.streams, options.only, console))
    show(lines, console)
    return 1 if any(line.fails for line in lines) else 0


if __name__ == "__main__":
    # A gateway that was changed by hand is warned of, and the floor is such a hand.
    logging.getLogger("adapters").setLevel(logging.ERROR)
    sys.exit(main())
