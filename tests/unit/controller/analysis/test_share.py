import math

import numpy as np
import pytest
from scipy import stats

from controller.analysis.share import ShareEvidence, hashed_log_e

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


# --- sessions that are hashed onto a ring -----------------------------------------------------------------------------


def hashed(commanded, points, rng, *, sessions=2_000, actual=None):
    """Whether a gateway is named at any look, whose ring chance has laid out."""
    share = rng.beta(points * commanded, points * (1 - commanded)) if actual is None else actual
    to_candidate = np.cumsum(rng.random(sessions) < share)
    looks = range(25, sessions, 25)
    return any(hashed_log_e(int(to_candidate[n - 1]), n, commanded, points) >= math.log(1 / ALPHA) for n in looks)


@pytest.mark.parametrize("commanded", [0.01, 0.1, 0.5, 0.9])
def test_a_ring_that_chance_has_laid_out_is_seldom_accused(commanded):
    rng, runs = np.random.default_rng(7), 400
    accused = sum(hashed(commanded, 320, rng) for _ in range(runs))
    assert accused <= stats.binom.ppf(0.999, runs, ALPHA), (
        "a gateway that does as told is named for what its hash gives"
    )


@pytest.mark.parametrize(("commanded", "actual"), [(0.1, 0.25), (0.1, 0.0), (0.01, 0.1), (0.5, 0.25), (0.9, 1.0)])
def test_a_ring_that_is_far_from_what_was_told_is_named(commanded, actual):
    assert hashed(commanded, 320, np.random.default_rng(8), actual=actual), (
        "a gateway that ignores its split goes unseen"
    )


def test_its_e_values_average_to_one_at_most():
    """Over all that can happen in a few sessions, weighed by how likely the ring makes it: scipy's Beta-binomial."""
    points, share, sessions = 320, 0.1, 40
    told = stats.betabinom(sessions, points * share, points * (1 - share))
    mean = sum(told.pmf(k) * math.exp(hashed_log_e(k, sessions, share, points)) for k in range(sessions + 1))
    assert mean == pytest.approx(1.0), "the promised rate of false alarms is not kept"


def test_each_track_has_a_point_of_the_ring():
    assert hashed_log_e(1, 300, 1e-4, 320) < 0, "a share that the ring cannot give is held against the gateway"
    assert hashed_log_e(0, 0, 0.1, 320) == pytest.approx(0.0)
