"""What traffic the settings ask for: a step that is never decided for want of requests takes a good candidate back."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.port import WHOLE_BP, Split
from controller.analysis.demand import requests_until_shown
from controller.cli.console import lasting
from controller.rollout.plan import WhenUndecided
from controller.roster import judge_of, plan_of
from controller.settings.agent import AgentSettings
from controller.settings.consistency import STEPS
from controller.settings.loading import Settings
from controller.settings.problem import Problem

ORDINARY_REQUESTS_PER_S = 10.0
"""Settings that need no more than this are not doubted; it is what `turnout simulate` takes where no rate is given."""


def demanding(settings: Settings) -> Iterator[Problem]:
    """The agents whose candidates need more than ordinary traffic to be shown healthy in time.

    Evidence is kept from step to step, so whoever passes the first one is not held up by the next. Where a step that is
    undecided asks a person, or goes on, nothing goes back for want of evidence.
    """
    for name, agent in settings.agents.items():
        if (doubt := _doubt(agent)) is None:
            continue
        path = (*STEPS, 0, "weight") if agent.spec.strategy.steps else ("spec", "objectives")
        yield settings.documents["Agent", name].problem(path, *doubt)


def _doubt(agent: AgentSettings) -> tuple[str, str] | None:
    """What is doubtful, and what to do; None where nothing is."""
    judge, plan = judge_of(agent), plan_of(agent)
    if judge is None or plan.undecided is not WhenUndecided.HOLD or not plan.steps:
        return None
    first = plan.steps[0]
    share = (first.split.candidate_bp or first.split.mirror_bp) / WHOLE_BP
    requests = requests_until_shown(judge, _stable_per_candidate(first.split))
    if requests is None:
        message = "no number of requests shows that these objectives hold: every rollout goes back undecided."
        return message, "Give each of them a max above 0 %, or use undecided: ask."
    within_s = first.hold_s + plan.progress_deadline_s
    rate = requests / (share * within_s)
    if rate <= ORDINARY_REQUESTS_PER_S:
        return None
    message = (
        f"at {share * 100:g} % this step needs about {rate:.2g} requests/s in all to be decided within hold + "
        f"progressDeadline ({lasting(within_s)}): {requests} of the candidate without a fault, more with some."
    )
    return message, "With less traffic raise the weight or progressDeadline, or use undecided: ask."


def _stable_per_candidate(split: Split) -> float:
    """Stable's requests for each of the candidate's: a copy is not taken from stable."""
    if split.mirror_bp:
        return WHOLE_BP / split.mirror_bp
    return (WHOLE_BP - split.candidate_bp) / split.candidate_bp
