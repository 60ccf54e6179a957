"""Waiting until every gateway follows: set is not applied, and a command says so only when it is."""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from typing import Any

from controller.cli.connection import Connection, segment
from controller.cli.console import console, plain, styled
from controller.cli.failure import Exit, Failure, unconfirmed
from controller.cli.picture import Agent, Link, Share, read

LOOK_EVERY_S = 0.2


async def until_confirmed(connection: Connection, answer: Any, timeout_s: float) -> Any:  # noqa: ANN401 - JSON
    """Look until every gateway has confirmed what ``answer``, an Agent, wants; return the last look.

    Raises:
        Failure: not confirmed in time; or something else is wanted by now, and why.
    """
    agent = read(Agent, answer)
    wanted, name = agent.wanted, agent.name
    out = console(sys.stderr)
    with out.status("") if out.is_terminal else nullcontext() as progress:
        try:
            async with asyncio.timeout(timeout_s):
                while not agent.confirmed_everywhere:
                    if progress is not None:
                        progress.update(styled(missing(agent)))
                    await asyncio.sleep(LOOK_EVERY_S)
                    answer = await connection.get(f"/v1/agents/{segment(name)}")
                    agent = read(Agent, answer)
                    _still_wanted(agent, wanted)
        except TimeoutError as error:
            raise unconfirmed(
                f"{name}: {wanted} was not confirmed everywhere within {timeout_s:g} s: {missing(agent)}.",
                where=f"/v1/agents/{name}",
                remedy="The controller goes on trying. Look with `turnout status` and `turnout gateways`.",
            ) from error
    return answer


def missing(agent: Agent) -> str:
    """Who has not confirmed yet, in the gateways' own words."""
    told = [f"{link.gateway} ({_answer(link, agent.wanted)})" for link in agent.gateways if not link.up_to_date]
    return plain(f"waiting for {', '.join(told) or 'a gateway'}")


def _answer(link: Link, wanted: Share) -> str:
    """What a gateway says to what is wanted. An earlier split that it confirmed is no answer to that."""
    receipt = link.receipt
    if receipt is None or receipt.split != wanted or receipt.outcome == "confirmed":
        return "no answer yet"
    return f"{receipt.outcome}: {receipt.detail}" if receipt.detail else receipt.outcome


def _still_wanted(agent: Agent, wanted: Share) -> None:
    """There is nothing to wait for once something else is wanted, or a gateway has refused: it is not asked again."""
    if agent.wanted != wanted:
        raise Failure(
            "superseded",
            f"{agent.name}: {wanted} is no longer wanted; it is {agent.wanted} now: {agent.changed_by}.",
            where=f"/v1/agents/{agent.name}",
            remedy=f"Look with `turnout status {agent.name}`.",
            exit_code=Exit.UNCONFIRMED,
        )
    for link in agent.gateways:
        receipt = link.receipt
        if receipt and receipt.outcome == "refused" and receipt.split == wanted and not wanted.all_stable:
            raise Failure(
                "gateway-refused",
                f"{agent.name}: {link.gateway} refused {wanted}: {receipt.detail}.",
                where=f"/v1/agents/{agent.name}",
                remedy=f"Roll back (turnout rollback {agent.name}), mend what the gateway names, and try again.",
                exit_code=Exit.REFUSED,
            )
