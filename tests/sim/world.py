"""One simulated world: the real core between a simulated disk, simulated gateways, and people. See `run`."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from dataclasses import replace
from typing import cast

from adapters.port import Adapter, Version
from controller.journal.transitions import state_of
from controller.journal.writer import AsyncJournal
from controller.rollout.state import RESTING, Phase
from controller.runtime.broadcast import Broadcast
from controller.runtime.driver import Driver
from controller.runtime.fleet import Fleet, GatewayProfile, Roster
from controller.runtime.hands import Surroundings
from controller.runtime.watch import watched

from .clock import EPOCH_S, VirtualLoop, now_s, passes
from .disk import Disk, SimJournal
from .gateway import Handle, SimGateway
from .law import Law
from .operators import Operators
from .result import Result
from .scenario import AGENT, CALM_AT_S, GOOD, NEXT, OBJECTIVES, OLD, Happening, Scenario, draw

END_WITHIN_S = 150.0
"""A rollout ends this long after the last fault at the latest, by timers alone."""

INSPECT_EVERY_S = 0.5


class BrokenError(AssertionError):
    """A law was broken; the message says which."""


class Life:
    """One controller, from its start to its kill."""

    def __init__(self, world: World, survives: int | None) -> None:
        self.alive = True
        self.began_s = now_s()
        self.survives = survives
        self.journal = SimJournal(world.disk, world.law, self.point)
        self._world = world
        around = Surroundings(
            adapters={},
            journal=cast("AsyncJournal", self.journal),
            broadcast=Broadcast(),
            now_s=now_s,
            connect=self._connect,
            call_drain_url=self._call_drain_url,
            report=lambda _agent, _receipt: None,
        )
        self.fleet = InspectedFleet(self._make, around)
        self.fleet.world = world
        self.task: asyncio.Task[None] | None = None

    def _make(self, gateway: GatewayProfile) -> Adapter:
        return Handle(self._world.gateways[gateway.name], self.point, self._world.law.saw)

    async def _connect(self, host: str, port: int) -> None:
        await passes(0.01)
        if not self.alive:
            raise OSError("the controller is dead")

    async def _call_drain_url(self, version: Version, deadline_s: float) -> None:
        await passes(0.01)

    def point(self, what: str) -> bool:
        """A moment at which the controller may be killed. Returns whether it lives on."""
        if self.alive and self.survives is not None:
            self.survives -= 1
            if self.survives < 0:
                self._world.kill(what)
        return self.alive


class InspectedFleet(Fleet):
    """The real fleet, looked at in the moment when it has come up."""

    world: World

    async def configure(self, roster: Roster) -> None:
        known = set(self.drivers)
        await super().configure(roster)
        for name in self.drivers.keys() - known:
            self.world.inspect_recalled(self.drivers[name])


class _Faults(logging.Handler):
    """A driver that failed has met a fault of ours; that it begins again does not excuse it."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            leaf = error
            while isinstance(leaf, BaseExceptionGroup):
                leaf = leaf.exceptions[0]
            self._world.law.insist(not leaf, f"{record.getMessage()}: {leaf!r}")


class World:
    """Everything around the controller, and the controller's lives one after the other."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.profile = scenario, scenario.profile
        self.trace = hashlib.sha256()
        self.last: list[str] = []
        self.law = Law(self.note, OLD.name)
        self.disk = Disk(self.chance("disk"))
        self.gateways = {name: self._gateway(name) for name in (*scenario.gateways, "spare")}
        self.options = dict.fromkeys(self.gateways, 0)
        self.restarts = 0
        self.hands = 0
        self._evidence: tuple[object, ...] | None = None
        self._kills_at = list(scenario.kills_at)
        self._operators = Operators(self)
        self._group = asyncio.TaskGroup()
        self.life = Life(self, self._kills_at.pop(0) if self._kills_at else None)

    def chance(self, what: str) -> random.Random:
        return random.Random(f"{what} {self.scenario.seed}")

    def note(self, text: str) -> None:
        line = f"{now_s() - EPOCH_S:9.3f}  {text}"
        self.trace.update(line.encode())
        self.last.append(line)
        del self.last[:-60]

    def _gateway(self, name: str) -> SimGateway:
        chance, scenario = self.chance(name), self.scenario
        return SimGateway(
            name,
            chance,
            scenario.rates,
            self.law.took,
            requests_per_s=scenario.requests_per_s,
            delay_s=chance.choice((0.002, 0.05, 0.4)),
            subscriber=name in scenario.subscribers,
            up=name not in scenario.late,
            able_since_s=now_s(),
            served_up_to_s=now_s(),
        )

    # --- the controller's lives ---------------------------------------------------------------------------------------

    def roster(self) -> Roster:
        gateways = {name: GatewayProfile(name, "simulated", option) for name, option in self.options.items()}
        return Roster(gateways, {AGENT: self.profile})

    def driver(self) -> Driver | None:
        return self.life.fleet.drivers.get(AGENT) if self.life.alive else None

    async def _live(self) -> None:
        """One life after the other."""
        while True:
            life, ready = self.life, asyncio.Event()
            self.note("the controller begins")
            life.task = asyncio.current_task()
            try:
                async with asyncio.TaskGroup() as group:
                    life.task = group.create_task(life.fleet.run(self.roster(), ready))
            except ExceptionGroup as error:
                raise BrokenError(f"the controller ended: {error.exceptions[0]!r}") from error
            await asyncio.sleep(self._downtime_s())
            self.restarts += 1
            self.life = Life(self, self._kills_at.pop(0) if self._kills_at else None)

    def _downtime_s(self) -> float:
        return self.chance(f"downtime {self.restarts}").choice((0.0, 0.5, 3.0, 12.0))

    def kill(self, what: str) -> None:
        """End the controller here and now: nothing that it does from now on reaches anything."""
        life, driver = self.life, self.life.fleet.drivers.get(AGENT)
        self.note(f"killed at {what}")
        self._evidence = None
        journaled = life.journal.exact and not life.journal.in_doubt
        if driver is not None and driver.watch.judged is not None and driver._judge_seq and journaled:
            self._evidence = (watched(driver.state), driver.watch.judge, driver.watch.to_record()["objectives"])
        life.alive = False
        for gateway in self.gateways.values():
            gateway.wanted = None  # what a dead controller wanted reaches nobody
        self.law.killed()
        assert life.task is not None
        life.task.cancel()

    def inspect_recalled(self, driver: Driver) -> None:
        """A controller that has come back knows what was on disk, and no e-value has moved."""
        kept = next((record for record in reversed(self.disk.records) if "state" in record.body), None)
        if kept is not None:
            self.law.insist(
                driver.state == replace(state_of(kept), confirmed=frozenset()),
                "a restart went on from another state than the last on disk",
            )
        if self._evidence is None or driver.watch.judge != self._evidence[1] or driver.watch.judge is None:
            return
        if watched(driver.state) == self._evidence[0] and driver.watch.judged is not None:
            record = driver.watch.to_record()["objectives"]
            self.law.insist(record == self._evidence[2], "e-values are others after a restart")
            self.note("the e-values are the same")

    # --- what happens -------------------------------------------------------------------------------------------------

    async def run(self) -> Result:
        """Play the scenario; raises BrokenError when a law does not hold."""
        async with self._group as group:
            others = [group.create_task(self._live()), group.create_task(self._inspect())]
            for happening in self.scenario.happenings:
                await asyncio.sleep(max(0.0, happening.at_s - (now_s() - EPOCH_S)))
                others.append(group.create_task(self._happen(happening)))
            await asyncio.sleep(max(0.0, CALM_AT_S - (now_s() - EPOCH_S)))
            await self._calm_down()
            for task in others:  # what still waits for a controller that was killed waits in vain
                task.cancel()
        return self.result("")

    async def _happen(self, happening: Happening) -> None:
        what, gateway = happening.what, self.gateways.get(happening.whom)
        match what:
            case "settings":
                self.note(f"settings: {happening.whom}")
                await self._reload(happening.whom)
            case "disk":
                self.note("the disk is full")
                self.disk.full = True
                await asyncio.sleep(happening.lasts_s)
                self.disk.full = False
                self.note("the disk has room again")
            case "slow-disk":
                self.note("the disk is slow")
                self.disk.slow = True
                await asyncio.sleep(happening.lasts_s)
                self.disk.slow = False
                self.note("the disk is fast again")
            case "join":
                gateway.turn(up=True)
            case "by-hand":
                share_bp = self.chance(f"hand {happening.at_s}").choice((0, 1000, 5000))
                if gateway.touch(share_bp):
                    self.hands += 1
                    self.note(f"somebody gives the candidate {share_bp} bp at {happening.whom}")
            case "crooked":
                self.note(f"{happening.whom} gives a quarter of what it says")
                gateway.bend(True)
                await asyncio.sleep(happening.lasts_s)
                gateway.bend(False)
            case "restart":
                self.note(f"{happening.whom} restarts")
                gateway.restart()
            case "down" | "frozen" | "refuses":
                self.note(f"{happening.whom}: {what}")
                fault = {"down": "up"}.get(what, what)
                gateway.turn(**{fault: fault != "up"})
                await asyncio.sleep(happening.lasts_s)
                self.note(f"{happening.whom}: {what} is over")
                gateway.turn(**{fault: fault == "up"})
            case _:
                await self._operators.act(what)

    async def _reload(self, what: str) -> None:
        """Settings change; a controller that is down finds them when it begins."""
        profile = self.profile
        match what:
            case "endpoints":
                profile = replace(profile, stable=replace(profile.stable, endpoints=("10.9.9.9:3000",)))
            case "gateways":
                others = tuple(name for name in profile.gateways if name != "spare")
                grown = profile.gateways == self.scenario.gateways and len(others) == 1
                profile = replace(profile, gateways=(*others, "spare") if grown else others[:1])
            case "objectives":
                judge = profile.judge and replace(profile.judge, objectives=OBJECTIVES[::-1])
                profile = replace(profile, judge=judge)
            case "no-objectives":
                profile = replace(profile, judge=None)
            case "stable":
                profile = replace(profile, stable=NEXT)
            case "deadline":
                profile = replace(profile, drain_deadline_s=1.0)
            case "replace-gateway":
                self.options[profile.gateways[0]] += 1
        self.profile = profile
        life = self.life
        if life.alive and AGENT in life.fleet.drivers:
            await life.fleet.configure(self.roster())

    async def _calm_down(self) -> None:
        """No fault any more: whatever is under way ends, and every gateway comes to hold what was decided."""
        self.note("all is calm")
        self.life.survives = None
        self._kills_at.clear()
        async with asyncio.timeout(END_WITHIN_S) as patience:
            try:
                while not self._settled():
                    driver = self.driver()
                    if driver is not None and driver.state.phase is Phase.PAUSED:
                        await self._operators.act("resume")
                    await passes(1.0)
            except asyncio.CancelledError:
                driver = self.driver()
                if patience.expired():
                    phase = driver.state.phase if driver else "gone"
                    raise BrokenError(f"faults ceased long ago, and it is still {phase}") from None
                raise

    def _settled(self) -> bool:
        """At rest, and so everywhere. A share that an operator has set by hand, and a gateway has refused, stays so."""
        driver = self.driver()
        if driver is None or driver.state.phase not in RESTING:
            return False
        if driver.state.serves_candidate:
            return True
        if not driver.state.all_confirmed:
            return False
        split = driver.state.split
        return all(
            gateway.held is not None and gateway.held.split == split
            for name, gateway in self.gateways.items()
            if name in driver.state.gateways
        )

    async def _inspect(self) -> None:
        """Look at everything again and again."""
        while True:
            await asyncio.sleep(INSPECT_EVERY_S)
            if self.law.broken:
                raise BrokenError(self.law.broken)
            driver = self.driver()
            if driver is None:
                continue
            for gateway in self.gateways.values():
                self.law.check_reach(gateway, self.life.began_s)
                self.law.check_named(gateway, driver, silent=self.scenario.quality == "silent")
            found = driver.watch.assessment if driver.watch.judged is not None else None
            if found is not None and found.verdict == "breach" and driver.state.serves_candidate:
                self.law.insist(False, "the evidence says breach, and the candidate still has traffic")

    def result(self, broken: str) -> Result:
        law, good = self.law, self.scenario.quality in GOOD and self.profile.judge is not None
        bad = (
            self.scenario.quality in ("bad", "silent") and self.profile.judge == self.scenario.profile.judge is not None
        )
        return Result(
            seed=self.scenario.seed,
            broken=broken,
            digest=self.trace.hexdigest(),
            last=tuple(self.last[-30:]),
            virtual_s=now_s() - EPOCH_S,
            restarts=self.restarts,
            outcomes=dict(law.outcomes),
            judged=len(law.served) if good else 0,
            named=law.named,
            hands=self.hands,
            blamed=len(law.breaches) if good else 0,
            bad_promoted=sum(
                outcome == "promoted" and name not in law.guided for name, outcome in law.outcomes.items() if bad
            ),
        )


def run(seed: int) -> Result:
    """Play one seed on a clock of its own."""
    scenario = draw(seed)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_play(scenario))


async def _play(scenario: Scenario) -> Result:
    world = World(scenario)
    faults, logger = _Faults(world), logging.getLogger("controller")
    logger.addHandler(faults)
    try:
        return await world.run()
    except* BrokenError as group:
        leaf: BaseException = group
        while isinstance(leaf, BaseExceptionGroup):
            leaf = leaf.exceptions[0]
        broken = str(leaf)
    finally:
        logger.removeHandler(faults)
    return world.result(broken)
