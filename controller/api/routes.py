"""The one route table: what is served, who may ask, and what is described. Nothing is routed beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from aiohttp import web

from . import agents, caller, configuration, drains, gateways, news, outcomes, page, probes, proposals, steering, trail
from .context import DESK, Context, Desk
from .openapi import describe
from .operation import BODY_BYTES_MAX, JSON, Call, Operation
from .problems import secure, tell_problems
from .shape import Nothing

WITHOUT_HEAD = frozenset({"/v1/events"})
"""A stream has no end, so that its head alone is of no use."""


def program_version() -> str:
    """What is installed; ``0+unknown`` when it runs from a bare tree."""
    try:
        return version("turnout")
    except PackageNotFoundError:
        return "0+unknown"


async def _describe(call: Call, _: Nothing) -> web.Response:
    return web.Response(text=_description(call.context.access() is not None), content_type=JSON)


OPERATIONS: tuple[Operation[Any], ...] = (
    *agents.OPERATIONS,
    *steering.OPERATIONS,
    *drains.OPERATIONS,
    *proposals.OPERATIONS,
    *outcomes.OPERATIONS,
    *gateways.OPERATIONS,
    *configuration.OPERATIONS,
    *caller.OPERATIONS,
    *trail.OPERATIONS,
    *news.OPERATIONS,
    *probes.OPERATIONS,
    *page.OPERATIONS,
    Operation(
        method="GET",
        path="/openapi.json",
        name="describe",
        summary="This description",
        handle=_describe,
        asks=Nothing,
    ),
)


@lru_cache(maxsize=2)
def _description(secured: bool) -> str:
    return json.dumps(description(secured=secured))


def description(*, secured: bool) -> Mapping[str, Any]:
    """The API's own description."""
    return describe(OPERATIONS, program_version(), secured=secured)


def application(context: Context) -> web.Application:
    """The API as an aiohttp application."""
    app = web.Application(middlewares=[tell_problems], client_max_size=BODY_BYTES_MAX)
    app[DESK] = Desk(context)
    for operation in OPERATIONS:
        app.router.add_route(operation.method, operation.path, operation.__call__)
        if operation.method == "GET" and operation.path not in WITHOUT_HEAD:
            app.router.add_route("HEAD", operation.path, operation.__call__)
    app.on_response_prepare.append(secure)
    app.on_shutdown.append(_stop_waiting)
    return app


async def _stop_waiting(app: web.Application) -> None:
    app[DESK].stop()
