"""What is done before it is written down. Pure."""

from __future__ import annotations

from dataclasses import replace

from adapters.port import ALL_STABLE
from controller.analysis.verdict import Verdict
from controller.rollout.state import RESTING, Phase, State


def goes_back(before: State, after: State) -> bool:
    """Whether a change only takes traffic, or trust, away from the candidate, or says that this is done: that is never
    held up by a disk.
    """
    if _is_back(before, after):
        return True
    if after.phase is Phase.ROLLING_BACK or (
        after.phase is Phase.ROLLED_BACK and before.phase is not Phase.ROLLED_BACK
    ):
        return True
    returned = before.previous is not None and after.previous is None and after.stable == before.previous
    lowered = after.split != before.split and (
        after.split.candidate_bp <= before.split.candidate_bp and after.split.mirror_bp <= before.split.mirror_bp
    )
    return returned or (
        after.stable == before.stable and (lowered or _doubts(before, after) or _distrusts(before, after))
    )


def _is_back(before: State, after: State) -> bool:
    """Whether nothing has come but a gateway's word that it sends everything to stable. A restart asks it again anyway;
    while the disk is full, an operator would be told that a rollback had not been confirmed.
    """
    at_rest = after.phase in RESTING and after.split == ALL_STABLE
    return at_rest and after != before and after == replace(before, confirmed=after.confirmed)


def _distrusts(before: State, after: State) -> bool:
    """Whether nothing moves but a gateway's word, which counts no more: it is asked again, or somebody else is."""
    stays = after.phase in (before.phase, Phase.PAUSED) and after.confirmed < before.confirmed
    return stays and all(
        getattr(after, name) == getattr(before, name) for name in ("split", "candidate", "previous", "gateways")
    )


def _doubts(before: State, after: State) -> bool:
    """Whether nothing moves but the verdict, and not for the better. Unheard, the old one would let the step end."""
    worse = before.verdict is Verdict.HEALTHY or after.verdict in (Verdict.NO_DATA, Verdict.COMMON_CAUSE)
    stays = after.split == before.split and after.phase in (before.phase, Phase.PAUSED)
    return stays and worse and after.verdict is not before.verdict
