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

from controller.analysis.simulate import Outcome, Run, Step, Traffic, run, summed_up
from controller.analysis.verdict import Judge
from controller.cli.console import UNKNOWN, console, fraction, lasting, show, styled, table
from controller.cli.failure import Exit, Failure, refused
from controller.cli.options import RATIO, with_output
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
    steps: tuple[Step, ...]
    objective: str
    stable_bad: float
    candidate_bad: float
    requests_per_s: float

    def traffic(self, candidate_bad: float) -> Traffic:
        """The traffic of a candidate that is this bad. Indicators that are not in question see no bad event."""
        trouble = next(each.indicator for each in self.judge.objectives if each.name == self.objective)
        quiet = {each.indicator: 0.0 for each in self.judge.objectives}
        stable, candidate = quiet | {trouble: self.stable_bad}, quiet | {trouble: candidate_bad}
        return Traffic(self.requests_per_s, self.steps, stable, candidate)


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

    Requests are independent of one another, which real ones are not quite: read it as the best case.
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
    question = Question(judge, _steps(settings), objective or names[0], stable_bad, candidate_bad, rate)
    try:
        trouble, calm = question.traffic(candidate_bad), question.traffic(stable_bad)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    chance = random.Random(seed)  # noqa: S311 - a simulation that can be repeated, not a secret
    bad = _runs(judge, trouble, chance, runs, "a bad candidate")
    good = summed_up(_runs(judge, calm, chance, runs, "a good candidate"), calm)
    caught = summed_up(bad, trouble)
    if not show(_document(agent, question, seed, caught, good, bad), output):
        _tell(console(), agent, question, caught, good, bad)


def _runs(judge: Judge, traffic: Traffic, chance: random.Random, runs: int, label: str) -> list[Run]:
    """The runs one by one, with a bar on standard error when that is a terminal."""
    with click.progressbar(range(runs), label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        return [run(judge, traffic, chance) for _ in bar]


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


def _steps(agent: AgentSettings) -> tuple[Step, ...]:
    """The way of a rollout, each step held exactly as long as it says, the bake at its end."""
    plan = plan_of(agent)
    steps = [Step((each.split.candidate_bp or each.split.mirror_bp) / 10_000, each.hold_s) for each in plan.steps]
    return tuple(step for step in (*steps, Step(1.0, plan.bake_s)) if step.hold_s > 0)


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
    agent: str, question: Question, seed: int, caught: Outcome, good: Outcome, bad: Sequence[Run]
) -> dict[str, Any]:
    return {
        "agent": agent,
        "objective": question.objective,
        "stable_bad_percent": round(question.stable_bad * 100, 6),
        "candidate_bad_percent": round(question.candidate_bad * 100, 6),
        "requests_per_s": question.requests_per_s,
        "steps": [{"candidate_percent": round(each.share * 100, 2), "hold_s": each.hold_s} for each in question.steps],
        "alpha_percent": round(question.judge.alpha * 100, 6),
        "seed": seed,
        "bad_candidate": caught.to_record(),
        "good_candidate": good.to_record(),
        "seconds_to_rollback": [
            {"from_s": round(low, 3), "to_s": round(high, 3), "runs": count}
            for low, high, count in histogram([each.end_s for each in bad if each.breached])
        ],
    }


def _tell(out: Console, agent: str, question: Question, caught: Outcome, good: Outcome, bad: Sequence[Run]) -> None:
    steps = ", ".join(f"{each.share * 100:g} % for {lasting(each.hold_s)}" for each in question.steps)
    out.print(styled(f"{agent}: objective {question.objective}, {question.requests_per_s:g} requests/s, {steps}"))
    out.print()
    told = table("candidate", "bad", "rolled back", "after (median)", "candidate requests (median)", "shown healthy")
    for name, share, outcome in (
        ("bad", question.candidate_bad, caught),
        ("as good as stable", question.stable_bad, good),
    ):
        exposed = outcome.candidate_requests_median
        told.add_row(
            name,
            fraction(share),
            fraction(outcome.rolled_back),
            UNKNOWN if outcome.seconds_median is None else lasting(outcome.seconds_median),
            UNKNOWN if exposed is None else f"{exposed:g}",
            fraction(outcome.shown_healthy),
        )
    out.print(told)
    out.print()
    out.print(
        styled(
            f"{caught.runs} rollouts each. False alarms: {fraction(good.rolled_back)} here; "
            f"the settings promise at most {fraction(question.judge.alpha)}."
        )
    )
    spans = histogram([each.end_s for each in bad if each.breached])
    if spans:
        out.print()
        out.print(styled("time from the bad candidate's first request to its rollback:"))
        most = max(count for _, _, count in spans)
        for low, high, count in spans:
            bar = "█" * max(round(count / most * BAR_COLUMNS), 1 if count else 0)
            out.print(styled(f"{lasting(low):>12} to {lasting(high):<12} {bar} {count or ''}".rstrip()))
