"""What a proposal must bring before a person is asked or a gateway is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Gate:
    """The operator's conditions.

    Attributes:
        score_min: the least verification score, from 0 to 1; 0 asks for none.
        interval_min_s: the least time between the beginnings of two rollouts of one agent.
    """

    score_min: float = 0.0
    interval_min_s: float = 0.0


def refusal(gate: Gate, *, score: float | None, last_served_at_s: float | None, now_s: float) -> str | None:
    """Why the proposal may not go on; None if it may.

    Args:
        gate: the conditions.
        score: what the pipeline's own verification gave; None when it gave nothing, which is not enough.
        last_served_at_s: when a candidate of this agent was last brought to a gateway; None if never.
        now_s: seconds since the epoch.
    """
    if gate.score_min > 0 and (score is None or not score >= gate.score_min):  # not a number is not enough
        said = "no verification score" if score is None else f"a verification score of {score:g}"
        return f"it has {said}, and {gate.score_min:g} is asked for"
    if last_served_at_s is not None and now_s - last_served_at_s < gate.interval_min_s:
        wait_s = gate.interval_min_s - (now_s - last_served_at_s)
        return f"the last rollout began too recently: wait another {ceil(wait_s)} s"
    return None
