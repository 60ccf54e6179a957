"""Host names to addresses: a server of HAProxy is given an address, so names are looked up here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from adapters.names import LOOKUPS_MAX, is_address, joined, look_up
from adapters.port import Assignment, host_port

LOOKUP_TIMEOUT_S = 3.0
"""For all that is asked at one time: a resolver that hangs must not hide for long what stands at the gateway."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""(host, port) to its addresses. Raises OSError when there are none."""


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
            if is_address(host):
                self._known[endpoint] = (joined(host, port),)
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
        self._known[endpoint] = tuple(joined(one, port) for one in found)
