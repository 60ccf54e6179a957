"""The parts that every gateway plays with: one agent in three versions, and what may happen to it."""

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

from scipy.special import xlogy
from scipy.stats import binom

from adapters.port import Adapter, Applied, Assignment, GatewayError, Observation, Receipt, Route, Split
from tests.contract.traffic import Agent, Connection, flood

AGENT = "bot"
CHANCE = 1e-6
"""How rarely a gateway that divides by fair chance may be blamed, per share that is looked at."""

MISSED = 1e-3
"""How rarely a gateway may pass that gives half of a share, or twice of it."""

SAMPLE = 2_000
"""So many requests show a share of 10 % or more; a smaller one takes as many samples as it needs."""

LOOK_S = 0.05
DEADLINE_S = 30.0
ROUTE = Route()


@dataclass(frozen=True)
class Play:
    """Three versions of one agent; the first has two instances."""

    old: Agent
    new: Agent
    next: Agent

    def at(self, candidate_bp: int) -> Assignment:
        return Assignment(
            AGENT, ROUTE, self.old.version, candidate=self.new.version, split=Split(candidate_bp=candidate_bp)
        )

    @property
    def rolled_back(self) -> Assignment:
        """As it is after a rollback: there is no candidate any more, and the version that was one drains."""
        return replace(self.at(0), candidate=None, draining=(self.new.version,))

    @property
    def promoted(self) -> Assignment:
        """As it is after a promotion: the new version plays stable, and the old one drains."""
        return Assignment(AGENT, ROUTE, self.new.version, draining=(self.old.version,))

    def following(self, candidate_bp: int) -> Assignment:
        """The rollout after the promotion."""
        split = Split(candidate_bp=candidate_bp)
        return Assignment(AGENT, ROUTE, self.new.version, self.next.version, split=split, draining=(self.old.version,))


async def confirmed(adapter: Adapter, assignment: Assignment) -> Receipt:
    """Apply as the controller does: again until it is confirmed."""
    receipt = None
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                receipt = await adapter.apply(assignment, timeout_s=5.0)
                if receipt.outcome is Applied.CONFIRMED:
                    return receipt
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise AssertionError(f"{assignment.split} was never confirmed; the last word is {receipt}") from None


async def until(condition: Callable[[], Awaitable[object]], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Look again and again until it is so."""
    try:
        async with asyncio.timeout(deadline_s):
            while not await condition():  # noqa: ASYNC110 - a gateway is asked: nothing here hears of it
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise AssertionError(f"it did not happen within {deadline_s} s: {what}") from None


async def until_served(url: str, version: str | None = None) -> None:
    """Wait until a request is answered, by a certain version if one is named."""
    connection = Connection(url)

    async def is_served() -> bool:
        (answer, *_) = await connection.ask()
        return answer.status == 200 and version in {None, answer.version}

    try:
        await until(is_served, f"{url} answers")
    finally:
        await connection.close()


async def looked(adapter: Adapter) -> Observation | None:
    """One look at the counters; None where they cannot be read now."""
    with contextlib.suppress(GatewayError):
        async with asyncio.timeout(5.0):
            return await adapter.observe(AGENT)
    return None


async def observations(adapter: Adapter) -> AsyncIterator[Observation]:
    """Look again and again, as often as it is worth it."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            observation = await looked(adapter)
            if observation is not None:
                yield observation
            await asyncio.sleep(adapter.capabilities.observe_every_s)


async def steady(adapter: Adapter) -> Observation:
    """Look until the counters have stood still for three looks: whatever is late has come."""
    last: list[Observation] = []
    async for observation in observations(adapter):
        last = [*last[-2:], observation]
        if len(last) == 3 and all(one.tallies == observation.tallies for one in last):
            return observation
    raise AssertionError("observations do not end by themselves")


def counted(adapter_sees: Observation, since: Observation) -> dict[str, tuple[int, int]]:
    """Requests and errors per version between two observations of one epoch."""
    assert adapter_sees.epoch == since.epoch, "the counters began anew, though nothing had happened"
    before = since.tallies
    return {
        name: (
            tally.requests - (before[name].requests if name in before else 0),
            tally.errors - (before[name].errors if name in before else 0),
        )
        for name, tally in adapter_sees.tallies.items()
    }


def is_fair(versions: Counter[str], name: str, share_bp: int) -> bool:
    """Whether chance explains how often a version answered (exact, two-sided)."""
    seen, total, share = versions[name], versions.total(), share_bp / 10_000
    return min(binom.cdf(seen, total, share), binom.sf(seen - 1, total, share)) > CHANCE / 2


async def sampled(url: str, name: str, share_bp: int) -> Counter[str]:
    """Ask until it is known whether a version has its share: some 5,000 requests at 1 %, 45,000 at 0.1 %."""
    versions = await flood(url, SAMPLE)
    while in_doubt(versions, name, share_bp):
        versions += await flood(url, SAMPLE)
    return versions


def in_doubt(versions: Counter[str], name: str, share_bp: int) -> bool:
    """Whether half of the share, or twice of it, is neither ruled out nor shown (Wald's sequential test, 1945).

    Where that ends, :func:`is_fair` blames a gateway that gives either but in one of 1,000 runs.
    """
    seen, total, share = versions[name], versions.total(), share_bp / 10_000
    others = (share / 2, min(2 * share, 1.0))
    weights = [xlogy(seen, other / share) + xlogy(total - seen, (1 - other) / (1 - share)) for other in others]
    return math.log(MISSED) < max(weights) < -math.log(CHANCE / 2)


def is_no_more(versions: Counter[str], name: str, share_bp: int) -> bool:
    """Whether chance explains that a version answered so often, or less would have been enough."""
    return binom.sf(versions[name] - 1, versions.total(), share_bp / 10_000) > CHANCE
