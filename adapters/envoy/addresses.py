"""Host names to addresses: Envoy refuses names in EDS, so they are looked up here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address

from adapters.port import Assignment, host_port

LOOKUP_TIMEOUT_S = 5.0
LOOKUPS_MAX = 32
"""At one time, of one gateway."""

Pairs = tuple[tuple[str, int], ...]
Resolve = Callable[[str, int], Awaitable[Pairs]]
"""(host, port) to its addresses. Raises OSError when there are none."""


async def look_up(host: str, port: int) -> Pairs:
    """Ask the system's resolver. Raises OSError (TimeoutError is one)."""
    async with asyncio.timeout(LOOKUP_TIMEOUT_S):
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(sorted({(str(address[0]), port) for *_, address in found}))


def endpoints_of(assignment: Assignment) -> list[str]:
    """Every ``host:port`` of an assignment."""
    return [endpoint for version in assignment.versions for endpoint in version.endpoints]


class AddressBook:
    """What endpoints resolved to last. A name that stops resolving keeps the addresses that it had.

    Attributes:
        addresses: of each ``host:port`` that has any.
    """

    def __init__(self, resolve: Resolve = look_up) -> None:
        self._resolve = resolve
        self._turns = asyncio.Semaphore(LOOKUPS_MAX)
        self.addresses: dict[str, Pairs] = {}

    async def learn(self, endpoints: Iterable[str]) -> list[str]:
        """Look up the endpoints that have no address yet; nothing is waited for when all have one.

        Returns:
            What is wrong with those that have none, one sentence each.
        """
        return await self._look_up([endpoint for endpoint in dict.fromkeys(endpoints) if not self._has(endpoint)])

    async def learn_again(self, endpoints: Iterable[str]) -> bool:
        """Look every name up again; whether one has other addresses than before."""
        names = [endpoint for endpoint in dict.fromkeys(endpoints) if not _is_address(endpoint)]
        before = [self.addresses.get(name) for name in names]
        await self._look_up(names)
        return before != [self.addresses.get(name) for name in names]

    def keep(self, endpoints: Iterable[str]) -> None:
        """Forget every endpoint that is not used any more."""
        used = set(endpoints)
        self.addresses = {endpoint: found for endpoint, found in self.addresses.items() if endpoint in used}

    def _has(self, endpoint: str) -> bool:
        if endpoint not in self.addresses and _is_address(endpoint):
            self.addresses[endpoint] = (host_port(endpoint),)
        return endpoint in self.addresses

    async def _look_up(self, endpoints: list[str]) -> list[str]:
        if not endpoints:
            return []
        async with asyncio.TaskGroup() as tasks:
            lookups = [tasks.create_task(self._look_one_up(endpoint)) for endpoint in endpoints]
        return [problem for lookup in lookups if (problem := lookup.result())]

    async def _look_one_up(self, endpoint: str) -> str:
        async with self._turns:
            try:
                self.addresses[endpoint] = await self._resolve(*host_port(endpoint))
            except OSError as error:
                return f"{endpoint} does not resolve: {str(error) or type(error).__name__}"
        return ""


def _is_address(endpoint: str) -> bool:
    try:
        ip_address(host_port(endpoint)[0])
    except ValueError:
        return False
    return True
