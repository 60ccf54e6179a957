"""What a gateway can do, and what becomes there of what an agent's settings ask besides a split. Pure.

A gateway says it in its :class:`Capabilities`, and ``turnout validate`` tells people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Wish(StrEnum):
    """One such thing, in the settings' own words."""

    ROUTE = "route"
    STICKINESS = "stickiness"
    RETRIES = "retries"
    REQUEST_TIMEOUT = "requestTimeout"
    HTTP2 = "http2"
    OUTCOMES = "outcomes"
    """That what agents report in their answers (ORCA) is counted: ``Assignment.indicators``."""


BEYOND_WEIGHTS = frozenset({Wish.ROUTE, Wish.RETRIES, Wish.REQUEST_TIMEOUT, Wish.HTTP2, Wish.OUTCOMES})
"""What is a gateway's own configuration where servers and their weights are all that can be set."""

ShareGiven = Callable[[int, int, int], float]
"""From a share in basis points, and the number of stable's and of the candidate's endpoints, to the share that is
given, in basis points: 0 for a refusal, and never more than was asked, unless sessions are kept."""


def every_share(candidate_bp: int, stable_endpoints: int, candidate_endpoints: int) -> float:
    """What is given where every hundredth of a percent is, however many endpoints there are."""
    del stable_endpoints, candidate_endpoints
    return candidate_bp


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a gateway can do, so that ``turnout validate`` can warn of what a rollout asks in vain.

    Attributes:
        share_bp_min: the smallest share of traffic that it can give, with one endpoint on each track, in basis points.
        sees_in_flight: draining can watch requests end; otherwise it waits the whole deadline.
        cuts_streams: it can end a version's streams at the deadline; otherwise the agent must.
        counts_per_version: it counts requests and errors per version.
        mirrors: it can copy requests to the candidate.
        dead_man: it goes back to stable by itself when the controller is gone.
        proves_effect: a confirmation proves that new requests follow the split.
        observe_every_s: how often it is worth looking at its counters, in seconds.
        reports_latency: it counts, per version, requests that took longer than ``Assignment.latency_limits_s``.
        ignores: what it is not told of, because that is its own configuration.
        refuses: what it cannot do, so that an assignment which asks for it is not carried out.
        share_given: what becomes of a share; some depend on how many endpoints a track has.
        share_kept: the same where sessions are kept, which may be more than was asked; None is no other.
    """

    share_bp_min: int
    sees_in_flight: bool
    cuts_streams: bool
    counts_per_version: bool
    mirrors: bool
    dead_man: bool
    proves_effect: bool
    observe_every_s: float = 1.0
    reports_latency: bool = False
    ignores: frozenset[Wish] = frozenset()
    refuses: frozenset[Wish] = frozenset()
    share_given: ShareGiven = every_share
    share_kept: ShareGiven | None = None
