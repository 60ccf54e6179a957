"""The promises from 1 to 300 requests a second and from 1 to 100 % of them, by simulation: requests come by chance, so
that in little traffic a track is silent for many reports. Seeded, and bounded by the binomial's tail."""

import numpy as np
import pytest
from scipy import stats

from controller.analysis.indicators import Block, Counts
from controller.analysis.objectives import Objective
from controller.analysis.verdict import Judge, Verdict

ALPHA = 0.01
BOTH = Objective("errors", "error", max=0.05, margin=0.01)
MAX = Objective("errors", "error", max=0.05)
RUNS = 12


def seldom(count, runs=RUNS):
    """No more than alpha, but for luck of one in a thousand."""
    return count <= stats.binom.ppf(0.999, runs, ALPHA)


def usually(candidate, stable):
    return lambda _second: (candidate, stable)


def hit(rates, depth, since_s, until_s):
    """An outage in which this part of all answers fails, on both tracks, besides what fails anyway."""

    def during(second):
        candidate, stable = rates(second)
        if since_s <= second < until_s:
            return candidate + depth * (1.0 - candidate), stable + depth * (1.0 - stable)
        return candidate, stable

    return during


def first(wanted, objective, per_s, share, rates, seconds, seed):
    """The second of the first such verdict, or of a breach if that comes first; None if there is neither."""
    rng = np.random.default_rng([seed, int(per_s), round(share * 100)])
    judge = Judge((objective,), ALPHA, 10.0)
    state = judge.start(0.0)
    for second in range(seconds):
        requests = int(rng.poisson(per_s))
        candidate = int(rng.binomial(requests, share))
        counts = [
            Counts(events, int(rng.binomial(events, rate)))
            for events, rate in zip((candidate, requests - candidate), rates(second), strict=True)
        ]
        now_s = second + 1.0
        state = judge.update(state, {"error": Block(*counts)}, now_s, stable_serves=share < 1.0)
        verdict = judge.assess(state, now_s).verdict
        if verdict is Verdict.BREACH:
            return None if wanted is not Verdict.BREACH else second
        if verdict is wanted:
            return second
    return None


def how_often(wanted, *given):
    return sum(first(wanted, *given, seed) is not None for seed in range(RUNS))


@pytest.mark.parametrize("depth", [0.3, 0.99])
@pytest.mark.parametrize(
    ("per_s", "share"),
    [(1, 0.1), (1, 0.5), (2, 0.5), (5, 0.9), (10, 0.1), (10, 0.9), (30, 0.9), (100, 0.99), (300, 0.01), (300, 0.99)],
)
def test_an_outage_that_stable_shares_is_not_held_against_a_good_candidate(per_s, share, depth):
    rates = hit(usually(0.005, 0.005), depth, 20, 100)
    blamed = how_often(Verdict.BREACH, BOTH, per_s, share, rates, 110)
    assert seldom(blamed), "innocent candidates would be rolled back for outages upstream"


def test_nor_is_one_that_was_there_before_the_candidate():
    blamed = how_often(Verdict.BREACH, BOTH, 1, 0.5, usually(0.99, 0.99), 110)
    assert seldom(blamed), "innocent candidates would be rolled back for outages upstream"


@pytest.mark.parametrize(
    ("objective", "candidate"), [(MAX, 0.03), (Objective("errors", "error", max=0.05, margin=0.03), 0.02)]
)
@pytest.mark.parametrize(("per_s", "share"), [(10, 0.5), (30, 0.9), (100, 0.9), (300, 0.99)])
def test_nor_against_one_that_is_worse_than_stable_and_within_its_objective(per_s, share, objective, candidate):
    rates = hit(usually(candidate, 0.002), 0.3, 150, 180)
    blamed = how_often(Verdict.BREACH, objective, per_s, share, rates, 190)
    assert seldom(blamed), "what it won against stable in quiet times would be spent in the outage"


def test_nor_are_outages_that_come_again_and_again():
    def rates(second):
        return (0.6, 0.6) if second % 40 >= 32 else (0.02, 0.005)

    objective = Objective("errors", "error", max=0.05, margin=0.03)
    blamed = how_often(Verdict.BREACH, objective, 10, 0.9, rates, 240)
    assert seldom(blamed), "each further outage would be another chance to be blamed"


@pytest.mark.parametrize(
    ("per_s", "share", "candidate", "stable"),
    [
        (1, 0.9, 0.02, 0.002),
        (2, 0.5, 0.02, 0.002),
        (10, 0.9, 0.03, 0.005),
        (10, 0.98, 0.03, 0.005),
        (100, 0.99, 0.03, 0.005),
    ],
)
def test_a_candidate_beyond_its_margin_is_not_healthy_because_stable_pauses(per_s, share, candidate, stable):
    """Within its max it is, so only the comparison speaks against it."""
    promoted = how_often(Verdict.HEALTHY, BOTH, per_s, share, usually(candidate, stable), 600)
    assert seldom(promoted), "a chance gap in stable's traffic would promote worse candidates"


@pytest.mark.parametrize(
    ("per_s", "share", "bad", "seconds_most"),
    [
        (1, 0.5, 1.0, 40),
        (1, 0.99, 1.0, 15),
        (1, 1.0, 1.0, 15),
        (10, 0.1, 1.0, 12),
        (10, 0.5, 0.3, 25),
        (10, 0.9, 1.0, 12),
        (10, 0.9, 0.3, 60),
        (10, 0.99, 1.0, 10),
        (10, 1.0, 0.3, 12),
        (100, 0.99, 1.0, 10),
        (300, 0.01, 1.0, 6),
        (300, 0.5, 0.3, 3),
    ],
)
def test_a_candidate_that_begins_to_fail_is_seen_soon(per_s, share, bad, seconds_most):
    """After three good minutes. Where stable is hardly there the candidate's own figures are enough."""

    def rates(second):
        return (bad if second >= 180 else 0.005), 0.005

    ended = [first(Verdict.BREACH, MAX, per_s, share, rates, 480, seed) for seed in range(RUNS - 1)]
    assert None not in ended, "a bad candidate would stay"
    assert np.median(ended) - 180 <= seconds_most, "bad candidates would stay longer than they need to"


def test_an_outage_that_is_over_excuses_nothing():
    """Stable's rate of late is still that of the outage, and the guess of the guard with it."""

    def rates(second):
        if 60 <= second < 180:
            return 0.99, 0.99
        return (0.2 if second >= 200 else 0.005), 0.005

    ended = [first(Verdict.BREACH, MAX, 100, 0.5, rates, 400, seed) for seed in range(7)]
    assert None not in ended
    assert np.median(ended) - 200 <= 25, "whoever fails after an outage would have minutes"
