import math

import numpy as np
import pytest
from scipy import stats

from controller.analysis.share import ShareEvidence

ALPHA = 0.01


def watched(commanded, actual, rng, reports=300, requests=100):
    evidence = ShareEvidence()
    for _ in range(reports):
        evidence = evidence.after(int(rng.binomial(requests, actual)), requests, commanded)
        if evidence.log_e >= math.log(1 / ALPHA):
            return True
    return False


def test_obedient_gateways_are_seldom_accused():
    rng, runs = np.random.default_rng(5), 150
    accused = sum(watched(q, q, rng, reports=100) for q in (0.01, 0.1, 0.5) for _ in range(runs // 3))
    assert accused <= stats.binom.ppf(0.999, runs, ALPHA), "operators would chase gateways that do as told"


@pytest.mark.parametrize(("commanded", "actual"), [(0.1, 0.0), (0.1, 0.2), (0.0, 0.01), (0.5, 1.0), (0.5, 0.45)])
def test_a_disobedient_gateway_is_named(commanded, actual):
    assert watched(commanded, actual, np.random.default_rng(6)), "a gateway that ignores its split would go unseen"


def test_it_follows_a_changing_command():
    evidence = ShareEvidence().after(1, 100, 0.01).after(50, 100, 0.5)
    assert evidence.observed_share == pytest.approx(51 / 200)
    assert evidence.commanded_share == pytest.approx(51 / 200)
    assert evidence.log_e < 0, "every ramp would look like a disobedience"


def test_no_requests_say_nothing():
    assert ShareEvidence().after(0, 0, 0.5) == ShareEvidence()
    assert ShareEvidence().observed_share is ShareEvidence().commanded_share is None


def test_impossible_reports_are_refused():
    with pytest.raises(ValueError, match="share"):
        ShareEvidence().after(0, 1, 1.1)
    with pytest.raises(ValueError, match="cannot be bad"):
        ShareEvidence().after(2, 1, 0.5)
