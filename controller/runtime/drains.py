"""Carrying out a drain: tell the version, watch what is in flight, say how it ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from adapters.port import Version
from controller.drain.decision import Drain, decide

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2

CALL_TIMEOUT_S = 5.0
"""How long a version may take to hear that it drains. Nothing waits for its answer."""

DrainUrl = Callable[[Version, float], Awaitable[None]]
"""Calls ``version.drain_url`` with the deadline in seconds from now. Raises OSError when it cannot."""


async def tell_to_drain(version: Version, deadline_s: float, call: DrainUrl) -> None:
    """Tell ``version`` once, if it wants to be told, that it has ``deadline_s`` seconds to end its streams."""
    if version.drain_url is None:
        return
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await call(version, deadline_s)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not end a driver and its rollback
        why = str(error) or (
            f"no answer within {CALL_TIMEOUT_S:g} s" if isinstance(error, TimeoutError) else repr(error)
        )
        log.warning("%s could not be told to drain, so its streams end when they end: %s", version.name, why)


async def watch_drain(
    version: Version,
    deadline_at_s: float,
    *,
    in_flight: Callable[[str], int | None],
    now_s: Callable[[], float],
) -> int | None:
    """Wait until nothing is in flight on ``version``, or its deadline.

    Args:
        version: what is drained.
        deadline_at_s: in seconds since the epoch.
        in_flight: requests in flight on a version by its name; None while that cannot be said.
        now_s: the clock.

    Returns:
        How many were cut off by the deadline: 0 for a clean end, None when nobody could say.
    """
    while True:
        open_now = in_flight(version.name)
        match decide(open_now, now_s(), deadline_at_s):
            case Drain.DONE:
                return 0
            case Drain.FORCE:
                return open_now
            case Drain.WAIT:
                await asyncio.sleep(LOOK_EVERY_S)
