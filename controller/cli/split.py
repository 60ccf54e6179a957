"""`turnout set-weight`, `turnout candidate`: guiding a candidate by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from controller.cli.confirmation import until_confirmed
from controller.cli.connection import connect, segment
from controller.cli.console import show
from controller.cli.options import SHARE, Target, with_reason, with_seen, with_target, with_version, with_wait
from controller.cli.sentence import say_agent
from controller.settings.quantity import format_weight


@click.command("set-weight")
@click.argument("agent")
@click.argument("percent", type=SHARE)
@with_reason
@with_seen
@with_wait
@with_target
def set_weight(
    agent: str, percent: int, reason: str, seen: int | None, wait: bool, timeout: float, target: Target, output: str
) -> None:
    """Give AGENT's candidate PERCENT of the live requests: 0 to 100, up to two decimals.

    Waits until every gateway has confirmed it. 0 takes the candidate out and drains it.
    """
    asyncio.run(_set_weight(target, agent, percent, reason, seen, timeout if wait else None, output))


async def _set_weight(
    target: Target, agent: str, weight_bp: int, reason: str, seen: int | None, timeout_s: float | None, output: str
) -> None:
    async with connect(target) as connection:
        body = {"candidate_percent": format_weight(weight_bp), "reason": reason}
        answer = await connection.change("PUT", f"/v1/agents/{segment(agent)}/split", body, seen=seen)
        if timeout_s is not None:
            answer = await until_confirmed(connection, answer, timeout_s)
    if not show(answer, output):
        say_agent(answer)


@click.command()
@click.argument("agent")
@click.argument("version", required=False)
@with_version
@click.option("--remove", is_flag=True, help="Take the candidate away; its share must be 0.")
@with_reason
@with_seen
@with_target
def candidate(
    agent: str,
    version: str | None,
    remove: bool,
    reason: str,
    seen: int | None,
    target: Target,
    output: str,
    **build: Any,  # noqa: ANN401 - click's
) -> None:
    """Declare VERSION as AGENT's candidate, at 0 percent, to be guided with `turnout set-weight`.

    No rollout begins. To have it brought in step by step, use `turnout propose`.
    """
    if remove == bool(version):
        raise click.UsageError("Name a VERSION, or use --remove.")
    if version and not build["endpoints"]:
        raise click.UsageError("Name at least one --endpoint of the version.")
    body = {"reason": reason} if remove else {"version": version, **build, "reason": reason}
    asyncio.run(_candidate(target, agent, "DELETE" if remove else "PUT", body, seen, output))


async def _candidate(
    target: Target, agent: str, method: str, body: dict[str, Any], seen: int | None, output: str
) -> None:
    async with connect(target) as connection:
        answer = await connection.change(method, f"/v1/agents/{segment(agent)}/candidate", body, seen=seen)
    if not show(answer, output):
        say_agent(answer)
