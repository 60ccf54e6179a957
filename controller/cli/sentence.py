"""One line about an agent or a proposal, after something was done to it."""

from __future__ import annotations

from typing import Any

from controller.cli.console import console, styled
from controller.cli.picture import Agent, Proposal, read


def say_agent(answer: Any) -> None:  # noqa: ANN401 - JSON
    """Where an agent stands now."""
    console().print(styled(about_agent(read(Agent, answer))))


def say_proposal(answer: Any) -> None:  # noqa: ANN401 - JSON
    """Where a proposal stands now."""
    console().print(styled(about_proposal(read(Proposal, answer))))


def about_agent(agent: Agent) -> str:
    """Who gets what, who has confirmed it, and where the rollout is."""
    if agent.candidate is None:
        split = f"everything to stable {agent.stable.version}"
    else:
        split = f"{agent.wanted} to candidate {agent.candidate.version}, the rest to stable {agent.stable.version}"
    confirmed = [link.gateway for link in agent.gateways if link.up_to_date]
    waiting = [link.gateway for link in agent.gateways if not link.up_to_date]
    parts = [f"confirmed by {', '.join(confirmed)}"] if confirmed else []
    parts += [f"not yet by {', '.join(waiting)}"] if waiting else []
    return f"{agent.name}: {split}; {', '.join(parts) or 'no gateway'}. {agent.phase}, change {agent.change}."


def about_proposal(proposal: Proposal) -> str:
    """What is proposed, where it is, and what a consent must name."""
    why = f" ({proposal.reason})" if proposal.reason else ""
    head = f"{proposal.id}: {proposal.agent} {proposal.candidate.version} is {proposal.phase}{why}."
    return f"{head} digest {proposal.digest}"
