"""One row of the route table, and a request on its way through it: admitted, read, answered, within limits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from controller.runtime.driver import Driver
from controller.settings.problem import RefusedError, field_name

from .access import LOCAL, Caller, Right, admit
from .context import DESK, ENDLESS, Context, Desk, Pool
from .errors import BadRequestError, Fault, InputError, LateError, MediaTypeError, TooLargeError

JSON = "application/json"
ANSWER_TIMEOUT_S = 30.0
BODY_BYTES_MAX = 64 * 1024
FAULTS_MAX = 20

_ETAG = re.compile(r'"([0-9]{1,18})"')

A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        desk: what the API keeps.
        request: as it came.
        caller: who asks, and what they may.
    """

    desk: Desk
    request: web.Request
    caller: Caller

    @property
    def actor(self) -> str:
        """Who asks, as the journal will say."""
        return self.caller.name

    @property
    def context(self) -> Context:
        """The controller."""
        return self.desk.context

    def driver(self) -> Driver:
        """The driver of the agent that the path names. Raises NotFoundError."""
        return self.context.fleet.driver(self.request.match_info["name"])

    def seen(self) -> int | None:
        """The change that the asker has seen (``If-Match``, RFC 9110 section 13.1.1); None when they do not say.

        Raises:
            BadRequestError: the header is none of ours.
        """
        text = self.request.headers.get("If-Match", "*").strip()
        if text == "*":
            return None
        found = _ETAG.fullmatch(text)
        if found is None:
            raise BadRequestError('If-Match is not an ETag of an agent: one number in quotes, such as "7", or *.')
        return int(found[1])


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with another status than the operation's own, or with headers."""

    told: BaseModel
    headers: Mapping[str, str] = field(default_factory=dict)


Reply: TypeAlias = BaseModel | Answer | web.StreamResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[A]):
    """One row of the route table.

    Attributes:
        method, path: the path as OpenAPI and aiohttp both write it.
        name: the operation's name in OpenAPI.
        summary: one line for people.
        right: what the asker needs; None for probes, which everybody may ask.
        pool: whom it shares a limit with.
        handle: answers.
        asks: what the asker says; the handler gets it read.
        in_body: whether that stands in a JSON body, or in the query.
        told: what a JSON answer looks like; None for other media.
        media: what the answer is.
        status: of a good answer.
        conditional: whether ``If-Match`` is heeded.
        headers: further request headers: name to JSON schema.
    """

    method: str
    path: str
    name: str
    summary: str
    handle: Callable[[Call, A], Awaitable[Reply]]
    asks: type[A]
    right: Right | None = Right.READ
    pool: Pool = Pool.READ
    in_body: bool = False
    told: type[BaseModel] | None = None
    media: str = JSON
    status: int = 200
    conditional: bool = False
    headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def body_needed(self) -> bool:
        """Whether an empty body says too little."""
        return self.in_body and any(found.is_required() for found in self.asks.model_fields.values())

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer a request. Raises TurnoutError."""
        desk = request.app[DESK]
        with desk.pools.enter(self.pool):
            caller = Caller(LOCAL) if self.right is None else admit(request, self.right, desk.context.access())
            call = Call(desk, request, caller)
            limit_s = None if self.pool in ENDLESS else ANSWER_TIMEOUT_S
            try:
                async with asyncio.timeout(limit_s):
                    reply = await self.handle(call, await self._read(request))
            except TimeoutError as error:
                raise LateError(
                    f"There was no answer within {ANSWER_TIMEOUT_S:g} s.", remedy="Look whether it was done."
                ) from error
        return self._respond(reply)

    async def _read(self, request: web.Request) -> A:
        """What the asker says. Raises InputError, MediaTypeError, TooLargeError, BadRequestError."""
        try:
            if self.in_body:
                return self.asks.model_validate_json(await _body(request))
            doubled = [name for name in request.query if len(request.query.getall(name)) > 1]
            if doubled:
                raise InputError([Fault(doubled[0], "stands there twice")])
            return self.asks.model_validate(dict(request.query))
        except ValidationError as error:
            raise _explained(error) from None

    def _respond(self, reply: Reply) -> web.StreamResponse:
        if isinstance(reply, web.StreamResponse):
            return reply
        told, headers = (reply.told, reply.headers) if isinstance(reply, Answer) else (reply, {})
        return web.Response(text=told.model_dump_json(), status=self.status, content_type=JSON, headers=headers)


async def _body(request: web.Request) -> bytes:
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLargeError(f"A body may have {BODY_BYTES_MAX} bytes, and not more.") from error
    if not body:
        return b"{}"
    if request.content_type != JSON:
        raise MediaTypeError(f"The body must be {JSON}.", remedy=f"Send it with Content-Type: {JSON}.")
    return body


def _explained(error: ValidationError) -> InputError | BadRequestError:
    """Pydantic's findings in our words."""
    faults = []
    for found in error.errors(include_url=False, include_input=False)[:FAULTS_MAX]:
        if found["type"] == "json_invalid":
            return BadRequestError(f"The body is not JSON: {found['msg'].removeprefix('Invalid JSON: ')}.")
        reason = found.get("ctx", {}).get("error")
        message = str(reason) if isinstance(reason, RefusedError) else _sentence(found["type"], found["msg"])
        faults.append(Fault(field_name(found["loc"]), message))
    return InputError(faults)


def _sentence(kind: str, message: str) -> str:
    match kind:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not known here"
        case _:
            return message[:1].lower() + message[1:]
