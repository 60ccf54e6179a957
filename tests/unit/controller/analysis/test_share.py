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
    assert (evidence.candidate, evidence.requests) == (51, 200)
    assert evidence.log_e < 0, "every ramp would look like a disobedience"


def test_no_requests_say_nothing():
    assert ShareEvidence().after(0, 0, 0.5) == ShareEvidence()


def test_impossible_reports_are_refused():
    with pytest.raises(ValueError, match="share"):
        ShareEvidence().after(0, 1, 1.1)
    with pytest.raises(ValueError, match="cannot be bad"):
        ShareEvidence().after(2, 1, 0.5)


# --- sessions that are hashed onto a ring -----------------------------------------------------------------------------


def share_of_ring(weights, candidates, rng):
    """The candidate's share of a ring as Kong lays one out: 160 points per target, by weight, rounded down."""
    total = sum(weights)
    many = [max(1, weight * len(weights) * 160 // total) for weight in weights]
    owners = np.repeat(np.arange(len(weights)), many)
    places = rng.random(owners.size)
    order = np.argsort(places)
    gaps = np.diff(np.append(places[order], places[order[0]] + 1.0))
    return gaps[owners[order] < candidates].sum(), sum(many[:candidates]), sum(many[candidates:])


def hashed(share, own, rest, rng, sessions=2_000):
    """Whether a gateway whose candidate has this share of the ring is named at any look."""
    to_candidate = np.cumsum(rng.random(sessions) < share)
    return any(
        hashed_log_e(int(to_candidate[n - 1]), int(n - to_candidate[n - 1]), own, rest) >= math.log(1 / ALPHA)
        for n in range(25, sessions, 25)
    )


RINGS = {
    "1 %": ([10, 990], 1),
    "10 %": ([100, 900], 1),
    "90 %": ([900, 100], 1),
    "10 % of many": ([50, 50, 450, 450], 2),
    "1.1 % over eleven": ([1] * 11 + [989], 11),
}
"""Weights, of which the first so many are the candidate's."""


@pytest.mark.parametrize("ring", RINGS.values(), ids=RINGS)
def test_a_ring_that_chance_has_laid_out_is_seldom_accused(ring):
    rng, runs = np.random.default_rng(7), 400
    accused = sum(hashed(*share_of_ring(*ring, rng), rng) for _ in range(runs))
    assert accused <= stats.binom.ppf(0.999, runs, ALPHA), "a gateway that does as told is named for its hash"


@pytest.mark.parametrize(("own", "actual"), [(32, 0.25), (32, 0.0), (3, 0.1), (160, 0.25), (288, 1.0)])
def test_a_ring_that_is_far_from_what_was_told_is_named(own, actual):
    assert hashed(actual, own, 320 - own, np.random.default_rng(8)), "a gateway that ignores its split goes unseen"


def test_its_e_values_average_to_one_at_most():
    """Over all that can happen in a few sessions, weighed by how likely the ring makes it: scipy's Beta-binomial."""
    told = stats.betabinom(40, 32, 288)
    mean = sum(told.pmf(k) * math.exp(hashed_log_e(k, 40 - k, 32, 288)) for k in range(41))
    assert mean == pytest.approx(1.0), "the promised rate of false alarms is not kept"


def test_no_sessions_say_nothing():
    assert hashed_log_e(0, 0, 32, 288) == pytest.approx(0.0)
