"""The judge alone over synthetic traffic: what it would catch, how fast, and at what rate of false alarms.

What becomes of a whole rollout is for `controller.rollout.rehearsal`.

Pure: chance is handed in, so the same seed gives the same answer. Events are independent of one another, which real
ones are not quite; read the result as the best case.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from controller.analysis.indicators import Block, Counts, Indicator
from controller.analysis.verdict import Judge, Verdict

REPORTS_MAX = 1_000_000
RUNS_MAX = 100_000


class Chance(Protocol):
    """Where randomness comes from, e.g. a seeded `random.Random`."""

    def random(self) -> float:
        """A number in [0, 1), evenly spread."""


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """The candidate's share of the requests, in 0..1, for `hold_s` seconds."""

    share: float
    hold_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class Traffic:
    """What the judge is to see.

    Attributes:
        requests_per_s: of both tracks together.
        steps: the split over time.
        stable: stable's bad fraction per indicator; one left out has no events.
        candidate: the candidate's, from `onset_s` on; before, it is as good as stable.
        onset_s: when the candidate's trouble begins.
        report_interval_s: the time between two reports.

    Raises:
        ValueError: a number out of range, or more than REPORTS_MAX reports.
    """

    requests_per_s: float
    steps: Sequence[Step]
    stable: Mapping[Indicator, float]
    candidate: Mapping[Indicator, float]
    onset_s: float = 0.0
    report_interval_s: float = 1.0

    def __post_init__(self) -> None:
        if self.stable.keys() != self.candidate.keys():
            raise ValueError("both tracks need a bad fraction for the same indicators")
        fractions = [*self.stable.values(), *self.candidate.values(), *(step.share for step in self.steps)]
        if not all(0.0 <= fraction <= 1.0 for fraction in fractions):
            raise ValueError("shares and bad fractions lie in 0..1")
        if not (self.requests_per_s > 0.0 and self.report_interval_s > 0.0 and self.onset_s >= 0.0):
            raise ValueError("the request rate and the report interval are positive, the onset is not negative")
        if not self.steps or not all(step.hold_s > 0.0 for step in self.steps):
            raise ValueError("there is at least one step, and each is held for a while")
        if self.duration_s / self.report_interval_s > REPORTS_MAX:
            raise ValueError(f"more than {REPORTS_MAX} reports in one run")

    @property
    def duration_s(self) -> float:
        """Seconds from the first step to the end of the last."""
        return math.fsum(step.hold_s for step in self.steps)


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """How one run ended. `end_s` is when it breached, else its full length; the other times are None if never."""

    breached: bool
    end_s: float
    healthy_s: float | None
    candidate_requests: int


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of many runs.

    Attributes:
        runs: how many there were.
        rolled_back: the fraction that ended in a breach.
        seconds_median: from the onset of trouble to the breach, over those; None if there are none.
        candidate_requests_median: requests the candidate got in that time, over those; None if there are none.
        shown_healthy: the fraction in which the verdict was `healthy` at some time.
        healthy_seconds_median: from the start to the first such verdict, over those; None if there are none.
    """

    runs: int
    rolled_back: float
    seconds_median: float | None
    candidate_requests_median: float | None
    shown_healthy: float
    healthy_seconds_median: float | None

    def to_record(self) -> dict[str, Any]:
        """As JSON."""
        return dataclasses.asdict(self)


def simulate(judge: Judge, traffic: Traffic, chance: Chance, runs: int) -> Outcome:
    """What becomes of `runs` rollouts (1..RUNS_MAX) under `judge`; each ends at a breach or after the last step."""
    if not 1 <= runs <= RUNS_MAX:
        raise ValueError(f"runs lie in 1..{RUNS_MAX}, not {runs}")
    return summed_up([run(judge, traffic, chance) for _ in range(runs)], traffic)


def summed_up(ended: Sequence[Run], traffic: Traffic) -> Outcome:
    """What became of these runs, of which there is at least one."""
    breached = [each for each in ended if each.breached]
    healthy_s = [each.healthy_s for each in ended if each.healthy_s is not None]
    return Outcome(
        runs=len(ended),
        rolled_back=len(breached) / len(ended),
        seconds_median=median([max(each.end_s - traffic.onset_s, 0.0) for each in breached]),
        candidate_requests_median=median([each.candidate_requests for each in breached]),
        shown_healthy=len(healthy_s) / len(ended),
        healthy_seconds_median=median(healthy_s),
    )


def run(judge: Judge, traffic: Traffic, chance: Chance) -> Run:
    """One rollout; `candidate_requests` counts from the onset of trouble."""
    state = judge.start(0.0)
    exposed, healthy_s, now_s = 0, None, 0.0
    for now_s, requests, share in _reports(traffic):
        candidate = binomial(chance, requests, share)
        troubled = now_s > traffic.onset_s
        exposed += candidate if troubled else 0
        rates = traffic.candidate if troubled else traffic.stable
        blocks = {
            indicator: Block(
                candidate=Counts(candidate, binomial(chance, candidate, rates[indicator])),
                stable=Counts(requests - candidate, binomial(chance, requests - candidate, rate)),
            )
            for indicator, rate in traffic.stable.items()
        }
        state = judge.update(state, blocks, now_s, stable_serves=share < 1.0)
        verdict = judge.assess(state, now_s).verdict
        if verdict is Verdict.BREACH:
            return Run(breached=True, end_s=now_s, healthy_s=healthy_s, candidate_requests=exposed)
        if verdict is Verdict.HEALTHY and healthy_s is None:
            healthy_s = now_s
    return Run(breached=False, end_s=now_s, healthy_s=healthy_s, candidate_requests=exposed)


def binomial(chance: Chance, trials: int, rate: float) -> int:
    """How many of `trials` succeed at `rate`: counted by the gaps between successes, which are geometric."""
    if rate > 0.5:
        return trials - binomial(chance, trials, 1.0 - rate)
    if rate <= 0.0:
        return 0
    log_miss = math.log1p(-rate)
    successes, position = 0, 0
    while True:
        position += 1 + int(math.log(1.0 - chance.random()) / log_miss)
        if position > trials:
            return successes
        successes += 1


def _reports(traffic: Traffic) -> Iterator[tuple[float, int, float]]:
    """Each report's time, its number of requests, and the candidate's share when they came."""
    ends_s = 0.0
    reported = 0
    count = 0
    for step in traffic.steps:
        ends_s += step.hold_s
        while (count + 1) * traffic.report_interval_s <= ends_s + 1e-9:
            count += 1
            now_s = count * traffic.report_interval_s
            so_far = int(traffic.requests_per_s * now_s + 1e-9)
            yield now_s, so_far - reported, step.share
            reported = so_far


def median(values: Sequence[float]) -> float | None:
    """The middle value; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    middle = len(ordered) // 2
    return float(ordered[middle]) if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
