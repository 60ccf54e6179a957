"""Host names to addresses, for gateways that are given addresses and no names."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address

from adapters.port import Assignment, host_port
from adapters.rotation import Rotation

LOOKUPS_MAX = 32
"""At one time, of all gateways together."""

LOOKUP_TIMEOUT_S = 3.0
"""How long all the names of one question are waited for: less than `verify` may take (controller/runtime/link.py)."""

SWEPT_FROM = 4_096
"""With so many endpoints in a book, those that nobody uses any more are forgotten."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""(host, port) to the host's addresses. Raises OSError when there are none."""

_threads = ThreadPoolExecutor(LOOKUPS_MAX, thread_name_prefix="lookup")
"""The event loop's own are few: of libuv's, two look names up, so two names that no server answers would keep everybody
else's waiting. A thread is busy until the system gives a name up, however long anybody waits for it."""


async def look_up(host: str, port: int) -> tuple[str, ...]:
    """The addresses of a host. Raises OSError when the system's resolver knows none."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_threads, ask)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def endpoints_of(assignment: Assignment) -> list[str]:
    """Every ``host:port`` of an assignment."""
    return [endpoint for version in assignment.versions for endpoint in version.endpoints]


def is_address(host: str) -> bool:
    """Whether it is an IP address already, so that nobody need be asked."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def joined(address: str, port: int) -> str:
    """An address and a port, as one; IPv6 in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class AddressBook:
    """What the endpoints of one gateway resolved to last. A name that stops resolving keeps the addresses that it had.

    One whose answers rotate keeps those that it names from time to time (:mod:`adapters.rotation`).

    Args:
        resolve: looks a host name up.
        now_s: a clock that never goes back.

    Attributes:
        known: of each ``host:port`` that has any, its addresses as ``address:port``, in their order.
    """

    def __init__(self, resolve: Resolve = look_up, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._resolve = resolve
        self._now_s = now_s
        self._turns = asyncio.Semaphore(LOOKUPS_MAX)
        self._asked: dict[str, Rotation] = {}
        self._sweep_from = SWEPT_FROM
        self.known: dict[str, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return max(len(self.known), len(self._asked))

    def note(self, endpoints: Iterable[str]) -> None:
        """Write down what is an address already; nobody need be asked."""
        for endpoint in endpoints:
            host, port = host_port(endpoint)
            if endpoint not in self.known and is_address(host):
                self.known[endpoint] = (joined(host, port),)

    def of(self, endpoints: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """What each of them resolved to last; nothing, where it has no address."""
        return {endpoint: self.known.get(endpoint, ()) for endpoint in endpoints}

    def moved(self, resolved: Mapping[str, tuple[str, ...]]) -> str:
        """Which of these endpoints are elsewhere now, in a sentence for people; empty when none is."""
        return "; ".join(
            f"{endpoint} is at {', '.join(self.known[endpoint])} now"
            for endpoint, before in resolved.items()
            if self.known.get(endpoint, before) != before
        )

    def unasked(self, endpoints: Iterable[str]) -> list[str]:
        """Those that have no address because nobody was asked for it yet."""
        return [each for each in endpoints if each not in self.known and each not in self._asked]

    def missing(self, endpoints: Iterable[str]) -> list[str]:
        """Those that have no address."""
        return [endpoint for endpoint in endpoints if endpoint not in self.known]

    async def learn(self, endpoints: Iterable[str], within_s: float, *, again: bool = False) -> list[str]:
        """Look up the endpoints that have no address yet, all at once; nothing is waited for when all have one.

        Args:
            endpoints: ``host:port`` each.
            within_s: how long they are waited for.
            again: look the names up that have one as well. A change of the split does not: it waits for no resolver.

        Returns:
            What is wrong with those that were asked for in vain when the time was up, one sentence each.
        """
        endpoints = list(dict.fromkeys(endpoints))
        self.note(endpoints)
        names = [each for each in endpoints if each not in self.known or (again and each in self._asked)]
        if not names:
            return []
        for name in names:
            self._asked.setdefault(name, Rotation())
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
        (host, port), answers = host_port(name), self._asked[name]
        async with self._turns:
            try:
                found = await self._resolve(host, port)
            except OSError as error:
                return str(error) or type(error).__name__
        if not found:
            return "it has no address"
        self.known[name] = tuple(joined(address, port) for address in answers.take(found, self._now_s()))
        return ""

    def sweep(self, used: Callable[[], Iterable[str]]) -> None:
        """Forget the endpoints that are not used any more, when there are many."""
        if len(self) < self._sweep_from:
            return
        kept = set(used())
        self._asked = {name: answers for name, answers in self._asked.items() if name in kept}
        self.known = {endpoint: found for endpoint, found in self.known.items() if endpoint in kept}
        self._sweep_from = max(SWEPT_FROM, 2 * len(self))
