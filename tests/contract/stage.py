"""What a gateway must bring to be tried by the contract: the real program, or a simulator that is itself checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from adapters.port import Adapter, Assignment


@dataclass(frozen=True, slots=True)
class Ports:
    """Free ports of this machine for one run: ``traffic`` for clients, ``control`` for whatever steers the gateway."""

    traffic: int
    control: int
    spare: int


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

    async def tamper(self, candidate_bp: int) -> bool:
        """Set another share by hand, past the adapter; False where nobody could."""
        ...
