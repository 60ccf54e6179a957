"""Host names to addresses, for gateways that are given addresses and no names."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address

from adapters.port import Assignment

LOOKUPS_MAX = 32
"""At one time, of all gateways together."""

_threads = ThreadPoolExecutor(LOOKUPS_MAX, thread_name_prefix="lookup")
"""The event loop's own are few: of libuv's, two look names up, so two names that no server answers would keep everybody
else's waiting. A thread is busy until the system gives a name up, however long anybody waits for it."""


async def look_up(host: str, port: int) -> tuple[str, ...]:
    """The addresses of a host, sorted. Raises OSError when the system's resolver knows none."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_threads, ask)
    return tuple(sorted({str(address[0]) for *_, address in found}))


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
