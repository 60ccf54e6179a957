"""What is demanded of an indicator, and how the objectives of an agent share the error that is allowed."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from controller.analysis.indicators import Indicator

GUARDRAIL_SHARES = 3
"""A guardrail's part of alpha for every one part of another objective."""


@dataclasses.dataclass(frozen=True, slots=True)
class Objective:
    """One objective.

    Attributes:
        name: the operator's word for it.
        indicator: whose bad fraction it limits.
        max: the largest bad fraction allowed, in 0..1 (1 exclusive); None: no absolute objective. 0 means never: the
            first bad event is a breach, and no number of good ones shows that there will be none.
        margin: by how much the candidate's bad fraction may exceed stable's, in 0..1 (1 exclusive); None: no relative
            objective.
        guardrail: safety; it gets the larger share of alpha, and promotion needs it shown.

    Raises:
        ValueError: no name, neither `max` nor `margin`, or one out of range.
    """

    name: str
    indicator: Indicator
    max: float | None = None
    margin: float | None = None
    guardrail: bool = False

    def __post_init__(self) -> None:
        if not self.name or not self.indicator:
            raise ValueError("an objective has a name and an indicator")
        if self.max is None and self.margin is None:
            raise ValueError(f"objective {self.name!r} demands nothing: give it a max, a margin, or both")
        for limit in (self.max, self.margin):
            if limit is not None and not 0.0 <= limit < 1.0:
                raise ValueError(f"objective {self.name!r}: {limit!r} is no fraction in [0, 1)")

    def to_record(self) -> dict[str, Any]:
        """As JSON."""
        return dataclasses.asdict(self)


def alpha_shares(objectives: Sequence[Objective], alpha: float) -> tuple[float, ...]:
    """Each objective's part of `alpha`, in order; they sum to it.

    A guardrail gets three times the part of another objective, however many there are of each.
    """
    parts = [GUARDRAIL_SHARES if objective.guardrail else 1 for objective in objectives]
    return tuple(alpha * part / sum(parts) for part in parts)
