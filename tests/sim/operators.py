"""Operators and pipelines that act at random, alone or two at a time, and check that they are told the truth."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from adapters.port import Split
from controller.errors import TurnoutError
from controller.rollout import events as e
from controller.rollout.state import State
from controller.runtime.driver import Driver

from .clock import now_s
from .scenario import NEW, NEXT, watched_plan

if TYPE_CHECKING:
    from .world import World

HURRIED = (e.RollbackAsked, e.Rejected)
SHARES_BP = (0, 500, 5000, 10_000)


class Operators:
    """Whoever asks something of the agent."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = world.chance("operators")
        self._proposals = 0

    async def act(self, what: str) -> None:
        """Do one of `scenario.OPERATIONS`, if there is a controller to ask."""
        driver = self._world.driver()
        if driver is None:
            return
        if what == "duel":
            await self._duel(driver)
            return
        await self._ask(driver, self._event(what, driver.state))

    def _event(self, what: str, state: State, *, seen: int | None = None) -> e.OperatorEvent:
        who = {"now_s": now_s(), "actor": "alice", "seen": seen}
        match what:
            case "propose" | "propose-next":
                self._proposals += 1
                version = NEW if what == "propose" else NEXT
                plan, name = watched_plan(self._world.profile), f"p{self._proposals}"
                return e.Submitted(**who, rollout_id=name, candidate=version, plan=plan, digest=f"digest-of-{name}")
            case "approve":
                return e.Approved(**who, digest=state.rollout.digest if state.rollout else "")
            case "split":
                return e.SplitSet(**who, split=Split(self._chance.choice(SHARES_BP)))
            case "declare":
                return e.CandidateDeclared(**who, candidate=self._chance.choice((NEW, NEXT, None)))
            case "drain":
                return e.DrainAsked(**who, version_name=self._chance.choice((NEW, NEXT)).name, deadline_s=2.0)
            case _:
                return KINDS[what](**who)

    async def _ask(self, driver: Driver, event: e.OperatorEvent) -> State | None:
        """The new state; None when it was refused, or when the controller died before it answered."""
        world, life = self._world, self._world.life
        name, changes = type(event).__name__, driver.state.changes
        world.note(f"asks {name}")
        try:
            async with asyncio.timeout(60.0):
                state = await driver.ask(event)
        except TurnoutError as error:
            world.note(f"{name} refused: {error.code}")
            return None
        except TimeoutError:
            world.law.insist(life is not world.life or not life.alive, f"{name} was never answered")
            return None
        if life is not world.life or not life.alive:
            return None
        world.note(f"{name} is done")
        self._check_kept(event, state, changed=state.changes != changes)
        return state

    def _check_kept(self, event: e.OperatorEvent, state: State, *, changed: bool) -> None:
        """What was answered is on disk; only what goes back may still wait for one that is full or slow."""
        world = self._world
        kept = world.law.durable_state
        waits = world.life.journal.busy and (not changed or isinstance(event, (*HURRIED, e.SplitSet)))
        world.law.insist(
            waits or (kept is not None and kept["changes"] >= state.changes) or not state.changes,
            f"{type(event).__name__} was answered, and a restart would not know of it",
        )

    async def _duel(self, driver: Driver) -> None:
        """Two operators who have seen the same ask for two things at once: the second is told, unless it hurries."""
        seen = driver.state.changes
        kinds = [self._chance.choice(DUELS) for _ in range(2)]
        asked = [self._event(kind, driver.state, seen=seen) for kind in kinds]
        first, second = await asyncio.gather(*(self._ask(driver, event) for event in asked))
        if first is None or second is None:
            return
        hurried = isinstance(asked[1], HURRIED)
        self._world.law.insist(first.changes == seen or hurried, "two operators at once, and the second was not told")


KINDS: dict[str, type[e.OperatorEvent]] = {
    "pause": e.PauseAsked,
    "resume": e.ResumeAsked,
    "skip": e.SkipAsked,
    "promote": e.PromoteAsked,
    "rollback": e.RollbackAsked,
    "reject": e.Rejected,
}
DUELS = ("pause", "resume", "skip", "promote", "rollback", "approve", "split")
