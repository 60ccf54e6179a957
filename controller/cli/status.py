"""`turnout status`, `turnout gateways`: how things stand."""

from __future__ import annotations

import asyncio

import click

from controller.cli.connection import connect, segment
from controller.cli.console import console, show
from controller.cli.options import Target, with_target
from controller.cli.picture import Agent, Gateways, read, read_agents
from controller.cli.screen import agent_lines, agent_table, gateway_lines


@click.command()
@click.argument("agent", required=False)
@with_target
def status(agent: str | None, target: Target, output: str) -> None:
    """Show every agent; or AGENT, with its gateways and objectives."""
    path = f"/v1/agents/{segment(agent)}" if agent else "/v1/agents"
    answer = asyncio.run(_get(target, path))
    if show(answer, output):
        return
    out = console()
    if agent:
        out.print(agent_lines(read(Agent, answer)))
    else:
        out.print(agent_table(read_agents(answer)))


@click.command()
@with_target
def gateways(target: Target, output: str) -> None:
    """Show every gateway: whether it can be reached, and what it has confirmed. And the Envoys of none."""
    answer = asyncio.run(_get(target, "/v1/gateways"))
    if not show(answer, output):
        console().print(gateway_lines(read(Gateways, answer)))


async def _get(target: Target, path: str) -> object:
    async with connect(target) as connection:
        answer: object = await connection.get(path)
        return answer
