"""``turnout demo``: a real gateway, agents, load and the controller on this machine, for about a minute and a half."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Awaitable
from pathlib import Path

from rich.console import Console

from controller.errors import TurnoutError, UnavailableError

from . import report
from .gateway import chosen
from .measure import Act, measure
from .performance import Performance

WATCHDOG_S = 150.0
"""Whatever happens, it is over after this long."""

INTERRUPTED = 130
"""What a shell expects of a program that Ctrl-C ended: 128 + SIGINT."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, the service manager, and a terminal that was closed."""

COLUMNS = 160
"""The width of what is read by no terminal."""


def run(*, seed: int, output: str, gateway: str) -> int:
    """Play the demo.

    Args:
        seed: where chance begins, for the agents and for the load.
        output: ``text`` for people, or ``json``: one object on standard output, and progress on standard error.
        gateway: which kinds of gateways to start, separated by commas.

    Returns:
        The exit code: 0 when every act went as it must, 1 when not, 130 when it was interrupted.
    """
    stream = sys.stderr if output == "json" else sys.stdout
    console = Console(
        file=stream, width=None if stream.isatty() else COLUMNS, highlight=False, markup=False, emoji=False
    )
    folder = Path(tempfile.mkdtemp(prefix="turnout-demo-"))
    acts: list[Act] = []
    trouble = False
    try:
        performance = Performance(folder, seed, chosen(gateway), console)
        if not asyncio.run(until_signalled(_bounded(performance, acts))):
            console.print("Interrupted. Everything that was started has been ended.")
            return INTERRUPTED
    except TurnoutError as error:
        trouble = True
        console.print(f"\nThe demo came to no end: {error}", style="red", soft_wrap=True)
    finally:
        # The logs are worth keeping only where the error message points at them.
        if not (trouble and any(folder.glob("*.log"))):
            shutil.rmtree(folder, ignore_errors=True)
    if output == "json":
        sys.stdout.write(json.dumps(report.as_json(acts)) + "\n")
    if acts and output != "json":
        report.show(acts, console)
    return 0 if report.went_well(acts) and not trouble else 1


async def until_signalled(work: Awaitable[None]) -> bool:
    """Do ``work``; whether it came to an end. One of SIGNALS cancels it once: a second cannot hurry the cleaning."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    signalled = asyncio.Event()

    def interrupt() -> None:
        if not signalled.is_set():
            signalled.set()
            task.cancel()

    # `nohup` has SIGHUP ignored, and means it.
    numbers = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in numbers:
        loop.add_signal_handler(number, interrupt)
    try:
        await work
    except asyncio.CancelledError:
        if not signalled.is_set():
            raise
        task.uncancel()
        return False
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
    return True


async def _bounded(performance: Performance, acts: list[Act]) -> None:
    """Play under the watchdog. What was played is in ``acts`` also when it ends early. Raises TurnoutError."""
    try:
        async with asyncio.timeout(WATCHDOG_S):
            await performance.run()
    except TimeoutError:
        raise UnavailableError(f"It was not over after {WATCHDOG_S:g} s. {performance.where}") from None
    finally:
        acts += [measure(played, performance.records) for played in performance.played]
