import itertools
import math

import numpy as np
import pytest
from scipy import special, stats

from controller.analysis import absolute, relative
from controller.analysis.indicators import Block, Counts
from controller.analysis.mixture import Mixture


@pytest.mark.parametrize("max_rate", [0.0, 0.001, 0.01, 0.2, 0.95])
def test_alternatives_stand_on_the_right_side(max_rate):
    above, below = absolute.alternatives_above(max_rate), absolute.alternatives_below(max_rate)
    assert len(above) == len(below) == absolute.ALTERNATIVES
    assert list(above) == sorted(above)
    assert min(above) > max_rate
    assert max(above) < 1
    assert max(below) <= max(max_rate, 1e-6)
    assert max(above) >= 0.98, "a candidate that always fails would be far from every alternative"


@pytest.mark.parametrize("max_rate", [0.01, 0.2])
def test_no_factor_gains_on_average_where_the_null_holds(max_rate):
    n = 40
    bad = np.arange(n + 1)
    worse = np.exp([absolute.log_factors_alone(Counts(n, int(b)), max_rate) for b in bad])
    better = np.exp([absolute.log_factors_better(Counts(n, int(b)), max_rate) for b in bad])
    for rate in (max_rate, max_rate / 3, 0.0):
        assert (stats.binom.pmf(bad, n, rate) @ worse <= 1 + 1e-9).all(), "good candidates would be blamed"
    for rate in (max_rate, max_rate * 3, 1.0):
        assert (stats.binom.pmf(bad, n, rate) @ better <= 1 + 1e-9).all(), "bad candidates would be shown good"


@pytest.mark.parametrize(("outage", "margin"), [(0.03, 0.0), (0.3, 0.0), (0.6, 0.0), (0.3, 0.05)])
def test_a_shared_outage_gains_nothing_beside_stable(outage, margin):
    """Both tracks fail at the same rate, far above max: the guard's mean stays at 1 or below, at the first block."""
    n_c, n_s = 6, 6
    mean = np.zeros(absolute.ALTERNATIVES)
    for bad_c, bad_s in itertools.product(range(n_c + 1), range(n_s + 1)):
        chance = stats.binom.pmf(bad_c, n_c, outage) * stats.binom.pmf(bad_s, n_s, outage)
        block = Block(Counts(n_c, bad_c), Counts(n_s, bad_s))
        mean += chance * np.exp(absolute.log_factors_beside(block, 0.005, 0.01, margin))
    assert (mean <= 1 + 1e-9).all(), "a candidate would be blamed for an outage that stable shares"


def test_without_stable_there_is_no_guard():
    block = Block(Counts(10, 5))
    assert absolute.log_factors_beside(block, 0.005, 0.01, 0.0) == absolute.log_factors_alone(block.candidate, 0.01)


def test_what_stable_excuses_bets_nothing():
    block = Block(Counts(10, 5), Counts(10, 5))
    factors = absolute.log_factors_beside(block, 0.3, 0.01, 0.0)
    for p, factor in zip(absolute.alternatives_above(0.01), factors, strict=True):
        assert (factor == 0.0) == (p <= 0.3)


@pytest.mark.parametrize(("valid", "bad"), [(100, 5), (100, 20), (1_000, 25), (10, 10), (3_000, 60)])
def test_evidence_agrees_with_a_beta_mixture(valid, bad):
    """Against the closed form for alternatives spread evenly over (p0, 1), by scipy's incomplete beta function."""
    p0 = 0.01
    log_likelihood = special.betaln(bad + 1, valid - bad + 1) + math.log(special.betaincc(bad + 1, valid - bad + 1, p0))
    expected = log_likelihood - math.log1p(-p0) - bad * math.log(p0) - (valid - bad) * math.log1p(-p0)
    log_e = Mixture.over(absolute.ALTERNATIVES).after(absolute.log_factors_alone(Counts(valid, bad), p0)).log_e
    assert log_e > expected - 1.5, "the grid would see less than a mixture that needs special functions"
    assert log_e < expected + 4.0


@pytest.mark.parametrize(("p0", "alpha"), [(0.01, 0.01), (0.01, 0.05), (0.001, 0.01), (0.1, 0.01)])
def test_a_spotless_candidate_is_shown_good_soon_and_never_too_soon(p0, alpha):
    """No test at all can show it before ln(1/alpha) / -ln(1-p0) events without a bad one."""
    fewest = math.log(1 / alpha) / -math.log1p(-p0)

    def log_e(events):
        return Mixture.over(absolute.ALTERNATIVES).after(absolute.log_factors_better(Counts(events, 0), p0)).log_e

    assert log_e(math.floor(fewest)) < math.log(1 / alpha), "promotion on less than any test can ask"
    assert log_e(math.ceil(1.5 * fewest)) >= math.log(1 / alpha), "promotion would take far longer than it must"


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.2, 0.5, 0.9])
def test_detection_is_within_a_factor_of_walds_bound(rate):
    """Wald's test, told the true rate, needs ln(1/alpha) / KL(p | p0) events."""
    p0, alpha, rng = 0.01, 0.01, np.random.default_rng(7)
    kl = special.rel_entr(rate, p0) + special.rel_entr(1 - rate, 1 - p0)
    bound = max(math.log(1 / alpha) / kl, 1.0)
    needed = []
    for _ in range(40):
        mixture, events = Mixture.over(absolute.ALTERNATIVES), 0
        while mixture.log_e < math.log(1 / alpha):
            size = max(int(bound / 10), 1)
            counts = Counts(size, int(rng.binomial(size, rate)))
            mixture, events = mixture.after(absolute.log_factors_alone(counts, p0)), events + size
        needed.append(events)
    assert np.median(needed) <= 2.2 * bound + 1, "bad candidates would stay longer than they need to"


def test_a_max_of_zero_means_never():
    log_e = Mixture.over(absolute.ALTERNATIVES).after(absolute.log_factors_alone(Counts(1_000, 1), 0.0)).log_e
    assert log_e > math.log(10_000), "'no unsafe answer, ever' would let one pass"


def test_the_guard_is_the_relative_factor():
    block = Block(Counts(20, 8), Counts(80, 1))
    p = absolute.alternatives_above(0.01)[-2]
    factor = absolute.log_factors_beside(block, 0.005, 0.01, 0.02)[-2]
    assert factor == relative.log_factor(block, p, 0.005, 0.02)
