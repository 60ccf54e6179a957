"""Host names to addresses: nginx's balancer is given addresses, so names are looked up here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address

from adapters.port import host_port

LOOKUP_TIMEOUT_S = 3.0
LOOKUPS_MAX = 16
"""At one time, of one agent."""

Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]
"""(host, port) to ``address:port``, sorted. Raises OSError when there are none."""


async def look_up(host: str, port: int) -> tuple[str, ...]:
    """Ask the system's resolver. Raises OSError."""
    async with asyncio.timeout(LOOKUP_TIMEOUT_S):
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(sorted({_peer(str(address[0]), port) for *_, address in found}))


async def addresses_of(
    endpoints: Iterable[str], resolve: Resolve, known: dict[str, tuple[str, ...]], *, again: bool
) -> dict[str, tuple[str, ...]]:
    """What every endpoint resolves to.

    Args:
        endpoints: ``host:port`` each.
        resolve: looks a name up.
        known: what they resolved to before.
        again: look up those that are known as well. A change of the split does not: a rollback waits for no resolver.

    Returns:
        Their addresses. A name that resolves no longer keeps what it had; one that never did is absent.
    """
    turns = asyncio.Semaphore(LOOKUPS_MAX)

    async def find(endpoint: str) -> tuple[str, tuple[str, ...]]:
        host, port = host_port(endpoint)
        if _is_address(host):
            return endpoint, (_peer(host, port),)
        if endpoint in known and not again:
            return endpoint, known[endpoint]
        async with turns:
            try:
                return endpoint, await resolve(host, port)
            except OSError:
                return endpoint, known.get(endpoint, ())

    async with asyncio.TaskGroup() as tasks:
        lookups = [tasks.create_task(find(endpoint)) for endpoint in dict.fromkeys(endpoints)]
    return {endpoint: found for endpoint, found in (lookup.result() for lookup in lookups) if found}


def _peer(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
