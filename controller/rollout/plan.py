"""What a rollout intends to do: its steps, and how long it is ready to wait for what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from adapters.port import WHOLE_BP, Split


class WhenUndecided(StrEnum):
    """What a step does when its hold is over and the evidence decides neither way."""

    HOLD = "hold"
    ASK = "ask"
    ADVANCE = "advance"


class OnDrift(StrEnum):
    """What is done when somebody has changed a gateway by hand.

    ``ASK``: a rollout pauses, and what was changed stays until a person resumes it or rolls back; where there is no
    rollout to pause it is taken over. ``TAKE_OVER``: what was decided is applied again. ``GIVE_WAY``: what was changed
    stays, until something else is to be applied. On the way back nothing is asked, and nobody given way to.
    """

    ASK = "ask"
    TAKE_OVER = "take-over"
    GIVE_WAY = "give-way"


@dataclass(frozen=True, slots=True)
class Step:
    """One stop on the way to the whole traffic.

    Attributes:
        split: what every gateway must confirm before the hold begins.
        hold_s: how long the step is watched at least, from its confirmation.
        approval: whether a person must agree before the next step.
    """

    split: Split
    hold_s: float
    approval: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole way of one rollout, fixed when it is submitted, so that what was consented to is what happens.

    Attributes:
        steps: what follows the last one is promotion; without any (blue-green) the candidate gets everything at once.
        bake_s: how long the candidate is watched at 100 % before it becomes stable.
        keep_s: how long the old version stays ready for an instant return after promotion.
        progress_deadline_s: whatever is not answered, confirmed or decided this long after it was due ends the rollout.
        approval_timeout_s: a person who is asked and does not answer within this means no.
        no_data_deadline_s: how long a step may be without data before it goes back.
        undecided: see :class:`WhenUndecided`.
        watched: whether there are objectives; without any, steps advance by time alone.
        consent: whether a person must agree before anything is served.
    """

    steps: tuple[Step, ...] = ()
    bake_s: float = 0.0
    keep_s: float = 0.0
    progress_deadline_s: float = 600.0
    approval_timeout_s: float = 3600.0
    no_data_deadline_s: float = 120.0
    undecided: WhenUndecided = WhenUndecided.HOLD
    watched: bool = True
    consent: bool = False

    def bp_max(self, step: int) -> int:
        """The most that the candidate may have at ``step``; past the last one, everything."""
        return self.steps[step].split.candidate_bp if step < len(self.steps) else WHOLE_BP
