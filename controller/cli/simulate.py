"""`turnout simulate`: what an agent's settings would have caught, how fast, and how often they cry wolf."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from adapters.port import WHOLE_BP
from controller.analysis.verdict import Judge
from controller.cli.console import console, fraction, lasting, show, styled, table
from controller.cli.failure import Exit, Failure, refused
from controller.cli.options import RATIO, with_output
from controller.rollout.plan import Plan, WhenUndecided
from controller.rollout.rehearsal import Ending, Load, Outcome, Rehearsal, rehearse
from controller.roster import judge_of, plan_of
from controller.settings.agent import AgentSettings
from controller.settings.loading import load
from controller.settings.problem import SettingsError

BINS = 12
BAR_COLUMNS = 40


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the judge, the way, and who suffers what."""

    judge: Judge
    plan: Plan
    objective: str
    stable_bad: float
    candidate_bad: float
    requests_per_s: float

    def load(self, candidate_bad: float) -> Load:
        """The traffic of a candidate that is this bad. Indicators that are not in question see no bad event."""
        trouble = next(each.indicator for each in self.judge.objectives if each.name == self.objective)
        quiet = {each.indicator: 0.0 for each in self.judge.objectives}
        stable, candidate = quiet | {trouble: self.stable_bad}, quiet | {trouble: candidate_bad}
        return Load(self.requests_per_s, stable, candidate)

    @property
    def stops(self) -> tuple[tuple[float, float], ...]:
        """(the candidate's percent, how long it is held) of each step, and of the bake."""
        steps = ((each.split.candidate_bp or each.split.mirror_bp, each.hold_s) for each in self.plan.steps)
        return tuple((share_bp / 100, hold_s) for share_bp, hold_s in (*steps, (WHOLE_BP, self.plan.bake_s)) if hold_s)


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("agent")
@click.option("--stable-bad", type=RATIO, default="0.5%", show_default=True, help="Stable's bad fraction.")
@click.option("--candidate-bad", type=RATIO, default="2%", show_default=True, help="The candidate's bad fraction.")
@click.option(
    "--rate",
    type=click.FloatRange(0.01, 100_000),
    default=10.0,
    show_default=True,
    help="Requests per second, both tracks together.",
)
@click.option("--objective", help="The objective that is put to the test.  [default: the agent's first]")
@click.option(
    "--runs", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many rollouts of each kind."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same answer.")
@with_output
def simulate(  # noqa: PLR0917 - click gives them by name
    config: Path,
    agent: str,
    stable_bad: float,
    candidate_bad: float,
    rate: float,
    objective: str | None,
    runs: int,
    seed: int,
    output: str,
) -> None:
    """Simulate rollouts of AGENT under the settings in CONFIG, with the code that decides in production.

    Holds, deadlines and the bake are played too. Gateways confirm and people approve at once. Requests are independent
    of one another, which real ones are not quite: read it as the best case.
    """
    settings = _agent(config, agent)
    judge = judge_of(settings)
    if judge is None:
        raise Failure(
            "invalid",
            f"{agent} has no objectives, so nothing would be caught.",
            where=str(config),
            remedy="Add some under spec.objectives.",
            exit_code=Exit.REFUSED,
        )
    names = [each.name for each in judge.objectives]
    if objective not in (None, *names):
        raise click.BadParameter(f"{agent} has no such objective; it has {', '.join(names)}.", param_hint="--objective")
    question = Question(judge, plan_of(settings), objective or names[0], stable_bad, candidate_bad, rate)
    chance = random.Random(seed)  # noqa: S311 - a simulation that can be repeated, not a secret
    try:
        bad = _runs(question, candidate_bad, chance, runs, "a bad candidate")
        good = Outcome.of(_runs(question, stable_bad, chance, runs, "a good candidate"))
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    caught = Outcome.of(bad)
    if not show(_document(agent, question, seed, caught, good, bad), output):
        _tell(console(), agent, question, caught, good, bad)


def _runs(question: Question, candidate_bad: float, chance: random.Random, runs: int, label: str) -> list[Rehearsal]:
    """The runs one by one, with a bar on standard error when that is a terminal."""
    load = question.load(candidate_bad)
    with click.progressbar(range(runs), label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        return [rehearse(question.judge, question.plan, load, chance) for _ in bar]


def _agent(config: Path, name: str) -> AgentSettings:
    try:
        agents = load(config).agents
    except SettingsError as error:
        raise refused(error, where=str(config)) from error
    if name not in agents:
        remedy = f"The agents are: {', '.join(agents) or 'none'}."
        raise Failure(
            "not-found", f"There is no agent {name!r}.", where=str(config), remedy=remedy, exit_code=Exit.REFUSED
        )
    return agents[name]


def _breaches_s(ended: Sequence[Rehearsal]) -> list[float]:
    return [each.end_s for each in ended if each.ending is Ending.BREACH]


def histogram(seconds: Sequence[float], bins: int = BINS) -> list[tuple[float, float, int]]:
    """(from, to, how many) over equal spans from 0 to the largest; empty of nothing."""
    if not seconds:
        return []
    width = (max(seconds) or 1.0) / bins
    counts = [0] * bins
    for value in seconds:
        counts[min(int(value / width), bins - 1)] += 1
    return [(index * width, (index + 1) * width, count) for index, count in enumerate(counts)]


def _document(
    agent: str, question: Question, seed: int, caught: Outcome, good: Outcome, bad: Sequence[Rehearsal]
) -> dict[str, Any]:
    return {
        "agent": agent,
        "objective": question.objective,
        "stable_bad_percent": round(question.stable_bad * 100, 6),
        "candidate_bad_percent": round(question.candidate_bad * 100, 6),
        "requests_per_s": question.requests_per_s,
        "steps": [{"candidate_percent": percent, "hold_s": hold_s} for percent, hold_s in question.stops],
        "undecided": question.plan.undecided.value,
        "progress_deadline_s": question.plan.progress_deadline_s,
        "alpha_percent": round(question.judge.alpha * 100, 6),
        "seed": seed,
        "bad_candidate": caught.to_record(),
        "good_candidate": good.to_record(),
        "seconds_to_rollback": [
            {"from_s": round(low, 3), "to_s": round(high, 3), "runs": count}
            for low, high, count in histogram(_breaches_s(bad))
        ],
    }


def _tell(
    out: Console, agent: str, question: Question, caught: Outcome, good: Outcome, bad: Sequence[Rehearsal]
) -> None:
    steps = ", ".join(f"{percent:g} % for {lasting(hold_s)}" for percent, hold_s in question.stops)
    out.print(styled(f"{agent}: objective {question.objective}, {question.requests_per_s:g} requests/s, {steps}"))
    deadline = f"goes back when undecided {lasting(question.plan.progress_deadline_s)} after its hold"
    then = {
        WhenUndecided.HOLD: f"a step waits for evidence, and {deadline}",
        WhenUndecided.ASK: "a step that is undecided after its hold asks a person, who here says yes at once",
        WhenUndecided.ADVANCE: "a step that is undecided after its hold goes on",
    }
    out.print(styled(then[question.plan.undecided]))
    out.print()
    out.print(_table(question, caught, good))
    out.print()
    if caught.seconds_to_breach_median is not None:
        exposed = caught.requests_to_breach_median
        out.print(
            styled(f"The bad one breaches after {lasting(caught.seconds_to_breach_median)} and {exposed:g} requests.")
        )
    if good.seconds_to_promotion_median is not None:
        out.print(styled(f"The good one is promoted after {lasting(good.seconds_to_promotion_median)}."))
    if good.undecided_step is not None:
        out.print(
            styled(
                f"The good one lacks evidence, mostly at step {good.undecided_step + 1}: give it a larger weight, "
                "progressDeadline more time, or use undecided: ask."
            )
        )
    out.print(
        styled(
            f"Medians of {caught.runs} rollouts each. False alarms: {fraction(good.breach)} here; "
            f"the settings promise at most {fraction(question.judge.alpha)}."
        )
    )
    _tell_times(out, _breaches_s(bad))


def _table(question: Question, caught: Outcome, good: Outcome) -> Table:
    """One line for each candidate, one column for each ending."""
    asks = question.plan.undecided is WhenUndecided.ASK
    back = ("back: breach", "back: undecided", "back: no data", "back: both bad")
    told = table("candidate", "bad", "promoted", *back, *(["a person asked"] if asks else []))
    for name, share, outcome in (
        ("bad", question.candidate_bad, caught),
        ("as good as stable", question.stable_bad, good),
    ):
        endings = (outcome.promoted, outcome.breach, outcome.undecided, outcome.no_data, outcome.common_cause)
        told.add_row(name, fraction(share), *map(fraction, endings), *([fraction(outcome.asked)] if asks else []))
    return told


def _tell_times(out: Console, seconds: Sequence[float]) -> None:
    """A bar for each span of time."""
    spans = histogram(seconds)
    if not spans:
        return
    out.print()
    out.print(styled("time from the bad candidate's first request to its breach:"))
    most = max(count for _, _, count in spans)
    for low, high, count in spans:
        bar = "█" * max(round(count / most * BAR_COLUMNS), 1 if count else 0)
        out.print(styled(f"{lasting(low):>12} to {lasting(high):<12} {bar} {count or ''}".rstrip()))
