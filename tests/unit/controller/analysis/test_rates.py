import pytest
from scipy import stats
from scipy.special import expit, logit

from controller.analysis.indicators import Counts
from controller.analysis.rates import MEMORY_EVENTS, RATE_MIN, RunningRate, clamped, log_likelihood_ratio, shifted


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0, 2.0])
def test_no_likelihood_is_built_on_0_or_1(rate):
    assert RATE_MIN <= clamped(rate) <= 1 - RATE_MIN, "one event would be worth infinitely much evidence"


@pytest.mark.parametrize(("rate", "ratio"), [(0.01, 3.0), (0.2, 100.0), (0.9, 0.1)])
def test_odds_ratio_shift_agrees_with_scipy(rate, ratio):
    import math

    assert shifted(rate, ratio) == pytest.approx(expit(logit(rate) + math.log(ratio)))


@pytest.mark.parametrize("counts", [Counts(100, 3), Counts(100, 0), Counts(7, 7), Counts(10**6, 4_321)])
@pytest.mark.parametrize(("rate", "null"), [(0.05, 0.01), (0.001, 0.01), (0.9, 0.3)])
def test_likelihood_ratio_agrees_with_scipy(counts, rate, null):
    expected = stats.binom.logpmf(counts.bad, counts.valid, rate) - stats.binom.logpmf(counts.bad, counts.valid, null)
    assert log_likelihood_ratio(counts, rate, null) == pytest.approx(expected, rel=1e-7, abs=1e-7)


def test_running_rate_follows_a_drift():
    rate = RunningRate().seeing(Counts(100_000, 1_000))
    assert rate.guess == pytest.approx(0.01, rel=0.02)
    for _ in range(5):
        rate = rate.seeing(Counts(MEMORY_EVENTS, MEMORY_EVENTS // 5))
    assert rate.guess == pytest.approx(0.2, rel=0.1), "guesses would stay at last week's rate, and the test blunt"


def test_a_guess_is_never_certain():
    assert RunningRate().seeing(Counts(10**12, 0)).guess > 0
    assert RunningRate().seeing(Counts(10**12, 10**12)).guess < 1
