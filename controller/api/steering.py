"""Steering an agent: its split by hand, its candidate, and its rollout."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from adapters.port import Split
from controller.rollout import events

from .access import Right
from .agents import AgentTold, answer
from .asking import ask
from .context import Pool
from .operation import Answer, Call, Operation
from .shape import PercentBp, Reason, Reasoned, VersionAsked


class SplitAsked(Reasoned):
    """The candidate's share, to be set by hand."""

    candidate_percent: PercentBp
    """Of live requests, with up to two decimals. 0 takes everything back to stable, and drains."""


class CandidateAsked(VersionAsked):
    """A candidate to be guided by hand, with no rollout."""

    reason: Reason = ""
    """Why, for the journal and for whoever comes next."""


async def _split(call: Call, asked: SplitAsked) -> Answer:
    return await _do(
        call,
        events.SplitSet(
            now_s=call.context.now_s(),
            actor=call.actor,
            reason=asked.reason,
            seen=call.seen(),
            split=Split(asked.candidate_percent),
        ),
    )


async def _declare(call: Call, asked: CandidateAsked) -> Answer:
    return await _do(
        call,
        events.CandidateDeclared(
            now_s=call.context.now_s(),
            actor=call.actor,
            reason=asked.reason,
            seen=call.seen(),
            candidate=asked.as_version(),
        ),
    )


async def _withdraw(call: Call, asked: Reasoned) -> Answer:
    return await _do(
        call,
        events.CandidateDeclared(
            now_s=call.context.now_s(), actor=call.actor, reason=asked.reason, seen=call.seen(), candidate=None
        ),
    )


async def _do(call: Call, event: events.OperatorEvent) -> Answer:
    driver = call.driver()
    await ask(call, driver, event)
    return answer(driver, call.context.now_s())


def _plainly(kind: type[events.OperatorEvent]) -> Callable[[Call, Reasoned], Awaitable[Answer]]:
    """A handler for a command that says nothing but itself."""

    async def handle(call: Call, asked: Reasoned) -> Answer:
        return await _do(
            call, kind(now_s=call.context.now_s(), actor=call.actor, reason=asked.reason, seen=call.seen())
        )

    return handle


_VERBS: tuple[tuple[str, type[events.OperatorEvent], Right, str], ...] = (
    ("pause", events.PauseAsked, Right.STEER, "Hold the rollout where it is"),
    ("resume", events.ResumeAsked, Right.STEER, "Let the rollout go on"),
    ("skip", events.SkipAsked, Right.STEER, "Leave the step without its hold and its evidence"),
    ("promote", events.PromoteAsked, Right.STEER, "Skip the remaining steps; while it bakes, the rest of the bake"),
    ("rollback", events.RollbackAsked, Right.STEER, "Everything back to stable, now"),
    ("approve", events.Approved, Right.CONSENT, "Agree that the rollout leaves a step that asks for it"),
)


def _steers(method: str, path: str, name: str, summary: str, right: Right = Right.STEER, **more: Any) -> Operation[Any]:  # noqa: ANN401 - Operation checks its own fields
    return Operation(
        method=method,
        path=path,
        name=name,
        summary=summary,
        right=right,
        pool=Pool.STEER,
        in_body=True,
        told=AgentTold,
        conditional=True,
        **more,
    )


OPERATIONS: tuple[Operation[Any], ...] = (
    _steers("PUT", "/v1/agents/{name}/split", "setSplit", "Set the split by hand", handle=_split, asks=SplitAsked),
    _steers(
        "PUT",
        "/v1/agents/{name}/candidate",
        "declareCandidate",
        "Declare a candidate with no rollout",
        handle=_declare,
        asks=CandidateAsked,
    ),
    _steers(
        "DELETE",
        "/v1/agents/{name}/candidate",
        "withdrawCandidate",
        "Take the candidate away",
        handle=_withdraw,
        asks=Reasoned,
    ),
    *(
        _steers("POST", f"/v1/agents/{{name}}/{verb}", verb, summary, right, handle=_plainly(kind), asks=Reasoned)
        for verb, kind, right, summary in _VERBS
    ),
)
