"""`turnout drain`: wait until a version has nothing in flight, e.g. before its instances are stopped."""

from __future__ import annotations

import asyncio

import click

from controller.cli.connection import ANSWER_TIMEOUT_S, connect, segment
from controller.cli.console import console, lasting, show, styled
from controller.cli.failure import Exit
from controller.cli.options import DURATION, Target, with_target
from controller.cli.picture import Drained, read
from controller.settings.quantity import format_duration


@click.command()
@click.argument("agent")
@click.option(
    "--track", type=click.Choice(["candidate", "stable"]), default="candidate", show_default=True, help="Which track."
)
@click.option("--version", help="This version instead, whatever track it plays.")
@click.option("--deadline", type=DURATION, default="60s", show_default=True, help="The longest to wait.")
@with_target
def drain(agent: str, track: str, version: str | None, deadline: float, target: Target, output: str) -> None:
    """Wait until the version on AGENT's track has no request in flight.

    Made for a preStop hook, which knows its own version: name that. The exit code is 4 when requests were still open at
    the deadline.
    """
    which = {"version": version} if version else {"track": track}
    answer = asyncio.run(_drain(target, agent, which, deadline))
    drained = read(Drained, answer)
    if not show(answer, output):
        nobody = f"version {version} is not known." if version else f"no version plays the {track} track."
        console().print(styled(_told(drained, deadline, nobody)))
    if drained.outcome in {"deadline", "serving"}:
        raise click.exceptions.Exit(Exit.UNCONFIRMED)


async def _drain(target: Target, agent: str, which: dict[str, str], deadline_s: float) -> object:
    async with connect(target) as connection:
        path, deadline = f"/v1/agents/{segment(agent)}/drain", format_duration(deadline_s)
        timeout_s = deadline_s + ANSWER_TIMEOUT_S
        answer: object = await connection.post(path, timeout_s=timeout_s, deadline=deadline, **which)
        return answer


def _told(drained: Drained, deadline_s: float, nobody: str) -> str:
    open_now = "an unknown number of" if drained.in_flight is None else f"{drained.in_flight}"
    words = {
        "empty": f"{drained.version} has nothing in flight.",
        "deadline": f"{drained.version} still has {open_now} requests in flight after {lasting(deadline_s)}.",
        "nothing": nobody,
        "serving": f"{drained.version} got traffic again while it drained.",
    }
    return f"{drained.agent}: {words.get(drained.outcome, drained.detail or drained.outcome)}"
