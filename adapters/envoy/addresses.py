"""Host names to addresses: Envoy refuses names in EDS, so they are looked up here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from adapters import names
from adapters.names import LOOKUPS_MAX, is_address
from adapters.port import host_port

LOOKUP_TIMEOUT_S = 4.0
"""How long all the names of one question are waited for: less than `verify` may take (controller/runtime/link.py)."""

Pairs = tuple[tuple[str, int], ...]
Resolve = Callable[[str, int], Awaitable[Pairs]]
"""(host, port) to its addresses. Raises OSError when there are none."""


async def look_up(host: str, port: int) -> Pairs:
    """Ask the system's resolver. Raises OSError."""
    return tuple((address, port) for address in await names.look_up(host, port))


class AddressBook:
    """What endpoints resolved to last. A name that stops resolving keeps the addresses that it had.

    Attributes:
        addresses: of each ``host:port`` that has any.
    """

    def __init__(self, resolve: Resolve = look_up) -> None:
        self._resolve = resolve
        self._turns = asyncio.Semaphore(LOOKUPS_MAX)
        self._asked: set[str] = set()
        self.addresses: dict[str, Pairs] = {}

    def __len__(self) -> int:
        return max(len(self.addresses), len(self._asked))

    def note(self, endpoints: Iterable[str]) -> None:
        """Write down what is an address already; nobody need be asked."""
        for endpoint in endpoints:
            if endpoint not in self.addresses and is_address(host_port(endpoint)[0]):
                self.addresses[endpoint] = (host_port(endpoint),)

    def of(self, endpoints: Iterable[str]) -> Mapping[str, Pairs]:
        """What each of them resolved to last; nothing, where it has no address."""
        return {endpoint: self.addresses.get(endpoint, ()) for endpoint in endpoints}

    def unasked(self, endpoints: Iterable[str]) -> list[str]:
        """Those that have no address because nobody was asked for it yet."""
        return [each for each in endpoints if each not in self.addresses and each not in self._asked]

    def missing(self, endpoints: Iterable[str]) -> list[str]:
        """What is wrong with those that have no address, one sentence each."""
        return [f"no address of {endpoint} is known" for endpoint, found in self.of(endpoints).items() if not found]

    async def learn(self, endpoints: Iterable[str], within_s: float) -> list[str]:
        """Look up the endpoints that have no address yet; nothing is waited for when all have one.

        Returns:
            What is wrong with those that have none when the time is up, one sentence each.
        """
        endpoints = list(dict.fromkeys(endpoints))
        self.note(endpoints)
        return await self._look_up([endpoint for endpoint in endpoints if endpoint not in self.addresses], within_s)

    async def learn_again(self, endpoints: Iterable[str], within_s: float) -> None:
        """Look every name up again."""
        await self._look_up([name for name in dict.fromkeys(endpoints) if not is_address(host_port(name)[0])], within_s)

    def keep(self, endpoints: Iterable[str]) -> None:
        """Forget every endpoint that is not used any more."""
        used = set(endpoints)
        self._asked &= used
        self.addresses = {endpoint: found for endpoint, found in self.addresses.items() if endpoint in used}

    async def _look_up(self, names: list[str], within_s: float) -> list[str]:
        if not names:
            return []
        self._asked.update(names)
        async with asyncio.TaskGroup() as tasks:
            lookups = {name: tasks.create_task(self._look_one_up(name)) for name in names}
            _, late = await asyncio.wait(lookups.values(), timeout=within_s)
            for lookup in late:
                lookup.cancel()
        problems = {
            name: f"no answer within {within_s:g} s" if lookup in late else lookup.result()
            for name, lookup in lookups.items()
        }
        return [f"{name} does not resolve: {problem}" for name, problem in problems.items() if problem]

    async def _look_one_up(self, name: str) -> str:
        async with self._turns:
            try:
                self.addresses[name] = await self._resolve(*host_port(name))
            except OSError as error:
                return str(error) or type(error).__name__
        return ""
