"""Host names to addresses: a server of HAProxy is given an address, so names are looked up here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address

from adapters.port import Assignment, host_port

LOOKUP_TIMEOUT_S = 3.0
"""For all that is asked at one time: a resolver that hangs must not hide for long what stands at the gateway."""
LOOKUPS_MAX = 32
"""At one time, of one gateway."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""(host, port) to its addresses. Raises OSError when there are none."""


async def look_up(host: str, port: int) -> list[str]:
    """Ask the system's resolver. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(entry[4][0]) for entry in found})


def endpoints_of(assignment: Assignment) -> list[str]:
    """Every ``host:port`` of an assignment."""
    return [endpoint for version in assignment.versions for endpoint in version.endpoints]


class AddressBook:
    """What endpoints resolved to last. A name that stops resolving keeps the addresses that it had."""

    def __init__(self, resolve: Resolve = look_up) -> None:
        self._resolve = resolve
        self._turns = asyncio.Semaphore(LOOKUPS_MAX)
        self._known: dict[str, tuple[str, ...]] = {}

    @property
    def known(self) -> Mapping[str, tuple[str, ...]]:
        """Of each endpoint that has any, its addresses, as HAProxy writes them: ``address:port``."""
        return self._known

    def nameless(self, assignment: Assignment) -> list[str]:
        """The endpoints of a track that has no address at all: it cannot serve until its names are known."""
        serving = (assignment.stable, *((assignment.candidate,) if assignment.split.candidate_bp else ()))
        return [
            endpoint
            for version in serving
            if version is not None and not any(self._known.get(one) for one in version.endpoints)
            for endpoint in version.endpoints
        ]

    async def learn(self, endpoints: Iterable[str], *, again: bool = False) -> None:
        """Look up the endpoints that have no address yet, all at once; nothing is waited for when all have one.

        Args:
            endpoints: ``host:port`` each.
            again: look the names up that have one as well. A change of the split does not: it waits for no resolver.
        """
        names = []
        for endpoint in dict.fromkeys(endpoints):
            host, port = host_port(endpoint)
            if _is_address(host):
                self._known[endpoint] = (address(host, port),)
            elif again or endpoint not in self._known:
                names.append(endpoint)
        if names:
            async with asyncio.TaskGroup() as tasks:
                for endpoint in names:
                    tasks.create_task(self._look_one_up(endpoint))

    async def _look_one_up(self, endpoint: str) -> None:
        host, port = host_port(endpoint)
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S), self._turns:
                found = await self._resolve(host, port)
        except OSError:  # TimeoutError is one
            return
        self._known[endpoint] = tuple(address(one, port) for one in found)


def address(host: str, port: int) -> str:
    """An address and a port, as one; IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
