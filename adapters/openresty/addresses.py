"""Host names to addresses: nginx's balancer is given addresses, so names are looked up here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from adapters import names
from adapters.names import is_address, joined
from adapters.port import host_port

LOOKUP_TIMEOUT_S = 3.0
"""For all names of an agent together."""

LOOKUPS_MAX = 16
"""At one time, of one agent."""

Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]
"""(host, port) to ``address:port``, sorted. Raises OSError when there are none."""


async def look_up(host: str, port: int) -> tuple[str, ...]:
    """Ask the system's resolver. Raises OSError."""
    return tuple(joined(address, port) for address in await names.look_up(host, port))


def without_lookup(endpoints: Iterable[str], known: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """What endpoints resolve to as far as nobody has to be asked: addresses, and names that are known."""
    found: dict[str, tuple[str, ...]] = {}
    for endpoint in endpoints:
        host, port = host_port(endpoint)
        if is_address(host):
            found[endpoint] = (joined(host, port),)
        elif endpoint in known:
            found[endpoint] = known[endpoint]
    return found


async def addresses_of(
    endpoints: Iterable[str], resolve: Resolve, known: Mapping[str, tuple[str, ...]], *, again: bool
) -> dict[str, tuple[str, ...]]:
    """What every endpoint resolves to, within ``LOOKUP_TIMEOUT_S``, however many they are.

    Args:
        endpoints: ``host:port`` each.
        resolve: looks a name up.
        known: what they resolved to before.
        again: look up those that are known as well. A change of the split does not: a rollback waits for no resolver.

    Returns:
        Their addresses. A name that resolves no longer keeps what it had; one that never did is absent.
    """
    wanted = dict.fromkeys(endpoints)
    found = without_lookup(wanted, known)
    turns = asyncio.Semaphore(LOOKUPS_MAX)

    async def find(endpoint: str, host: str, port: int) -> None:
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S), turns:
                found[endpoint] = await resolve(host, port)
        except OSError:  # a timeout is one too
            return

    async with asyncio.TaskGroup() as tasks:
        for endpoint in wanted:
            host, port = host_port(endpoint)
            if endpoint not in found or (again and not is_address(host)):
                tasks.create_task(find(endpoint, host, port))
    return {endpoint: peers for endpoint, peers in found.items() if peers}
