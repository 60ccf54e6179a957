"""Errors as the client sees them: RFC 9457 problem details, never a trace.

An error that nobody expected gets an id, which stands in the log beside the trace.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from controller.errors import NotFoundError, TurnoutError

from .errors import ChangedError, InputError, MethodError
from .shape import Told

log = logging.getLogger(__name__)

MEDIA = "application/problem+json"
RETRY_AFTER_S = 1

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "turnout",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every answer. OWASP, HTTP security response headers."""

NO_CONTENT = "default-src 'none'; frame-ancestors 'none'"
"""The content security policy of what no browser renders."""


class FaultTold(Told):
    """What is wrong with one field."""

    field: str
    """Such as ``endpoints[0]``; empty for the whole."""
    message: str


class ChangeTold(Told):
    """A change that the asker has not seen."""

    seq: int
    """Of the journal's record."""
    at: str
    actor: str
    phase: str
    change: int
    text: str


class Problem(Told):
    """What went wrong (RFC 9457)."""

    type: str
    """``urn:turnout:problem:<code>``."""
    title: str
    status: int
    detail: str
    instance: str
    """The path that was asked for."""
    code: str
    """One word that programs can match on: docs/errors.md."""
    remedy: str
    """What to do about it; may be empty."""
    retryable: bool
    """Whether the same may succeed later without anything else being changed."""
    faults: list[FaultTold] | None = None
    """Per field, where fields are at fault."""
    change: int | None = None
    """After 412: the number of changes now."""
    missed: list[ChangeTold] | None = None
    """After 412: what happened since the asker looked, oldest first."""
    missed_all: bool | None = None
    """After 412: whether ``missed`` is all of it."""


@web.middleware
async def tell_problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Every error becomes a problem."""
    try:
        return await handler(request)
    except TurnoutError as error:
        return respond(error, request)
    except web.HTTPMethodNotAllowed as error:
        return respond(MethodError(request.method, request.path, sorted(error.allowed_methods)), request)
    except web.HTTPNotFound:
        remedy = "The paths are listed in /openapi.json."
        return respond(NotFoundError(f"There is nothing at {_shown(request.path)}.", remedy=remedy), request)
    except Exception:  # a fault of ours: whole in the log, and to the client only the id to look for
        number = secrets.token_hex(4)
        log.exception("%s %s failed; the client was told the id %s", request.method, _shown(request.path), number)
        told = TurnoutError(f"Something unexpected happened, with the id {number}.", remedy="Look for it in the log.")
        return respond(told, request)


async def secure(request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on an answer that is about to be sent."""
    del request
    response.headers.update(HEADERS)
    response.headers.setdefault("Content-Security-Policy", NO_CONTENT)


def respond(error: TurnoutError, request: web.Request) -> web.Response:
    """The answer that tells an error."""
    body = problem(error, _shown(request.path)).model_dump_json(exclude_none=True)
    return web.Response(text=body, status=error.http_status, content_type=MEDIA, headers=_headers(error))


def problem(error: TurnoutError, instance: str) -> Problem:
    """An error as problem details. Pure."""
    more: dict[str, Any] = {}
    if isinstance(error, InputError):
        more["faults"] = [FaultTold(field=fault.field, message=fault.message) for fault in error.faults]
    if isinstance(error, ChangedError):
        more["change"] = error.missed.change
        more["missed"] = [ChangeTold.model_validate(entry) for entry in error.missed.entries]
        more["missed_all"] = error.missed.complete
    return Problem(
        type=f"urn:turnout:problem:{error.code}",
        title=error.code.replace("-", " ").capitalize(),
        status=error.http_status,
        detail=error.message,
        instance=instance,
        code=error.code,
        remedy=error.remedy,
        retryable=error.retryable,
        **more,
    )


def _headers(error: TurnoutError) -> CIMultiDict[str]:
    match error:
        case MethodError():
            return CIMultiDict({"Allow": ", ".join(error.allowed)})
        case _ if error.http_status == HTTPStatus.UNAUTHORIZED:
            # One line each: of several in one line Chromium reads the first alone, and would show no login dialog.
            challenges = ('Bearer realm="turnout"', 'Basic realm="turnout", charset="UTF-8"')
            return CIMultiDict(("WWW-Authenticate", challenge) for challenge in challenges)
        case _ if error.http_status == HTTPStatus.SERVICE_UNAVAILABLE:
            return CIMultiDict({"Retry-After": str(RETRY_AFTER_S)})
        case _:
            return CIMultiDict()


def _shown(path: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in path[:200])
