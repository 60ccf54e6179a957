import math

import numpy as np
import pytest
from scipy.special import logsumexp

from controller.analysis.mixture import Mixture


def test_a_fresh_process_is_worth_one():
    assert Mixture.over(7).log_e == pytest.approx(0.0), "evidence would be there before any data"


def test_it_needs_an_alternative():
    with pytest.raises(ValueError, match="alternative"):
        Mixture.over(0)


def test_it_is_the_sum_over_all_beginnings():
    """Constant memory gives what keeping every beginning would: sum_k 1/(k(k+1)) prod_{i>=k} S_i, and the idle rest."""
    rng = np.random.default_rng(1)
    factors = rng.normal(0.0, 2.0, size=(30, 3))
    mixture = Mixture.over(3)
    for t in range(30):
        mixture = mixture.after(tuple(factors[t]))
        begun = [
            -math.log(k * (k + 1)) + factors[k - 1 : t + 1, j].sum() - math.log(3)
            for k in range(1, t + 2)
            for j in range(3)
        ]
        assert mixture.log_e == pytest.approx(logsumexp([*begun, -math.log(t + 2)]), abs=1e-9)


def test_it_stays_a_fair_bet():
    """One step of a fair factor (mean 1) leaves the expected wealth where it was."""
    mixture = Mixture.over(2).after((1.0, -3.0)).after((0.5, 2.0))
    fair = [(0.25, math.log(3.0)), (0.75, math.log(1 / 3))]  # 0.25 * 3 + 0.75 / 3 = 1
    expected = sum(chance * math.exp(mixture.after((factor, factor)).log_e) for chance, factor in fair)
    assert expected == pytest.approx(math.exp(mixture.log_e)), "the error promise (Ville) would not hold"


def test_long_good_behaviour_is_no_credit_for_later():
    """Ten thousand good blocks cost the detection of a fault 2 ln k nats, not all that was earned."""
    mixture = Mixture.over(1)
    for _ in range(10_000):
        mixture = mixture.after((-5.0,))
    needed = 0
    while mixture.log_e < math.log(100):
        mixture, needed = mixture.after((2.0,)), needed + 1
    assert needed <= 14, "a candidate that breaks after a good hour would stay for another hour"


def test_extreme_factors_neither_overflow_nor_lose_the_process():
    mixture = Mixture.over(2).after((1e9, -1e9)).after((-2e9, 1.0))
    assert math.isfinite(mixture.log_e)
    assert all(map(math.isfinite, mixture.log_wealths))


def test_one_is_backed_by_all_of_another_and_nobody_is_lifted():
    ahead, behind = Mixture.over(3).after((9.0, 0.0, -9.0)), Mixture.over(3).after((0.0, 1.0, 0.0))
    backed = ahead.backed_by(behind)
    assert backed.log_wealths[0] == pytest.approx(logsumexp(behind.log_wealths))
    assert backed.log_wealths[1:] == ahead.log_wealths[1:], "wealth out of nothing: the error promise would not hold"
    assert backed.blocks == ahead.blocks
    assert behind.backed_by(ahead) == behind
