"""A gateway that takes every split and carries no traffic: for trying the controller out."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from adapters.capabilities import Capabilities
from adapters.port import Applied, Assignment, GatewayStatus, Observation, Proof, Receipt, Verification

CAPABILITIES = Capabilities(
    share_bp_min=1,
    sees_in_flight=True,
    cuts_streams=True,
    counts_per_version=False,
    mirrors=True,
    dead_man=False,
    proves_effect=True,
)


class NopGateway:
    """Remembers what it was told, and confirms it at once."""

    capabilities = CAPABILITIES

    def __init__(self, name: str) -> None:
        self.name = name
        self._assignments: dict[str, Assignment] = {}

    async def start(self, assignments: Sequence[Assignment]) -> None:
        """Remember all of them."""
        self._assignments.update((assignment.agent, assignment) for assignment in assignments)

    async def apply(self, assignment: Assignment, *, timeout_s: float) -> Receipt:
        """Remember it."""
        del timeout_s
        self._assignments[assignment.agent] = assignment
        return Receipt(self.name, Applied.CONFIRMED, assignment.split)

    async def verify(self, agent: str) -> Verification:
        """What is remembered stands."""
        known = agent in self._assignments
        return Verification(self.name, Proof.APPLIED if known else Proof.PENDING)

    async def observe(self, agent: str) -> Observation:
        """No request was ever seen, and none is in flight."""
        assignment = self._assignments.get(agent)
        names = [version.name for version in assignment.versions] if assignment else []
        return Observation(self.name, agent, "nop", MappingProxyType({}), dict.fromkeys(names, 0))

    async def cut(self, agent: str, version: str) -> None:
        """Nothing was in flight."""

    async def remove(self, agent: str) -> None:
        """Forget it."""
        self._assignments.pop(agent, None)

    async def status(self) -> GatewayStatus:
        """Always there."""
        return GatewayStatus(self.name, "nop", reachable=True, detail="carries no traffic")

    async def close(self) -> None:
        """Nothing to let go of."""
