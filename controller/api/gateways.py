"""Gateways: how each is, and what it has confirmed for which agent."""

from __future__ import annotations

import asyncio
from typing import Any

from adapters.port import Adapter, Applied, GatewayError, GatewayStatus
from controller.runtime.fleet import Fleet
from controller.runtime.link import Link

from .agents import ReceiptTold, is_up_to_date
from .operation import Call, Operation
from .shape import Nothing, SplitTold, Told

STATUS_TIMEOUT_S = 2.0
STRANGERS_TOLD_MAX = 100


class GatewayAgentTold(Told):
    """What a gateway was asked for one agent."""

    agent: str
    confirmed: SplitTold | None
    """The split that it follows, as it has confirmed itself."""
    up_to_date: bool
    """Whether it has confirmed all that is wanted now."""
    drift: str
    """What somebody has changed there by hand, while that is left so; empty otherwise."""
    remark: str
    """What is amiss there although it has confirmed, e.g. what a reload would not keep; empty otherwise."""
    receipt: ReceiptTold | None


class GatewayTold(Told):
    """One data plane."""

    name: str
    kind: str
    reachable: bool
    detail: str
    """Its program's version, or what is amiss there now: who has not confirmed, why it cannot be reached."""
    nodes: list[str]
    """The processes that it consists of, as far as they are seen."""
    last_error: str | None
    """What it last said instead of confirming, while that stands."""
    agents: list[GatewayAgentTold]


class StrangerTold(Told):
    """An Envoy that is connected and gets nothing, because its `node.cluster` is no gateway of Envoys."""

    node: str
    """Its `node.id`."""
    cluster: str
    """Its `node.cluster`: set it to a gateway's name, or declare that gateway."""


class GatewaysTold(Told):
    """All gateways, by name."""

    gateways: list[GatewayTold]
    strangers: list[StrangerTold]
    """Envoys of no gateway, the first 100."""


async def statuses(fleet: Fleet) -> dict[str, GatewayStatus]:
    """How every gateway is. One that does not say so in time is not reachable."""
    async with asyncio.TaskGroup() as group:
        asked = {
            name: group.create_task(
                _status(adapter, fleet.roster.gateways[name].kind if name in fleet.roster.gateways else "")
            )
            for name, adapter in sorted(fleet.adapters.items())
        }
    return {name: task.result() for name, task in asked.items()}


async def _status(adapter: Adapter, kind: str) -> GatewayStatus:
    try:
        async with asyncio.timeout(STATUS_TIMEOUT_S):
            return await adapter.status()
    except GatewayError as error:
        return GatewayStatus(adapter.name, kind, reachable=False, detail=str(error))
    except TimeoutError:
        return GatewayStatus(adapter.name, kind, reachable=False, detail="it does not answer")


async def _list(call: Call, _: Nothing) -> GatewaysTold:
    fleet = call.context.fleet
    found = await statuses(fleet)
    strangers = call.context.strangers()[:STRANGERS_TOLD_MAX]
    return GatewaysTold(
        gateways=[_told(fleet, name, status) for name, status in found.items()],
        strangers=[StrangerTold(node=stranger.node, cluster=stranger.cluster) for stranger in strangers],
    )


def _told(fleet: Fleet, name: str, status: GatewayStatus) -> GatewayTold:
    links = {
        agent: (driver.hands.links.get(name), is_up_to_date(driver, name))
        for agent, driver in sorted(fleet.drivers.items())
        if name in driver.state.gateways
    }
    errors = [error for link, _ in links.values() if link and (error := _error(link))]
    return GatewayTold(
        name=name,
        kind=status.kind,
        reachable=status.reachable,
        detail=status.detail,
        nodes=list(status.nodes),
        last_error=errors[0] if errors else None,
        agents=[
            GatewayAgentTold(
                agent=agent,
                confirmed=SplitTold.of(link.confirmed) if link and link.confirmed else None,
                up_to_date=up_to_date,
                drift=link.drift if link else "",
                remark=link.remark if link else "",
                receipt=ReceiptTold.of(link.receipt) if link and link.receipt else None,
            )
            for agent, (link, up_to_date) in links.items()
        ],
    )


def _error(link: Link) -> str | None:
    receipt = link.receipt
    if receipt is None or receipt.outcome is Applied.CONFIRMED:
        return None
    return f"{receipt.outcome.value}: {receipt.detail}" if receipt.detail else receipt.outcome.value


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path="/v1/gateways",
        name="listGateways",
        summary="All gateways",
        handle=_list,
        asks=Nothing,
        told=GatewaysTold,
    ),
)
