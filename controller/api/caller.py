"""Who asks: what a token is good for, so that a page need not offer what would be refused."""

from __future__ import annotations

from typing import Any

from .access import Right
from .operation import Call, Operation
from .shape import Nothing, Told


class CallerTold(Told):
    """Whoever asks this."""

    name: str
    """As the journal will say."""
    role: str | None
    """Of the token; null where no token is asked for."""
    may: list[Right]
    """What this very request's credentials are good for: a browser's login dialog reads, whatever the role."""


async def _show(call: Call, _: Nothing) -> CallerTold:
    caller = call.caller
    return CallerTold(name=caller.name, role=caller.role, may=sorted(caller.may))


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path="/v1/caller",
        name="getCaller",
        summary="Who asks, and what they may",
        handle=_show,
        asks=Nothing,
        told=CallerTold,
    ),
)
