"""Letting go of a gateway, or of an agent at it: what is left behind there would never be taken back."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from adapters.port import ALL_STABLE, Adapter, Applied, Assignment, GatewayError, Receipt

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
RETRY_S = 5.0

LAST_WORD_S = 5.0
"""How long a gateway that the settings name no longer may hold them up."""


async def forget(adapter: Adapter, agent: str, assignment: Assignment) -> None:
    """Make a gateway forget an agent, whose traffic is stable's then. Tries until it has, or until cancelled.

    It is told what ``assignment`` says but for the candidate's share: an adapter that was made since knows it no more.
    """
    while True:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await adapter.apply(replace(assignment, split=ALL_STABLE), timeout_s=TIMEOUT_S / 2)
                return await adapter.remove(agent)
        except (GatewayError, TimeoutError) as error:
            why = str(error) or f"no answer within {TIMEOUT_S:g} s"
            log.warning("%s: %s does not forget it: %s; it is tried again", agent, adapter.name, why)
        except Exception:  # a fault of ours: told whole, and it ends nobody else's work
            log.exception("%s: %s does not forget it; it is tried again", agent, adapter.name)
        await asyncio.sleep(RETRY_S)


async def send_back(adapter: Adapter, assignment: Assignment) -> None:
    """Send an agent's traffic back to stable at a gateway that nobody will look after. Once: then it is let go of."""
    back = replace(assignment, split=ALL_STABLE)
    try:
        async with asyncio.timeout(LAST_WORD_S):
            receipt = await adapter.apply(back, timeout_s=LAST_WORD_S)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told below, and holds no settings up
        receipt = Receipt(adapter.name, Applied.UNREACHABLE, ALL_STABLE, str(error) or "no answer")
    if receipt.outcome is not Applied.CONFIRMED:
        log.error(
            "%s is let go of with %s for %s, and nobody looks after that any more (%s): %s",
            *(adapter.name, assignment.split, assignment.agent, receipt.code, receipt.detail),
        )
