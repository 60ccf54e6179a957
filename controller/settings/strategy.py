"""How a candidate is brought in: step by step, all at once, as a test of two, or in the shadow of stable."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from controller.settings.address import CookieName, HeaderName
from controller.settings.problem import RefusedError
from controller.settings.quantity import duration, weight
from controller.settings.shape import Shape


class StepSpec(Shape):
    """One stop on the way to the whole traffic."""

    weight_bp: Annotated[int, weight()]
    """The candidate's share of live requests (with `mirror`: the share of stable's requests that is copied to it)."""
    hold_s: Annotated[float, duration("100ms", "30d")]
    """How long the step is watched at least, counted from when every gateway has confirmed it."""
    approval: Literal["required", "none"] = "none"
    """Whether a person must agree before the rollout goes on from this step."""


DEFAULT_STEPS = (
    StepSpec.model_validate({"weight": 10, "hold": "2m"}),
    StepSpec.model_validate({"weight": 25, "hold": "5m"}),
    StepSpec.model_validate({"weight": 50, "hold": "10m"}),
)


class StickinessSpec(Shape):
    """What keeps a session on its version: a header that clients send, or a cookie that the gateway sets."""

    header: HeaderName | None = None
    """A header that clients send with every request of a session."""
    cookie: CookieName | None = None
    """A cookie that the gateway sets when a client has none."""

    @model_validator(mode="after")
    def _one_of_both(self) -> StickinessSpec:
        if (self.header is None) == (self.cookie is None):
            raise RefusedError(None, "needs a header or a cookie, and not both", "Write {header: x-session-id}.")
        return self


class StrategySpec(Shape):
    """How a candidate is brought in."""

    type: Literal["canary", "blue-green", "ab", "mirror"] = "canary"
    """`canary` goes step by step, `blue-green` switches everything at once, `ab` compares at one fixed split, `mirror`
    sends copies of stable's requests to the candidate, whose answers nobody sees."""
    steps: Annotated[tuple[StepSpec, ...], Field(max_length=32)] = ()
    """The stops on the way, whose weights never fall. Without any, `canary` and `mirror` take 10 % for 2m, 25 % for
    5m and 50 % for 10m; `ab` needs exactly one; `blue-green` has none. At most 32: nobody watches more."""
    bake_s: Annotated[float, duration("0s", "30d")] = 600.0
    """How long the candidate is watched at 100 % before it becomes the stable version."""
    keep_s: Annotated[float, duration("0s", "30d")] = 3600.0
    """How long the old version stays ready for an instant return after a promotion."""
    stickiness: StickinessSpec | None = None
    """What keeps a session on its version. None divides each request by chance."""
    progress_deadline_s: Annotated[float, duration("1s", "30d")] = 3600.0
    """A step that is not confirmed by every gateway, or not decided, this long after its hold goes back: nothing stays
    half-way for ever. `turnout validate` warns where ordinary traffic does not decide the first step in time, and
    `turnout simulate` shows what becomes of it."""
    retries: Annotated[int, Field(ge=0, le=5)] = 0
    """How often the gateway may try a failed request again, on a newly drawn version. 0 by default, because a retry
    repeats what an agent may have done already. More than 5 turns an outage into a flood."""
    request_timeout_s: Annotated[float, duration("100ms", "1d")] | None = None
    """The longest that a request may take. None sets no limit, because agents stream."""

    def stops(self) -> tuple[StepSpec, ...]:
        """The steps that are taken, with the default ones where the strategy has some; empty for ``blue-green``."""
        return self.steps if self.steps or self.type == "blue-green" else DEFAULT_STEPS
