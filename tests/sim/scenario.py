"""A seed's scenario: plan, objectives, the candidate's quality, faults, operators, settings; all drawn first."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from adapters.port import Route, Split, Version
from controller.analysis.objectives import Objective
from controller.analysis.verdict import Judge
from controller.evolution.gates import Gate
from controller.rollout.plan import OnDrift, Plan, Step, WhenUndecided
from controller.runtime.profile import Profile

from .clock import EPOCH_S

AGENT = "code-assistant"
OLD = Version("1.2.3", ("10.0.0.11:3000",))
NEW = Version("1.3.0", ("10.0.0.21:3000", "10.0.0.22:3000"), digest="sha256:new")
NEXT = Version("1.4.0", ("10.0.0.31:3000",), digest="sha256:next")

ALPHA = 0.05
SILENCE_S = 3.0
CALM_AT_S = 45.0
"""From here on no fault begins, every fault is over, and operators only resume what is paused."""

QUALITIES = ("good", "good", "good", "bad", "bad-later", "outage", "silent")
GOOD = ("good", "outage")

OBJECTIVES = (
    Objective("errors", "error", max=0.05, margin=0.03),
    Objective("tasks", "task_failed", max=0.2, margin=0.1, guardrail=True),
)


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens at a moment (virtual seconds): see `World._happen`."""

    at_s: float
    what: str
    whom: str = ""
    lasts_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """Attributes:
    kills_at: how many moments at which it may be killed the controller survives, for each of its lives.
    """

    seed: int
    profile: Profile
    quality: str
    onset_s: float
    gateways: tuple[str, ...]
    late: frozenset[str]
    subscribers: frozenset[str]
    requests_per_s: float
    happenings: tuple[Happening, ...]
    kills_at: tuple[int, ...]

    def rates(self, version: str, at_s: float) -> Mapping[str, float]:
        """The bad fractions of a version's answers at a Unix time."""
        since_onset_s = at_s - EPOCH_S - self.onset_s
        if self.quality == "outage" and 0.0 <= since_onset_s < 6.0:
            return {"error": 0.4, "task_failed": 0.4}
        if version != OLD.name and self.quality == "silent":
            return {"silent": 1.0}
        bad = self.quality == "bad" or (self.quality == "bad-later" and since_onset_s >= 0.0)
        if version != OLD.name and bad:
            return {"error": 0.3, "task_failed": 0.5}
        return {"error": 0.01, "task_failed": 0.05}


def draw(seed: int) -> Scenario:
    """The scenario of a seed."""
    chance = random.Random(f"scenario {seed}")
    gateways = tuple(f"gw{index}" for index in range(chance.choice((1, 1, 2, 2, 3))))
    late = frozenset(name for name in gateways if chance.random() < 0.1)
    return Scenario(
        seed=seed,
        profile=Profile(
            agent=AGENT,
            gateways=gateways,
            route=Route(),
            stable=OLD,
            plan=_plan(chance),
            gate=Gate(),
            judge=Judge(OBJECTIVES[: chance.choice((1, 2))], ALPHA, SILENCE_S) if chance.random() < 0.9 else None,
            on_drift=random.Random(f"drift {seed}").choice((OnDrift.ASK, OnDrift.TAKE_OVER)),
            drain_deadline_s=chance.choice((0.0, 3.0)),
        ),
        quality=chance.choice(QUALITIES),
        onset_s=chance.uniform(5.0, 25.0),
        gateways=gateways,
        late=late,
        subscribers=frozenset(name for name in gateways if chance.random() < 0.5),
        requests_per_s=chance.choice((4.0, 30.0, 60.0)),
        happenings=tuple(
            sorted([*_happenings(chance, gateways, late), *_crooks(seed, gateways)], key=lambda each: each.at_s)
        ),
        kills_at=tuple(int(chance.uniform(5, 700)) for _ in range(chance.choice((0, 0, 0, 1, 1, 2, 3)))),
    )


def watched_plan(profile: Profile) -> Plan:
    """The plan of a rollout: watched where there are objectives."""
    return replace(profile.plan, watched=profile.judge is not None)


def _plan(chance: random.Random) -> Plan:
    shares = sorted(chance.sample((0, 100, 1000, 2500, 5000, 9000), chance.choice((0, 1, 2, 2, 3))))
    return Plan(
        steps=tuple(Step(Split(bp), chance.uniform(0.0, 5.0), approval=chance.random() < 0.15) for bp in shares),
        bake_s=chance.uniform(0.0, 5.0),
        keep_s=chance.choice((0.0, 8.0)),
        progress_deadline_s=15.0,
        approval_timeout_s=12.0,
        no_data_deadline_s=4.0,
        undecided=chance.choice(tuple(WhenUndecided)),
        consent=chance.random() < 0.3,
    )


OPERATIONS = (
    *("pause", "resume", "skip", "promote", "rollback", "approve", "approve", "approve", "reject"),
    *("split", "declare", "propose", "propose-next", "drain", "duel", "duel"),
)
FAULTS = ("down", "down", "frozen", "refuses", "restart", "disk", "disk", "slow-disk")
SETTINGS = ("endpoints", "gateways", "objectives", "no-objectives", "stable", "deadline", "replace-gateway")


def _happenings(chance: random.Random, gateways: tuple[str, ...], late: frozenset[str]) -> list[Happening]:
    found = [Happening(chance.uniform(0.5, 3.0), "propose")]
    found += [Happening(chance.uniform(3.0, 12.0), "approve") for _ in range(chance.choice((0, 1, 3)))]
    found += [Happening(chance.uniform(2.0, 20.0), "join", name) for name in gateways if name in late]
    found += [
        Happening(chance.uniform(1.0, CALM_AT_S), chance.choice(OPERATIONS))
        for _ in range(chance.choice((0, 0, 1, 3, 6)))
    ]
    for _ in range(chance.choice((0, 0, 1, 2, 3))):
        at_s, fault = chance.uniform(0.0, CALM_AT_S - 1.0), chance.choice(FAULTS)
        lasts_s = min(chance.choice((0.3, 3.0, 15.0, 40.0)), CALM_AT_S - at_s)
        found.append(Happening(at_s, fault, chance.choice(gateways), lasts_s))
    if chance.random() < 0.2:
        found += [
            Happening(chance.uniform(1.0, CALM_AT_S), "settings", chance.choice(SETTINGS))
            for _ in range(chance.choice((1, 2)))
        ]
    return found


def _crooks(seed: int, gateways: tuple[str, ...]) -> list[Happening]:
    chance = random.Random(f"crooks {seed}")
    found = []
    if chance.random() < 0.15:
        found.append(Happening(chance.uniform(0.0, 10.0), "crooked", chance.choice(gateways), 30.0))
    if chance.random() < 0.25:
        found += [
            Happening(chance.uniform(3.0, CALM_AT_S), "by-hand", chance.choice(gateways))
            for _ in range(chance.choice((1, 3)))
        ]
    return found
