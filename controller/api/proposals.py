"""Proposals: what an evolution pipeline submits, and what its reviewers say to it."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from adapters.port import Version
from controller.errors import ConflictError, NotFoundError
from controller.evolution.proposal import Proposal
from controller.journal.errors import JournalError
from controller.rollout.events import Approved, Rejected, Submitted, Superseded
from controller.rollout.machine import step
from controller.rollout.state import RESTING, UNSERVED, Phase, State
from controller.runtime.driver import Driver

from .access import Right
from .agents import StepTold, steps_of
from .asking import ask
from .context import Pool
from .errors import BadRequestError, KeyReusedError
from .known import PROPOSALS_MAX, Known
from .operation import Answer, Call, Operation
from .shape import DIGITS, Digest, Name, Nothing, Query, Reasoned, Told, VersionAsked, VersionTold, utc

KEY_HEADER = "Idempotency-Key"
KEY_CHARS_MAX = 255


class ProposalAsked(VersionAsked):
    """A candidate version with its evidence."""

    agent: Name
    """Whose candidate it is."""
    verification_score: Annotated[float, Field(ge=0, le=1)] | None = None
    """What the pipeline's own verification gave, from 0 to 1."""
    summary: Annotated[str, Field(max_length=1000)] = ""
    """What changed and why, for the reviewer."""


class Consented(Reasoned):
    """A person's yes to exactly what they read."""

    digest: Annotated[str, Field(min_length=1, max_length=256)]
    """The proposal's digest."""


class Declined(Reasoned):
    """A person's no."""

    digest: Digest = ""
    """The proposal's digest; if it is given, it must be this proposal's."""


class ProposalTold(Told):
    """One proposal."""

    id: str
    agent: str
    phase: Phase
    reason: str
    """Why it is there."""
    candidate: VersionTold
    digest: str
    """What a consent must name: it covers the candidate, its evidence, and the way it is rolled out."""
    verification_score: float | None
    summary: str
    submitted_at: datetime
    submitted_by: str
    updated_at: datetime
    steps: list[StepTold]
    bake_s: float


class ProposalsTold(Told):
    """The newest proposals, newest first."""

    proposals: list[ProposalTold]


class ProposalsQuery(Query):
    """Which, and how many."""

    agent: Name | None = None
    """Only this agent's."""
    limit: Annotated[int, Field(ge=1, le=PROPOSALS_MAX), DIGITS] = 50
    """At most so many."""


def tell(known: Known) -> ProposalTold:
    """A proposal, to be told."""
    return ProposalTold(
        id=known.id,
        agent=known.agent,
        phase=known.phase,
        reason=known.reason,
        candidate=VersionTold.of(known.candidate),
        digest=known.digest,
        verification_score=known.score,
        summary=known.summary,
        submitted_at=utc(known.submitted_at_s),
        submitted_by=known.submitted_by,
        updated_at=utc(known.updated_at_s),
        steps=steps_of(known.plan),
        bake_s=known.plan.bake_s,
    )


def _states(call: Call) -> list[State]:
    return [driver.state for driver in call.context.fleet.drivers.values()]


async def _find(call: Call, proposal: str) -> Known:
    """A proposal; one that an agent still knows needs no journal, so that a no is answered though the disk fails."""
    trouble: JournalError | None = None
    try:
        await call.desk.proposals.catch_up(call.context.journal)
    except JournalError as error:
        trouble = error
    known = call.desk.proposals.find(proposal, _states(call))
    if known is None:
        if trouble is not None:
            raise trouble
        raise NotFoundError("There is no such proposal among the newest.", remedy="Look into the journal.")
    return known


async def _list(call: Call, asked: ProposalsQuery) -> ProposalsTold:
    await call.desk.proposals.catch_up(call.context.journal)
    known = call.desk.proposals.all(_states(call)).values()
    wanted = [found for found in known if asked.agent in (None, found.agent)]
    newest = sorted(wanted, key=lambda found: found.submitted_at_s, reverse=True)[: asked.limit]
    return ProposalsTold(proposals=[tell(found) for found in newest])


async def _show(call: Call, _: Nothing) -> ProposalTold:
    return tell(await _find(call, call.request.match_info["id"]))


async def _submit(call: Call, asked: ProposalAsked) -> Answer:
    driver = call.context.fleet.driver(asked.agent)
    proposal = Proposal(asked.agent, asked.as_version(), asked.verification_score, asked.summary)
    name = _id(call)
    async with call.desk.proposing:
        known = await _submitted_before(call, name)
        if known is None:
            await _submit_anew(call, driver, proposal, name)
        elif _content(known) != (proposal.agent, proposal.candidate, proposal.score, proposal.summary):
            raise KeyReusedError(
                f"This {KEY_HEADER} came with another proposal before: {known.id}.", remedy="Use a new key."
            )
    return Answer(tell(await _find(call, name)), {"Location": f"/v1/proposals/{name}"})


async def _submitted_before(call: Call, name: str) -> Known | None:
    if KEY_HEADER not in call.request.headers:
        return None
    await call.desk.proposals.catch_up(call.context.journal)
    return call.desk.proposals.find(name, _states(call))


async def _submit_anew(call: Call, driver: Driver, proposal: Proposal, name: str) -> None:
    """Submit it in the place of one that was never served, if there is one and if the new one fits."""
    plan, now_s = driver.profile.plan, call.context.now_s()
    submitted = Submitted(
        now_s=now_s,
        actor=call.actor,
        reason=proposal.summary,
        rollout_id=name,
        candidate=proposal.candidate,
        plan=plan,
        digest=proposal.digest(plan),
        score=proposal.score,
    )
    if driver.state.phase in UNSERVED:
        superseded = Superseded(now_s=now_s, actor=call.actor, seen=driver.state.changes)
        after, _ = step(driver.state, superseded)
        step(after, submitted)  # refuses here what would be refused after the old one is gone
        await ask(call, driver, superseded)
    await ask(call, driver, submitted)


def _id(call: Call) -> str:
    """A new id; or the one that belongs to the asker's key, so that the journal itself remembers keys."""
    key = call.request.headers.get(KEY_HEADER)
    if key is None:
        return f"p{secrets.token_hex(8)}"
    if not (key.isascii() and key.isprintable() and 0 < len(key) <= KEY_CHARS_MAX):
        raise BadRequestError(f"{KEY_HEADER} must have 1 to {KEY_CHARS_MAX} printable ASCII characters.")
    whose = f"{call.actor}\0{key}"
    return f"p{hashlib.sha256(whose.encode()).hexdigest()[:16]}"


def _content(known: Known) -> tuple[str, Version, float | None, str]:
    return known.agent, known.candidate, known.score, known.summary


async def _approve(call: Call, asked: Consented) -> ProposalTold:
    driver = await _open(call, asked.digest)
    now_s, seen = call.context.now_s(), driver.state.changes
    event = Approved(now_s=now_s, actor=call.actor, reason=asked.reason, digest=asked.digest, seen=seen)
    await ask(call, driver, event)
    return await _show(call, Nothing())


async def _reject(call: Call, asked: Declined) -> ProposalTold:
    driver = await _open(call, asked.digest)
    now_s, seen = call.context.now_s(), driver.state.changes
    await ask(call, driver, Rejected(now_s=now_s, actor=call.actor, reason=asked.reason, seen=seen))
    return await _show(call, Nothing())


async def _open(call: Call, digest: str) -> Driver:
    """The driver of an agent whose proposal this is, while it can be decided upon. Needs no journal."""
    name = call.request.match_info["id"]
    for driver in call.context.fleet.drivers.values():
        state = driver.state
        if state.rollout is not None and state.rollout.id == name and state.phase not in RESTING:
            if digest not in ("", state.rollout.digest):
                raise ConflictError(
                    f"{digest} is not the digest of proposal {name}: that is {state.rollout.digest}.",
                    remedy="Read the proposal again, and decide upon its digest.",
                )
            return driver
    known = await _find(call, name)
    raise ConflictError(
        f"Proposal {name} is over: {known.phase.value}{f', because {known.reason}' if known.reason else ''}.",
        remedy="Propose the version anew.",
    )


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="POST",
        path="/v1/proposals",
        name="propose",
        summary="Submit a candidate version",
        handle=_submit,
        asks=ProposalAsked,
        right=Right.STEER,
        pool=Pool.STEER,
        in_body=True,
        told=ProposalTold,
        status=201,
        headers={KEY_HEADER: {"type": "string", "pattern": "^[ -~]{1,255}$"}},
    ),
    Operation(
        method="GET",
        path="/v1/proposals",
        name="listProposals",
        summary="The newest proposals",
        handle=_list,
        asks=ProposalsQuery,
        told=ProposalsTold,
    ),
    Operation(
        method="GET",
        path="/v1/proposals/{id}",
        name="getProposal",
        summary="One proposal",
        handle=_show,
        asks=Nothing,
        told=ProposalTold,
    ),
    Operation(
        method="POST",
        path="/v1/proposals/{id}/approve",
        name="approveProposal",
        summary="Consent to a proposal, or agree that it leaves its step",
        handle=_approve,
        asks=Consented,
        right=Right.CONSENT,
        pool=Pool.STEER,
        in_body=True,
        told=ProposalTold,
    ),
    Operation(
        method="POST",
        path="/v1/proposals/{id}/reject",
        name="rejectProposal",
        summary="Refuse a proposal; one that is served goes back",
        handle=_reject,
        asks=Declined,
        right=Right.CONSENT,
        pool=Pool.STEER,
        in_body=True,
        told=ProposalTold,
    ),
)
