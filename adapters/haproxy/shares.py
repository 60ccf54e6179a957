"""Basis points as weights of servers, which are whole numbers from 0 to 256. Pure."""

from __future__ import annotations

from typing import NamedTuple

from adapters.port import WHOLE_BP

WEIGHT_MAX = 256


class Weights(NamedTuple):
    """The weight of each server of a track."""

    stable: int
    candidate: int


def weights(candidate_bp: int, stable_servers: int, candidate_servers: int) -> Weights | None:
    """The weights whose share is nearest to ``candidate_bp`` and not above it; None where even the smallest is.

    Every server of a track has the same weight. The candidate never gets more than was consented to.
    """
    if candidate_bp == 0:
        return Weights(WEIGHT_MAX, 0)
    if candidate_bp == WHOLE_BP:
        return Weights(0, WEIGHT_MAX)
    best: tuple[float, Weights] | None = None
    for stable in range(WEIGHT_MAX, 0, -1):
        most = candidate_bp * stable * stable_servers // ((WHOLE_BP - candidate_bp) * candidate_servers)
        candidate = min(most, WEIGHT_MAX)
        if candidate:
            total = stable * stable_servers + candidate * candidate_servers
            missing = candidate_bp - WHOLE_BP * candidate * candidate_servers / total
            if best is None or missing < best[0] - 1e-9:
                best = missing, Weights(stable, candidate)
    return best[1] if best else None


def share_given(candidate_bp: int, stable_servers: int, candidate_servers: int) -> float:
    """What :func:`weights` makes of a share, in basis points; 0 where it is refused."""
    given = weights(candidate_bp, stable_servers, candidate_servers)
    if given is None:
        return 0.0
    candidate = given.candidate * candidate_servers
    return WHOLE_BP * candidate / (given.stable * stable_servers + candidate)
