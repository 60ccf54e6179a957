"""What an agent's settings may ask of a gateway besides its split, and what becomes of a share. Pure.

A gateway says in its :class:`~adapters.port.Capabilities` what it makes of them, and ``turnout validate`` tells people.
"""

from __future__ import annotations

from collections.abc import Callable
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
