"""All the agents and all the gateways: brought up together from the journal, changed together when settings change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from adapters.port import ALL_STABLE, Adapter, Assignment
from controller.errors import NotFoundError
from controller.journal.transitions import Recalled, recall

from .driver import Driver
from .hands import Surroundings
from .leave import forget, send_back
from .profile import Profile
from .tasks import Tasks

log = logging.getLogger(__name__)

RESTART_MIN_S, RESTART_MAX_S = 0.5, 30.0
"""How long a driver that failed waits before it begins again; doubles from one to the other."""

RECALL_PATIENCE_S = 2.0
"""How long it waits for the journal then. A disk that takes longer has failed, and a rollback waits for no disk."""


@dataclass(frozen=True, slots=True)
class GatewayProfile:
    """One gateway of the operator's settings. ``options`` is its adapter's own business; equal means unchanged."""

    name: str
    kind: str
    options: object


@dataclass(frozen=True, slots=True)
class Roster:
    """Everything that the settings name."""

    gateways: Mapping[str, GatewayProfile] = field(default_factory=dict)
    agents: Mapping[str, Profile] = field(default_factory=dict)


class Fleet:
    """The drivers and their gateways.

    Args:
        make: builds the adapter of a gateway.
        around: what drivers act upon; its ``adapters`` are the fleet's own.

    Attributes:
        roster: what the settings name now.
        adapters: every gateway, by name.
        drivers: every agent, by name.
    """

    def __init__(self, make: Callable[[GatewayProfile], Adapter], around: Surroundings) -> None:
        self.roster = Roster()
        self.adapters: dict[str, Adapter] = {}
        self.drivers: dict[str, Driver] = {}
        self._make = make
        self._around = replace(around, adapters=self.adapters)
        self._tasks = Tasks()
        self._leaving: dict[tuple[str, str], Assignment] = {}  # per gateway and agent, what it is to forget

    def driver(self, agent: str) -> Driver:
        """The driver of an agent. Raises NotFoundError."""
        try:
            return self.drivers[agent]
        except KeyError:
            known = ", ".join(sorted(self.drivers)) or "none"
            raise NotFoundError(f"There is no agent {agent!r}.", remedy=f"The agents are: {known}.") from None

    async def run(self, roster: Roster, ready: asyncio.Event) -> None:
        """Bring everything up, set ``ready``, and go on until cancelled; then let go of the gateways.

        Every agent is recalled before the first gateway is told anything, and a gateway is told of all its agents at
        once: one that hears of only some would drop the others' traffic.
        """
        try:
            async with self._tasks:
                await self.configure(roster)
                ready.set()
                await asyncio.get_running_loop().create_future()
        finally:
            await self._close(set(self.adapters))

    async def configure(self, roster: Roster) -> None:
        """Make the fleet what ``roster`` says. What has not changed is not touched.

        Whatever can fail comes first: a roster that is refused has changed nothing.

        Raises:
            JournalError: an agent's past cannot be read.
            Exception: what a gateway's factory raises.
        """
        drivers = {
            name: Driver(profile, self._around, await recall(self._around.journal, name))
            for name, profile in roster.agents.items()
            if name not in self.drivers
        }
        adapters = await self._made(roster)
        await self._let_go(self.adapters.keys() - roster.gateways.keys())
        await self._dismiss(self.drivers.keys() - roster.agents.keys())
        self.drivers.update(drivers)
        for name in drivers:
            self._keep(name, roster.agents[name].gateways)
        await self._replace_gateways(adapters, roster)
        self.roster = roster
        for name, profile in roster.agents.items():
            if name in drivers:
                self._tasks.start(f"driver {name}", self._drive(name))
            else:
                await self.drivers[name].configure(profile)

    async def _made(self, roster: Roster) -> dict[str, Adapter]:
        """The adapters of gateways that are new or have other options, none of them started."""
        made: dict[str, Adapter] = {}
        try:
            for name, gateway in roster.gateways.items():
                if self.roster.gateways.get(name) != gateway or name not in self.adapters:
                    made[name] = self._make(gateway)
        except Exception:  # whatever it is, it is raised; and nothing is left behind
            for adapter in made.values():
                await adapter.close()
            raise
        return made

    async def _replace_gateways(self, adapters: Mapping[str, Adapter], roster: Roster) -> None:
        """Start the gateways that were made; the agents that they carry come with them.

        The old one goes first: both may listen at the same address. While the new one starts its agents have no link
        to it; what is decided then is applied by the drivers as soon as they hear of the new settings.
        """
        for name, adapter in adapters.items():
            await self._close({name} & self.adapters.keys())
            try:
                await adapter.start(self._assignments(name, roster))
            except Exception:  # a fault of ours: what is applied to it next may succeed, and says so if it does not
                log.exception("%s did not start", name)
            self.adapters[name] = adapter
            for gateway, agent in self._leaving:
                if gateway == name:
                    self._forget(gateway, agent)

    def _assignments(self, gateway: str, roster: Roster) -> list[Assignment]:
        return [
            profile.assignment(self.drivers[name].state)
            for name, profile in sorted(roster.agents.items())
            if gateway in profile.gateways
        ]

    async def _let_go(self, gateways: AbstractSet[str]) -> None:
        """Gateways that are let go of send nothing to a candidate any more: nobody would watch it there.

        They are nobody's from the first moment, so that no driver gives a candidate there anything meanwhile.
        """
        leaving = {name: self.adapters.pop(name) for name in gateways}
        for driver in self.drivers.values():
            driver.hands.let_go(gateways)
        for gateway, agent in tuple(self._leaving):
            if gateway in gateways:
                self._tasks.stop(f"leave {gateway} {agent}")
                del self._leaving[gateway, agent]
        try:
            async with asyncio.TaskGroup() as tasks:
                for driver in self.drivers.values():
                    assignment = driver.profile.assignment(driver.state)
                    if assignment.split != ALL_STABLE:
                        for name in sorted(driver.state.gateways & gateways):
                            tasks.create_task(send_back(leaving[name], assignment))
        finally:
            for adapter in leaving.values():
                await adapter.close()

    async def _dismiss(self, agents: AbstractSet[str]) -> None:
        for name in sorted(agents):
            self._tasks.stop(f"driver {name}")
            driver = self.drivers.pop(name)
            for gateway in sorted((driver.state.gateways | driver.state.leaving) & self.adapters.keys()):
                self._leaving[gateway, name] = driver.profile.assignment(driver.state)
                self._forget(gateway, name)

    def _keep(self, agent: str, gateways: Iterable[str]) -> None:
        """These gateways carry the agent again: they are not to forget it after all."""
        for gateway in gateways:
            self._leaving.pop((gateway, agent), None)
            self._tasks.stop(f"leave {gateway} {agent}")

    def _forget(self, gateway: str, agent: str) -> None:
        self._tasks.start(f"leave {gateway} {agent}", self._until_forgotten(gateway, agent))

    async def _until_forgotten(self, gateway: str, agent: str) -> None:
        """Also by an adapter that was made since, and knows nothing of the agent: so it is told first."""
        await forget(self.adapters[gateway], agent, self._leaving[gateway, agent])
        del self._leaving[gateway, agent]

    async def _close(self, gateways: AbstractSet[str]) -> None:
        for name in sorted(gateways):
            self._tasks.stop_all(f"leave {name} ")
            await self.adapters.pop(name).close()

    async def _drive(self, name: str) -> None:
        """Run a driver; one that fails begins again, and takes nobody with it."""
        retry_s = RESTART_MIN_S
        clock = asyncio.get_running_loop().time
        while True:
            began_s = clock()
            try:
                await self.drivers[name].run()
            except Exception:  # whatever fault it is: told whole, and the other agents' rollbacks go on
                log.exception("the driver of %s failed; it begins again", name)
            if clock() - began_s > RESTART_MAX_S:
                retry_s = RESTART_MIN_S
            self.drivers[name] = await self._begin_again(name, retry_s)
            retry_s = min(retry_s * 2, RESTART_MAX_S)

    async def _begin_again(self, name: str, retry_s: float) -> Driver:
        """A new driver of an agent. It goes on where the one before stood, with the journal's evidence if it fits.

        A way back is carried out before it is on the disk, and the disk may be full, or hang; and what was refused
        because of a disk may get there late. To begin where the journal ends would give a candidate its traffic back
        that had been taken from it.
        """
        await asyncio.sleep(retry_s)
        state = self.drivers[name].state
        try:
            async with asyncio.timeout(RECALL_PATIENCE_S):
                recalled = await recall(self._around.journal, name)
        except Exception:  # a disk that fails or hangs, or a fault of ours: the rollback goes on all the same
            log.exception("the past of %s cannot be read; it goes on from memory, and gathers evidence anew", name)
            recalled = None
        if recalled is None or replace(recalled.state, confirmed=state.confirmed) != state:
            recalled = Recalled(state)
        return Driver(self.roster.agents[name], self._around, recalled)
