"""`turnout propose`, `approve`, `reject`: a candidate on its way into service, and the people who let it."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click

from controller.cli.connection import Connection, connect, segment
from controller.cli.console import UNKNOWN, console, fraction, lasting, show, styled, table
from controller.cli.failure import Exit, Failure
from controller.cli.options import Target, with_reason, with_target, with_version
from controller.cli.picture import Agent, Proposal, Rollout, read
from controller.cli.sentence import say_agent, say_proposal

CONSENT = "awaiting-consent"


@click.command()
@click.argument("agent")
@click.argument("version")
@with_version
@click.option("--verification-score", type=click.FloatRange(0, 1), help="The pipeline's own verdict, 0 to 1.")
@click.option("--summary", default="", help="What changed and why, for the reviewer.")
@with_target
def propose(
    agent: str,
    version: str,
    verification_score: float | None,
    summary: str,
    target: Target,
    output: str,
    **build: Any,  # noqa: ANN401 - click's
) -> None:
    """Propose VERSION as AGENT's candidate, to be brought in step by step as its settings say."""
    if not build["endpoints"]:
        raise click.UsageError("Name at least one --endpoint of the version.")
    body = {"agent": agent, "version": version, **build, "verification_score": verification_score, "summary": summary}
    asyncio.run(_propose(target, body, output))


async def _propose(target: Target, body: dict[str, Any], output: str) -> None:
    async with connect(target) as connection:
        answer = await connection.post("/v1/proposals", body)
    if not show(answer, output):
        say_proposal(answer)


@click.command()
@click.argument("agent")
@click.option("--digest", default="", help="The digest of what you have reviewed; without it you are shown, and asked.")
@with_reason
@with_target
def approve(agent: str, digest: str, reason: str, target: Target, output: str) -> None:
    """Consent to AGENT's proposal; or, once it has traffic, to leaving the step that asks for a person.

    Consent is bound to the digest of exactly what was reviewed. Without a terminal, --digest must say which that is.
    """
    asyncio.run(_approve(target, agent, digest, reason, output))


async def _approve(target: Target, agent: str, digest: str, reason: str, output: str) -> None:
    async with connect(target) as connection:
        rollout, phase = await _under_way(connection, agent)
        if phase != CONSENT:
            _same(agent, rollout, digest)
            answer = await connection.post(f"/v1/agents/{segment(agent)}/approve", {"reason": reason})
        else:
            path = f"/v1/proposals/{segment(rollout.id)}"
            digest = digest or _asked(read(Proposal, await connection.get(path)))
            answer = await connection.post(f"{path}/approve", {"digest": digest, "reason": reason})
    if not show(answer, output):
        (say_proposal if phase == CONSENT else say_agent)(answer)


@click.command()
@click.argument("agent")
@click.option("--digest", default="", help="The digest of what you have reviewed; another proposal is not rejected.")
@with_reason
@with_target
def reject(agent: str, digest: str, reason: str, target: Target, output: str) -> None:
    """Refuse AGENT's proposal. One that has traffic already is rolled back."""
    asyncio.run(_reject(target, agent, digest, reason, output))


async def _reject(target: Target, agent: str, digest: str, reason: str, output: str) -> None:
    async with connect(target) as connection:
        rollout, _ = await _under_way(connection, agent)
        body = {"reason": reason} | ({"digest": digest} if digest else {})
        answer = await connection.post(f"/v1/proposals/{segment(rollout.id)}/reject", body)
    if not show(answer, output):
        say_proposal(answer)


async def _under_way(connection: Connection, name: str) -> tuple[Rollout, str]:
    """The agent's rollout and phase. Raises :class:`Failure` if there is none to speak of."""
    agent = read(Agent, await connection.get(f"/v1/agents/{segment(name)}"))
    if agent.rollout is None or not agent.rollout.active:
        raise Failure(
            "conflict",
            f"{name}: there is no proposal to decide on; it is {agent.phase}.",
            remedy=f"Look with `turnout status {name}`.",
            exit_code=Exit.REFUSED,
        )
    return agent.rollout, agent.phase


def _same(agent: str, rollout: Rollout, digest: str) -> None:
    if digest and digest != rollout.digest:
        raise Failure(
            "conflict",
            f"{agent}: the approval names {digest}, the proposal is {rollout.digest}.",
            remedy="Read the proposal again, and approve its digest.",
            exit_code=Exit.REFUSED,
        )


def _asked(proposal: Proposal) -> str:
    """Show what would be approved, and ask; the digest of what was shown."""
    if not reads_a_person():
        raise click.UsageError(f"Without a terminal, name what you have reviewed: --digest {proposal.digest}")
    out = console(sys.stderr)
    out.print(describe(proposal))
    click.confirm("Approve exactly this?", abort=True, err=True)
    return proposal.digest


def reads_a_person() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


def describe(proposal: Proposal) -> Any:  # noqa: ANN401 - rich's
    """All that a consent is about."""
    shown = table("", "")
    shown.show_header = False
    steps = [
        f"{stop.candidate_percent or stop.mirror_percent:g} % for {lasting(stop.hold_s)}{', asks' * stop.approval}"
        for stop in proposal.steps
    ]
    facts = {
        "agent": proposal.agent,
        "version": proposal.candidate.version,
        "endpoints": ", ".join(proposal.candidate.endpoints),
        "build": proposal.candidate.digest or UNKNOWN,
        "score": fraction(proposal.verification_score),
        "summary": proposal.summary,
        "steps": " → ".join([*steps, f"100 % for {lasting(proposal.bake_s)}"]),
        "proposed by": proposal.submitted_by,
        "digest": proposal.digest,
    }
    for name, value in facts.items():
        shown.add_row(name, styled(value))
    return shown
