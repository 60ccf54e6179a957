"""How much traffic a verdict takes: asked of the judge itself, with a candidate that makes no mistake."""

import functools

from controller.analysis.evidence import PATIENCE_S
from controller.analysis.indicators import Block, Counts
from controller.analysis.verdict import Judge, Verdict

REQUESTS_MAX = 10_000_000
"""Whoever is not shown by so many is not shown by any number."""

_LOOK_EVERY_S = 2 * PATIENCE_S  # so that nothing waits for more than one look
_FIRST_BLOCK = 10
_GROWTH = 0.05


@functools.lru_cache(maxsize=256)
def requests_until_shown(judge: Judge, stable_per_candidate: float) -> int | None:
    """After how many requests of the candidate, none of them bad, the judge first says `healthy`.

    One that is merely as good as stable takes more: read it as the least. Blocks grow with what was seen, so the answer
    is up to 5 % too high.

    Args:
        judge: the rules.
        stable_per_candidate: stable's requests for each of the candidate's, none of them bad; 0 where it has none.

    Returns:
        The number; None where no number suffices, as for a `max` of 0.
    """
    state, seen, stable_seen, now_s = judge.start(0.0), 0, 0, 0.0
    while seen < REQUESTS_MAX:
        now_s += _LOOK_EVERY_S
        more = max(_FIRST_BLOCK, int(seen * _GROWTH))
        seen += more
        stable_more = max(round(seen * stable_per_candidate) - stable_seen, 1) if stable_per_candidate else 0
        stable_seen += stable_more
        block = Block(candidate=Counts(more, 0), stable=Counts(stable_more, 0))
        found = {each.indicator: block for each in judge.objectives}
        state = judge.update(state, found, now_s, stable_serves=stable_per_candidate > 0.0)
        if judge.assess(state, now_s).verdict is Verdict.HEALTHY:
            return seen
    return None
