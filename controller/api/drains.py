"""Waiting until a track is empty: for a preStop hook, which must not end before its version's requests have."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any

from adapters.port import Track, Version
from controller.errors import UnavailableError
from controller.rollout.events import DrainAsked
from controller.rollout.state import Drain, State
from controller.runtime.broadcast import News
from controller.runtime.driver import Driver

from .access import Right
from .asking import ask
from .context import Pool
from .operation import Call, Operation
from .shape import DurationS, Query, Told


class DrainQuery(Query):
    """Which version, and until when."""

    track: Track = Track.CANDIDATE
    """Whose requests are waited for: those of the version that plays this track now."""
    version: str | None = None
    """Those of this version instead, whatever it plays: an instance knows its own version, and not its track."""
    deadline: DurationS | None = None
    """How long at most; by default the agent's own drain deadline."""


class Outcome(StrEnum):
    """How the waiting ended."""

    EMPTY = "empty"
    DEADLINE = "deadline"
    SERVING = "serving"
    NOTHING = "nothing"


class DrainedTold(Told):
    """What came of a drain."""

    agent: str
    version: str | None
    outcome: Outcome
    """``empty``: nothing is in flight. ``deadline``: time is up. ``serving``: the version gets traffic again.
    ``nothing``: no version plays the track, or the version is not known any more."""
    in_flight: int | None
    """Requests still open; null when no gateway can say."""
    detail: str


async def _drain(call: Call, asked: DrainQuery) -> DrainedTold:
    driver = call.driver()
    agent, state = driver.profile.agent, driver.state
    version = _asked_for(state, asked)
    if version is None:
        detail = (
            f"{agent} knows no version {asked.version}." if asked.version else f"{agent} has no {asked.track} version."
        )
        return DrainedTold(agent=agent, version=None, outcome=Outcome.NOTHING, in_flight=0, detail=detail)
    deadline_s = driver.profile.drain_deadline_s if asked.deadline is None else asked.deadline
    with call.context.broadcast.listen() as news:
        if draining(state, version) is None:
            now_s, seen = call.context.now_s(), call.seen()
            event = DrainAsked(
                now_s=now_s, actor=call.actor, seen=seen, version_name=version.name, deadline_s=deadline_s
            )
            await ask(call, driver, event)
        outcome = await _until_empty(call, driver, version, deadline_s, news)
    return _told(driver, version, outcome)


def _asked_for(state: State, asked: DrainQuery) -> Version | None:
    if asked.version is None:
        return state.stable if asked.track is Track.STABLE else state.candidate
    known = (state.stable, state.candidate, state.previous, *(drain.version for drain in state.drains))
    return next((version for version in known if version and version.name == asked.version), None)


async def _until_empty(
    call: Call, driver: Driver, version: Version, deadline_s: float, news: AsyncIterator[News]
) -> Outcome:
    """Wait for the drain's end or for the asker's own deadline, whichever comes first.

    Raises:
        UnavailableError: the controller stops.
    """
    ends_at_s = call.context.now_s() + deadline_s
    drain = draining(driver.state, version)
    due_at_s = drain.deadline_at_s if drain else math.inf
    try:
        async with call.desk.patience(deadline_s):
            while draining(driver.state, version) is not None:
                await anext(news)
    except TimeoutError:
        if call.desk.stopping.is_set():
            raise UnavailableError("The controller is stopping.", remedy="Ask again later.") from None
        return Outcome.DEADLINE
    if driver.state.serves(version):
        return Outcome.SERVING
    over = call.context.now_s() >= min(due_at_s, ends_at_s)
    return Outcome.DEADLINE if over and _in_flight(driver, version) != 0 else Outcome.EMPTY


def draining(state: State, version: Version) -> Drain | None:
    """The drain of a version, while it is under way."""
    return next((drain for drain in state.drains if drain.version.name == version.name), None)


def _in_flight(driver: Driver, version: Version) -> int | None:
    return driver.traffic.in_flight(version.name, driver.state.gateways, -math.inf)


def _told(driver: Driver, version: Version, outcome: Outcome) -> DrainedTold:
    in_flight = 0 if outcome is Outcome.EMPTY else _in_flight(driver, version)
    match outcome:
        case Outcome.EMPTY:
            detail = f"Nothing is in flight on {version.name} any more."
        case Outcome.SERVING:
            detail = f"{version.name} gets traffic again: {driver.state.changed_by}."
        case _:
            left = "nobody can say how many" if in_flight is None else str(in_flight)
            detail = f"Time is up, and {left} requests are still in flight on {version.name}."
    return DrainedTold(
        agent=driver.profile.agent, version=version.name, outcome=outcome, in_flight=in_flight, detail=detail
    )


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="POST",
        path="/v1/agents/{name}/drain",
        name="drain",
        summary="Wait until a version has nothing in flight, or until the deadline",
        handle=_drain,
        asks=DrainQuery,
        right=Right.STEER,
        pool=Pool.WAIT,
        told=DrainedTold,
        conditional=True,
    ),
)
