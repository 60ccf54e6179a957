"""How the controller is: probes for whoever starts it, figures for Prometheus, the description of the API itself."""

from __future__ import annotations

from typing import Any, Literal

from aiohttp import web

from .context import Pool
from .errors import NotReadyError
from .figures import figures
from .gateways import statuses
from .operation import Call, Operation
from .shape import Nothing, Told

METRICS_MEDIA = "text/plain"


class Alive(Told):
    """All is well."""

    status: Literal["ok"] = "ok"


async def _alive(call: Call, _: Nothing) -> Alive:
    del call
    return Alive()


async def _ready(call: Call, _: Nothing) -> Alive:
    context = call.context
    if not context.ready():
        raise NotReadyError("Not ready: not every agent and gateway is brought up.")
    # A failing disk is no reason: who is not ready is cut off from its Envoys, and could not roll back.
    return Alive()


async def _metrics(call: Call, _: Nothing) -> web.Response:
    fleet = call.context.fleet
    text = call.context.meters.render(figures(fleet, await statuses(fleet)))
    return web.Response(body=text, headers={"Content-Type": f"{METRICS_MEDIA}; version=0.0.4; charset=utf-8"})


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path="/healthz",
        name="alive",
        summary="Whether the controller lives",
        handle=_alive,
        asks=Nothing,
        right=None,
        pool=Pool.PROBE,
        told=Alive,
    ),
    Operation(
        method="GET",
        path="/readyz",
        name="ready",
        summary="Whether everything is brought up, and not being stopped",
        handle=_ready,
        asks=Nothing,
        right=None,
        pool=Pool.PROBE,
        told=Alive,
    ),
    Operation(
        method="GET",
        path="/metrics",
        name="metrics",
        summary="The controller's own metrics, for Prometheus",
        handle=_metrics,
        asks=Nothing,
        media=METRICS_MEDIA,
    ),
)
