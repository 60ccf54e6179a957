"""`turnout pause`, `resume`, `skip`, `promote`, `rollback`: steering a rollout."""

from __future__ import annotations

import asyncio

import click

from controller.cli.confirmation import until_confirmed
from controller.cli.connection import connect, segment
from controller.cli.console import show
from controller.cli.options import Target, with_reason, with_seen, with_target, with_wait
from controller.cli.sentence import say_agent


async def _steer(
    target: Target, agent: str, verb: str, reason: str, seen: int | None, output: str, wait_s: float | None = None
) -> None:
    async with connect(target) as connection:
        path = f"/v1/agents/{segment(agent)}/{verb}"
        answer = await connection.change("POST", path, {"reason": reason}, seen=seen)
        if wait_s is not None:
            answer = await until_confirmed(connection, answer, wait_s)
    if not show(answer, output):
        say_agent(answer)


@click.command()
@click.argument("agent")
@with_reason
@with_seen
@with_target
def pause(agent: str, reason: str, seen: int | None, target: Target, output: str) -> None:
    """Hold AGENT's rollout where it is. Watching goes on, and a breach still rolls back."""
    asyncio.run(_steer(target, agent, "pause", reason, seen, output))


@click.command()
@click.argument("agent")
@with_reason
@with_seen
@with_target
def resume(agent: str, reason: str, seen: int | None, target: Target, output: str) -> None:
    """Let AGENT's paused rollout go on."""
    asyncio.run(_steer(target, agent, "resume", reason, seen, output))


@click.command()
@click.argument("agent")
@with_reason
@with_seen
@with_target
def skip(agent: str, reason: str, seen: int | None, target: Target, output: str) -> None:
    """Leave the step that AGENT's rollout is at, without its hold and its evidence."""
    asyncio.run(_steer(target, agent, "skip", reason, seen, output))


@click.command()
@click.argument("agent")
@with_reason
@with_seen
@with_target
def promote(agent: str, reason: str, seen: int | None, target: Target, output: str) -> None:
    """Make AGENT's candidate stable without the remaining steps; while it bakes, without the rest of the bake."""
    asyncio.run(_steer(target, agent, "promote", reason, seen, output))


@click.command()
@click.argument("agent")
@with_reason
@with_wait
@with_target
def rollback(agent: str, reason: str, wait: bool, timeout: float, target: Target, output: str) -> None:
    """Send all of AGENT's requests back to stable, now, and wait until every gateway has confirmed it."""
    asyncio.run(_steer(target, agent, "rollback", reason, None, output, timeout if wait else None))
