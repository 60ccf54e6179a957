import itertools
import math

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import rel_entr

from controller.analysis import relative
from controller.analysis.indicators import Block, Counts

CASES = [
    (c, s, weight, margin)
    for c, s in [(0.3, 0.01), (0.02, 0.005), (0.9, 0.5), (0.999999, 0.000001), (0.07, 0.05)]
    for weight in (0.01, 0.5, 0.99)
    for margin in (0.001, 0.01, 0.3)
]


def kl(p, q):
    return rel_entr(p, q) + rel_entr(1 - p, 1 - q)


@pytest.mark.parametrize(("c", "s", "weight", "margin"), CASES)
def test_projection_is_the_nearest_point_of_the_line(c, s, weight, margin):
    def pull(rate):  # the derivative of weight * KL(c | rate + margin) + (1 - weight) * KL(s | rate)
        moved = rate + margin
        return weight * (moved - c) / (moved * (1 - moved)) + (1 - weight) * (rate - s) / (rate * (1 - rate))

    found = relative.projection(c, s, weight, margin)
    expected = optimize.brentq(pull, 1e-15, 1 - margin - 1e-15, xtol=1e-16)
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-13)

    def distance(rate):
        return weight * kl(c, rate + margin) + (1 - weight) * kl(s, rate)

    for nearby in (found * 0.999, found * 1.001):
        if nearby + margin < 1:
            assert distance(found) <= distance(nearby) + 1e-12


def test_without_a_margin_the_projection_is_the_pooled_rate():
    assert relative.projection(0.3, 0.1, 0.25, 0.0) == pytest.approx(0.15)


def mean_factor(block_sizes, rates, factors):
    """E[S] over all outcomes of a block, exactly."""
    (n_c, n_s), (c, s) = block_sizes, rates
    total = 0.0
    for bad_c, bad_s in itertools.product(range(n_c + 1), range(n_s + 1)):
        chance = stats.binom.pmf(bad_c, n_c, c) * stats.binom.pmf(bad_s, n_s, s)
        total += chance * np.exp(factors(Block(Counts(n_c, bad_c), Counts(n_s, bad_s))))
    return total


@pytest.mark.parametrize("margin", [0.0, 0.02, 0.2])
@pytest.mark.parametrize("sizes", [(3, 3), (1, 9), (8, 2)])
def test_no_factor_gains_on_average_where_the_null_holds(margin, sizes):
    for stable, below in itertools.product([0.001, 0.1, 0.5, 0.79], [0.0, 0.05]):
        within = max(stable + margin - below, 0.0)
        worse = mean_factor(sizes, (within, stable), lambda b: relative.log_factors_worse(b, 0.03, margin))
        assert (worse <= 1 + 1e-9).all(), "good candidates would be rolled back more often than alpha"
        beyond = min(stable + margin + below, 1.0)
        better = mean_factor(sizes, (beyond, stable), lambda b: relative.log_factors_better(b, 0.03, margin))
        assert (better <= 1 + 1e-9).all(), "inferior candidates would be promoted more often than alpha"


@pytest.mark.parametrize("block", [Block(Counts(50, 50)), Block(stable=Counts(50, 50)), Block()])
def test_an_idle_track_compares_nothing(block):
    assert set(relative.log_factors_worse(block, 0.01, 0.01)) == {0.0}, "evidence would come of no comparison"


def test_a_margin_without_room_above_says_nothing():
    block = Block(Counts(50, 50), Counts(50, 40))
    assert set(relative.log_factors_worse(block, 0.8, 0.3)) == {0.0}


def test_a_worse_candidate_speaks_against_itself_and_a_good_one_for():
    bad = Block(Counts(100, 30), Counts(100, 1))
    good = Block(Counts(1_000, 5), Counts(1_000, 5))
    assert max(relative.log_factors_worse(bad, 0.01, 0.02)) > 5
    assert max(relative.log_factors_better(bad, 0.01, 0.02)) < 0
    assert max(relative.log_factors_better(good, 0.005, 0.02)) > 5
    assert max(relative.log_factors_worse(good, 0.005, 0.02)) < 0


def test_huge_counts_stay_finite():
    block = Block(Counts(10**15, 10**14), Counts(10**15, 0))
    assert all(map(math.isfinite, relative.log_factors_worse(block, 1e-6, 0.01)))
