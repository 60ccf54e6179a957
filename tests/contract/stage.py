"""What a gateway must bring to be tried by the contract: the real program, or a simulator that is itself checked.

A stage is ``tests/contract/stages/<kind>.py``; its ``STAGE`` makes one, without arguments. It is found by its file.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from adapters.port import Adapter, Applied, Assignment


@dataclass(frozen=True, slots=True)
class Ports:
    """Free ports of this machine for one run: ``traffic`` for clients, ``control`` for whatever steers the gateway."""

    traffic: int
    control: int
    spare: int


def free_ports() -> Ports:
    """Such ports, free at this moment."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(3)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return Ports(*(probe.getsockname()[1] for probe in probes))


@dataclass(frozen=True, slots=True)
class Mistake:
    """What an operator gets wrong, e.g. the path of a socket, and what must be said of it.

    Attributes:
        what: in a few words, e.g. ``wrong permission``.
        adapter: has it wrong; made and started by the stage, closed by the suite.
        outcome: of the receipt of ``apply``.
        words: what the receipt must tell a person, e.g. the gateway's own ``Permission denied``.
        code: of the GatewayError that ``observe`` raises; None where it can be observed all the same.
        receipt_code: of the receipt of ``apply``; the outcome where the gateway gives no better reason.
    """

    what: str
    adapter: Adapter
    outcome: Applied
    words: str
    code: str | None
    receipt_code: str = ""


class Stage(Protocol):
    """One gateway, started from ``gateway-configs/<kind>/``, and its adapter.

    Attributes:
        adapter: drives it; made and started by ``open``.
        url: where clients send requests; any path belongs to the agent ``bot``.
        simulated: whether it is a simulator of something that cannot be installed.
    """

    adapter: Adapter
    url: str
    simulated: bool

    async def open(self, folder: Path, ports: Ports, assignment: Assignment) -> None:
        """Start the program and the adapter; ``assignment`` is the agent as it is at first, all stable."""
        ...

    async def close(self) -> None:
        """End both; idempotent."""
        ...

    async def kill(self) -> None:
        """``kill -9`` of the program."""
        ...

    async def revive(self) -> None:
        """Start the program again after ``kill``, with what it finds on its disk."""
        ...

    async def freeze(self) -> None:
        """SIGSTOP."""
        ...

    async def thaw(self) -> None:
        """SIGCONT."""
        ...

    async def reload(self) -> bool:
        """Reload its configuration as its operator would; False where there is no such thing."""
        ...

    async def mistakes(self, assignment: Assignment) -> list[Mistake]:
        """Wrong name, wrong permission, wrong path, no socket: whatever of it there is for this gateway.

        The stage's own gateway is open and well, and serves ``assignment``.
        """
        ...

    async def tamper(self, candidate_bp: int) -> bool:
        """Set another share by hand, past the adapter; False where nobody could."""
        ...
