"""Finding out whether a version's endpoints answer, before any request is guided to them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from adapters.port import Version, host_port

CONNECT_TIMEOUT_S = 2.0
RETRY_S = 0.5

Connect = Callable[[str, int], Awaitable[None]]
"""Opens and closes a connection to (host, port); raises OSError when nobody answers."""


async def connect(host: str, port: int) -> None:
    """Open a TCP connection and close it again. Raises OSError, TimeoutError."""
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        _, writer = await asyncio.open_connection(host, port)
    writer.close()
    await writer.wait_closed()


async def until_reached(version: Version, connect: Connect, tell: Callable[[str], None]) -> None:
    """Return once every endpoint of ``version`` has accepted a connection. Tries until cancelled, twice a second.

    ``tell`` hears why an endpoint does not answer: once, and again when it is for another reason.
    """
    waiting = dict.fromkeys(version.endpoints, "")
    while True:
        failures: dict[str, str] = {}
        for endpoint, told in waiting.items():
            try:
                await connect(*host_port(endpoint))
            except OSError as error:  # TimeoutError is one
                why = failures[endpoint] = str(error) or type(error).__name__
                if why != told:
                    tell(f"{version.name} at {endpoint} does not answer: {why}")
        if not failures:
            return
        waiting = failures
        await asyncio.sleep(RETRY_S)
