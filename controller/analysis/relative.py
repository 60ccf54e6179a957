"""The relative tests: is the candidate worse than stable by more than a margin, is it shown not to be?

The two-sample block e-variable of Turner, Ly and Gruenwald, arXiv 2106.02693. For guesses (c, s) of the two rates that
were fixed before the block was seen, and the point (c0, s0) of the null hypothesis nearest to them in
n_c KL(c|c0) + n_s KL(s|s0),

    S = (c/c0)^bad_c ((1-c)/(1-c0))^good_c (s/s0)^bad_s ((1-s)/(1-s0))^good_s

has E[S] <= 1 wherever the null holds in that block. Rates may drift and splits may change between blocks.
"""

import math

from controller.analysis.indicators import Block
from controller.analysis.rates import clamped, log_likelihood_ratio, shifted

ODDS_RATIOS = (1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
"""How far beyond the line c = s + margin the alternatives lie, in odds."""

_PROJECTION_STEPS_MAX = 60


def log_factors_worse(block: Block, stable_guess: float, margin: float) -> tuple[float, ...]:
    """Log S per odds ratio against "candidate <= stable + margin": large when the candidate is worse."""
    return _log_factors(block, stable_guess, margin, ODDS_RATIOS)


def log_factors_better(block: Block, stable_guess: float, margin: float) -> tuple[float, ...]:
    """Log S per odds ratio against "candidate >= stable + margin": large when the candidate is non-inferior."""
    return _log_factors(block, stable_guess, margin, tuple(1.0 / ratio for ratio in ODDS_RATIOS))


def _log_factors(block: Block, stable_guess: float, margin: float, odds_ratios: tuple[float, ...]) -> tuple[float, ...]:
    line = clamped(stable_guess + margin)
    if stable_guess + margin > line:  # the margin leaves no room above it: nothing can be said of it
        return (0.0,) * len(odds_ratios)
    return tuple(log_factor(block, shifted(line, ratio), stable_guess, margin) for ratio in odds_ratios)


def log_factor(block: Block, candidate_guess: float, stable_guess: float, margin: float) -> float:
    """Log S of one block for one pair of guesses (clamped rates) that do not lie on the line c = s + margin.

    A block in which a track is idle compares nothing, and says nothing: 0.
    """
    n_c, n_s = block.candidate.valid, block.stable.valid
    if not n_c or not n_s:
        return 0.0
    stable_null = projection(candidate_guess, stable_guess, n_c / (n_c + n_s), margin)
    candidate_null = stable_null + margin
    return log_likelihood_ratio(block.candidate, candidate_guess, candidate_null) + log_likelihood_ratio(
        block.stable, stable_guess, stable_null
    )


def projection(candidate_guess: float, stable_guess: float, candidate_weight: float, margin: float) -> float:
    """Stable's rate s at the point of the line c = s + margin that is nearest to the guesses.

    `candidate_weight` is the candidate's part of the block's events, in 0..1 exclusive. Without a margin that is the
    pooled rate; with one the derivative of the distance, which grows with s, is brought to zero by Newton's method
    inside a bracket that bisection shrinks.
    """
    stable_weight = 1.0 - candidate_weight
    if margin == 0.0:
        return candidate_weight * candidate_guess + stable_weight * stable_guess
    ends = (candidate_guess - margin, stable_guess)
    low, high = max(min(ends), 0.0), min(max(ends), 1.0 - margin)
    rate = candidate_weight * candidate_guess + stable_weight * stable_guess - candidate_weight * margin
    for _ in range(_PROJECTION_STEPS_MAX):
        if not low < rate < high:
            rate = 0.5 * (low + high)
        c_spread = (rate + margin) * (1.0 - rate - margin)
        s_spread = rate * (1.0 - rate)
        c_pull = (rate + margin - candidate_guess) / c_spread
        s_pull = (rate - stable_guess) / s_spread
        pull = candidate_weight * c_pull + stable_weight * s_pull
        if pull > 0.0:
            high = rate
        else:
            low = rate
        slope = candidate_weight * (1.0 - c_pull * (1.0 - 2.0 * (rate + margin))) / c_spread
        slope += stable_weight * (1.0 - s_pull * (1.0 - 2.0 * rate)) / s_spread
        step = pull / slope
        rate -= step
        if math.fabs(step) <= 1e-13 * rate:
            break
    return rate
