"""Host names to addresses: Envoy refuses names in EDS, so they are looked up here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address

from adapters.port import host_port

LOOKUP_TIMEOUT_S = 5.0

Pairs = tuple[tuple[str, int], ...]
Resolve = Callable[[str, int], Awaitable[Pairs]]
"""(host, port) to its addresses. Raises OSError when there are none."""


async def look_up(host: str, port: int) -> Pairs:
    """Ask the system's resolver. Raises OSError (TimeoutError is one)."""
    async with asyncio.timeout(LOOKUP_TIMEOUT_S):
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys((str(address[0]), port) for *_, address in found))


class AddressBook:
    """What endpoints resolved to last. A name that stops resolving keeps the addresses that it had."""

    def __init__(self, resolve: Resolve = look_up) -> None:
        self._resolve = resolve
        self.addresses: dict[str, Pairs] = {}

    async def learn(self, endpoints: Iterable[str]) -> list[str]:
        """Look every endpoint up. Returns what is wrong with those that have no address, old or new."""
        problems: list[str] = []
        for endpoint in dict.fromkeys(endpoints):
            host, port = host_port(endpoint)
            if _is_address(host):
                self.addresses[endpoint] = ((host, port),)
                continue
            try:
                found = await self._resolve(host, port)
            except OSError as error:
                if endpoint not in self.addresses:
                    problems.append(f"{endpoint} does not resolve: {error}")
            else:
                self.addresses[endpoint] = found
        return problems

    def keep(self, endpoints: Iterable[str]) -> None:
        """Forget every endpoint that is not used any more."""
        used = set(endpoints)
        self.addresses = {endpoint: found for endpoint, found in self.addresses.items() if endpoint in used}


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
