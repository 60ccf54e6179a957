"""Outcomes that agents push: what became of their requests, where no gateway can tell."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from controller.analysis.indicators import Counts
from controller.errors import ConflictError
from controller.metrics.outcomes import Outcome, Taken
from controller.runtime.driver import Driver

from .access import Right
from .context import Pool
from .operation import Call, Operation
from .shape import Asked, Build, Name, Told

OUTCOMES_MAX = 256
"""Per batch."""


def _whole(value: object) -> object:
    """In JSON 8 and 8.0 are one number, and an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count = Annotated[int, Field(ge=0, le=1_000_000_000), BeforeValidator(_whole)]


class OutcomeAsked(Asked):
    """What became of some of a version's requests, since the batch before."""

    version: Build
    """The version that answered them."""
    metric: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,63}$")]
    """An objective's indicator, such as ``task_failed``, ``unsafe`` or ``over_budget``."""
    requests: Count
    """Requests whose outcome is known, good and bad."""
    bad: Count
    """Those of them that were bad; not more than ``requests``."""


class BatchAsked(Asked):
    """What an agent has seen since its last batch. Sent again, whole and unchanged, until it is answered."""

    agent: Name
    """Which agent."""
    key: Annotated[str, Field(pattern="^[0-9A-Za-z._:/-]{1,128}$")]
    """This batch's own, such as the instance's name and a count. A batch is counted once, however often it comes."""
    at_s: Annotated[float, Field(ge=0, le=1e11)]
    """When the batch was made, in seconds since the epoch; the same whenever it is sent again."""
    outcomes: Annotated[tuple[OutcomeAsked, ...], Field(max_length=OUTCOMES_MAX)]
    """Any order, any versions."""


class BatchTold(Told):
    """What became of a batch. Whichever it is, it need not be sent again."""

    result: Taken
    """``counted``; ``known``: it was counted before; ``late``: it may have been, and is left out."""
    ignored: list[str]
    """What of it is never looked at, and why: versions that play no track, metrics that are no objective's."""


async def _push(call: Call, asked: BatchAsked) -> BatchTold:
    driver = call.context.fleet.driver(asked.agent)
    for index, outcome in enumerate(asked.outcomes):
        if outcome.bad > outcome.requests:  # two fields at odds: each alone is valid, so it is no 422
            raise ConflictError(
                f"outcomes[{index}].bad is more than requests: {outcome.bad} of {outcome.requests}.",
                remedy="Count bad requests among requests; nothing of this batch was taken.",
            )
    versions, metrics = _versions(driver), _metrics(driver)
    heard = [
        Outcome(each.version, each.metric, Counts(each.requests, each.bad))
        for each in asked.outcomes
        if each.version in versions and each.metric in metrics
    ]
    strangers = sorted({each.version for each in asked.outcomes} - versions)
    unasked = sorted({each.metric for each in asked.outcomes} - metrics)
    result = call.context.outcomes.take(asked.agent, asked.key, asked.at_s, heard, call.context.now_s())
    return BatchTold(
        result=result,
        ignored=[f"version {name} plays no track" for name in strangers]
        + [f"metric {name} is no objective's indicator" for name in unasked],
    )


def _versions(driver: Driver) -> set[str]:
    state = driver.state
    known = (state.stable, state.candidate, state.previous, *(drain.version for drain in state.drains))
    return {version.name for version in known if version is not None}


def _metrics(driver: Driver) -> set[str]:
    judge = driver.profile.judge
    return {objective.indicator for objective in judge.objectives} if judge else set()


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="POST",
        path="/v1/outcomes",
        name="pushOutcomes",
        summary="Push what became of an agent's requests",
        handle=_push,
        asks=BatchAsked,
        told=BatchTold,
        right=Right.REPORT,
        pool=Pool.REPORT,
        in_body=True,
    ),
)
