"""A whole rollout over synthetic traffic: the judge speaks, and the machine does what it would do.

Pure: chance is handed in. Gateways confirm at once, and whoever is asked says yes at once, because how long that takes
is nothing that settings decide. Requests are independent of one another, which real ones are not quite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from adapters.port import WHOLE_BP, Split, Version
from controller.analysis.indicators import Block, Counts, Indicator
from controller.analysis.simulate import REPORTS_MAX, Chance, binomial, median
from controller.analysis.verdict import Judge, Verdict

from .events import Approved, CandidateReached, Confirmed, GatesPassed, Judged, Submitted, TimerFired
from .machine import step
from .plan import Plan
from .state import Phase, State, Timer, new_state

_ID, _DIGEST, _GATEWAY = "rehearsal", "sha256:0", "gateway"
_STABLE, _CANDIDATE = Version("stable", ()), Version("candidate", ())
_LONGEST_WAYS = 4
"""A common cause that comes and goes begins the hold again and again: after so many longest ways it is left at that."""


class Ending(StrEnum):
    """How a rollout ended."""

    PROMOTED = "promoted"
    BREACH = "breach"
    UNDECIDED = "undecided"
    NO_DATA = "no-data"
    COMMON_CAUSE = "common-cause"


@dataclass(frozen=True, slots=True)
class Load:
    """The traffic of a rehearsal.

    Attributes:
        requests_per_s: of the agent's clients.
        stable, candidate: each track's bad fraction per indicator, in 0..1, for the same indicators.
        report_interval_s: the time between two reports.

    Raises:
        ValueError: a number out of range.
    """

    requests_per_s: float
    stable: Mapping[Indicator, float]
    candidate: Mapping[Indicator, float]
    report_interval_s: float = 1.0

    def __post_init__(self) -> None:
        if self.stable.keys() != self.candidate.keys():
            raise ValueError("both tracks need a bad fraction for the same indicators")
        if not all(0.0 <= rate <= 1.0 for rate in (*self.stable.values(), *self.candidate.values())):
            raise ValueError("bad fractions lie in 0..1")
        if not (self.requests_per_s > 0.0 and self.report_interval_s > 0.0):
            raise ValueError("the request rate and the report interval are positive")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How one rollout went.

    Attributes:
        ending: how it ended.
        end_s: when, from the first step on.
        candidate_requests: what the candidate got until then.
        asked: how often a person was asked because the evidence was undecided.
        step: the step that it ended in, from 0; their number in the bake, and when it was promoted.
    """

    ending: Ending
    end_s: float
    candidate_requests: int
    asked: int
    step: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of many rollouts. Fractions are of all `runs`; a median is None where there is nothing to take it of.

    Attributes:
        runs: how many there were.
        promoted, breach, undecided, no_data, common_cause: the fraction that ended so; they sum to 1.
        asked: the fraction in which a person was asked because the evidence was undecided.
        seconds_to_breach_median: from the first step on, over those that ended so.
        requests_to_breach_median: what the candidate got until then.
        seconds_to_promotion_median: from the first step to the end of the bake.
        undecided_step: the step, from 0, that most of the undecided ones ended in; None if there are none.
    """

    runs: int
    promoted: float
    breach: float
    undecided: float
    no_data: float
    common_cause: float
    asked: float
    seconds_to_breach_median: float | None
    requests_to_breach_median: float | None
    seconds_to_promotion_median: float | None
    undecided_step: int | None

    @classmethod
    def of(cls, ended: Sequence[Rehearsal]) -> Outcome:
        """What became of these, of which there is at least one."""
        by = {ending: [each for each in ended if each.ending is ending] for ending in Ending}
        part = {ending: len(some) / len(ended) for ending, some in by.items()}
        steps = [each.step for each in by[Ending.UNDECIDED]]
        return cls(
            runs=len(ended),
            promoted=part[Ending.PROMOTED],
            breach=part[Ending.BREACH],
            undecided=part[Ending.UNDECIDED],
            no_data=part[Ending.NO_DATA],
            common_cause=part[Ending.COMMON_CAUSE],
            asked=sum(each.asked > 0 for each in ended) / len(ended),
            seconds_to_breach_median=median([each.end_s for each in by[Ending.BREACH]]),
            requests_to_breach_median=median([each.candidate_requests for each in by[Ending.BREACH]]),
            seconds_to_promotion_median=median([each.end_s for each in by[Ending.PROMOTED]]),
            undecided_step=max(set(steps), key=lambda index: (steps.count(index), -index), default=None),
        )

    def to_record(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


def longest_s(plan: Plan) -> float:
    """Seconds until a rollout has ended that waits out every hold and every deadline."""
    stops = [*(each.hold_s for each in plan.steps), plan.bake_s]
    return sum(stops) + len(stops) * plan.progress_deadline_s


def rehearse(judge: Judge, plan: Plan, load: Load, chance: Chance) -> Rehearsal:
    """One rollout of `plan`, from its first step to its end.

    Raises:
        ValueError: the plan is so long that it would take more than REPORTS_MAX reports.
    """
    if longest_s(plan) / load.report_interval_s > REPORTS_MAX:
        raise ValueError(f"the longest way of a rollout takes more than {REPORTS_MAX} reports")
    state = _begun(replace(plan, consent=False))
    evidence = judge.start(0.0)
    asked = exposed = arrived = 0
    now_s = 0.0
    for count in range(1, int(_LONGEST_WAYS * longest_s(plan) / load.report_interval_s) + 2):
        now_s = count * load.report_interval_s
        while (timer := _due(state, now_s)) is not None:
            before, at_s = state, state.timers[timer]
            state, was_asked = _settled(step(state, TimerFired(now_s=at_s, timer=timer))[0], at_s)
            asked += was_asked
            if (ending := _ending(before, state, timer)) is not None:
                return Rehearsal(ending, at_s, exposed, asked, _step(before))
        so_far = int(load.requests_per_s * now_s + 1e-9)
        blocks, candidate = _seen(load, so_far - arrived, state.split, chance)
        arrived, exposed = so_far, exposed + candidate
        evidence = judge.update(evidence, blocks, now_s, stable_serves=state.split.stable_bp > 0)
        verdict = judge.assess(evidence, now_s).verdict
        if verdict is state.verdict:
            continue
        before = state
        state, was_asked = _settled(step(state, Judged(now_s=now_s, verdict=verdict))[0], now_s)
        asked += was_asked
        if (ending := _ending(before, state, None)) is not None:
            return Rehearsal(ending, now_s, exposed, asked, _step(before))
    return Rehearsal(Ending.UNDECIDED, now_s, exposed, asked, _step(state))


def _begun(plan: Plan) -> State:
    """The machine at its first step, confirmed, at second 0."""
    state = new_state("agent", _STABLE, frozenset({_GATEWAY}))
    for event in (
        Submitted(now_s=0.0, actor=_ID, rollout_id=_ID, candidate=_CANDIDATE, plan=plan, digest=_DIGEST),
        GatesPassed(now_s=0.0, rollout_id=_ID),
        CandidateReached(now_s=0.0, rollout_id=_ID),
    ):
        state, _ = step(state, event)
    return _settled(state, 0.0)[0]


def _settled(state: State, now_s: float) -> tuple[State, int]:
    """The state once the gateway has confirmed and the person has approved; how often for want of evidence."""
    asked = 0
    while _ending_phase(state) is None:
        if not state.all_confirmed:
            state, _ = step(state, Confirmed(now_s=now_s, gateway=_GATEWAY, revision=state.revision))
        elif Timer.APPROVAL in state.timers:
            stop = state.rollout.present_step if state.rollout else None
            asked += state.verdict is Verdict.UNDECIDED and not (stop is not None and stop.approval)
            state, _ = step(state, Approved(now_s=now_s, actor=_ID))
        else:
            break
    return state, asked


def _due(state: State, now_s: float) -> Timer | None:
    """The earliest timer that has come."""
    timers = [(at_s, timer) for timer, at_s in state.timers.items() if at_s <= now_s]
    return min(timers)[1] if timers else None


def _ending_phase(state: State) -> Phase | None:
    return state.phase if state.phase in (Phase.PROMOTED, Phase.ROLLING_BACK) else None


def _ending(before: State, after: State, timer: Timer | None) -> Ending | None:
    """How it ended, if it did: by a timer, or by a verdict."""
    phase = _ending_phase(after)
    if phase is None:
        return None
    if phase is Phase.PROMOTED:
        return Ending.PROMOTED
    if timer is None:
        return Ending.BREACH
    if timer is Timer.NO_DATA:
        return Ending.NO_DATA
    return Ending.COMMON_CAUSE if before.phase is Phase.PAUSED else Ending.UNDECIDED


def _step(state: State) -> int:
    assert state.rollout is not None
    return state.rollout.step


def _seen(load: Load, requests: int, split: Split, chance: Chance) -> tuple[dict[Indicator, Block], int]:
    """What one report tells of these requests, and how many the candidate got. Copies are not taken from stable."""
    candidate = binomial(chance, requests, (split.candidate_bp or split.mirror_bp) / WHOLE_BP)
    stable = requests if split.mirror_bp else requests - candidate
    blocks = {
        indicator: Block(
            candidate=Counts(candidate, binomial(chance, candidate, load.candidate[indicator])),
            stable=Counts(stable, binomial(chance, stable, rate)),
        )
        for indicator, rate in load.stable.items()
    }
    return blocks, candidate
