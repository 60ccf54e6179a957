"""What the nodes are offered of one agent, what may be offered instead, and whether a refusal may be about it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from adapters.port import ALL_STABLE, Assignment
from xds.acks import Refusal

from .translation import AgentResources

ROUTES = "rds"
"""The one response that is about every agent."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An assignment, as it was asked for, and the resources that were made of it."""

    assignment: Assignment
    resources: AgentResources


def without_candidate(assignment: Assignment) -> Assignment:
    """The least that an agent needs: its stable version, with all of the traffic."""
    return replace(assignment, candidate=None, draining=(), split=ALL_STABLE)


def is_reducible(assignment: Assignment) -> bool:
    """Whether there is anything that could be left out."""
    return assignment != without_candidate(assignment)


def is_way_back(assignment: Assignment) -> bool:
    """Whether no request is meant to go to a candidate."""
    return assignment.split == ALL_STABLE


def asks_no_less(wanted: Offer, refused: Offer) -> bool:
    """Whether whoever refused the one refuses the other: they are the same, or differ in a step's share alone."""
    if is_way_back(wanted.assignment):
        return wanted == refused
    same = replace(wanted.assignment, split=ALL_STABLE) == replace(refused.assignment, split=ALL_STABLE)
    return same and wanted.resources.clusters == refused.resources.clusters


def may_get_requests(assignment: Assignment) -> set[str]:
    """Names of the versions that get a share of what is new."""
    candidate = assignment.candidate
    return {assignment.stable.name} | ({candidate.name} if candidate and not is_way_back(assignment) else set())


def gives_no_more(earlier: Assignment, wanted: Assignment) -> bool:
    """Whether going back from ``wanted`` to ``earlier`` gives no candidate a request that ``wanted`` would not."""
    if earlier.stable.name != wanted.stable.name:
        return False
    if earlier.split == ALL_STABLE:
        return True
    return (
        earlier.candidate == wanted.candidate
        and earlier.split.candidate_bp <= wanted.split.candidate_bp
        and earlier.split.mirror_bp <= wanted.split.mirror_bp
    )


def concerns(refusal: Refusal, offer: Offer) -> bool:
    """Whether a refusal may be about what an agent is offered.

    Envoy names the clusters that it minds; where it does not, all that came together are under suspicion.
    """
    if refusal.type == ROUTES:
        return True
    minded = {name for name in refusal.names if name in refusal.error} or set(refusal.names)
    return any(resource.name in minded for resource in offer.resources.clusters)
