import random

import pytest
from scipy import stats

from controller.analysis.objectives import Objective
from controller.analysis.simulate import Step, Traffic, binomial, run, simulate
from controller.analysis.verdict import Judge

JUDGE = Judge((Objective("errors", "error", max=0.05, margin=0.05),), 0.01, 60.0)


def traffic(candidate, **fields):
    steps = (Step(0.1, 30.0), Step(0.5, 30.0))
    return Traffic(100.0, steps, {"error": 0.002}, {"error": candidate}, **fields)


@pytest.mark.parametrize(("trials", "rate"), [(50, 0.02), (50, 0.5), (50, 0.97), (1_000, 0.01)])
def test_binomial_agrees_with_scipy(trials, rate):
    rng = random.Random(1)
    drawn = [binomial(rng, trials, rate) for _ in range(2_000)]
    assert min(drawn) >= 0
    assert max(drawn) <= trials
    expected = stats.binom(trials, rate)
    assert abs(sum(drawn) / 2_000 - expected.mean()) < 4 * expected.std() / 2_000**0.5
    for low in (expected.ppf(0.1), expected.ppf(0.5)):
        assert sum(each <= low for each in drawn) / 2_000 == pytest.approx(expected.cdf(low), abs=0.05)


def test_binomial_at_the_ends():
    rng = random.Random(1)
    assert (binomial(rng, 9, 0.0), binomial(rng, 9, 1.0), binomial(rng, 0, 0.3)) == (0, 9, 0)


def test_the_same_seed_gives_the_same_answer():
    first, second = (simulate(JUDGE, traffic(0.2), random.Random(7), 5) for _ in range(2))
    assert first == second, "an operator could not repeat what a colleague saw"
    assert simulate(JUDGE, traffic(0.2), random.Random(8), 5) != first


def test_a_bad_candidate_is_rolled_back_and_a_good_one_shown_good():
    bad = simulate(JUDGE, traffic(0.5), random.Random(1), 10)
    assert bad.rolled_back == 1.0
    assert bad.seconds_median < 5.0
    assert bad.candidate_requests_median < 50
    good = simulate(JUDGE, traffic(0.002), random.Random(1), 10)
    assert good.rolled_back == 0.0
    assert good.seconds_median is good.candidate_requests_median is None
    assert good.shown_healthy == 1.0
    assert 1.0 < good.healthy_seconds_median < 30.0


def test_time_counts_from_the_onset_of_trouble():
    outcome = simulate(JUDGE, traffic(0.5, onset_s=40.0), random.Random(1), 10)
    assert outcome.rolled_back == 1.0
    assert 0.0 < outcome.seconds_median < 5.0
    assert outcome.candidate_requests_median <= 250, "requests before the trouble would count as exposed"


def test_requests_follow_the_steps():
    ended = run(JUDGE, traffic(0.0), random.Random(2))
    assert ended.candidate_requests == pytest.approx(0.1 * 3_000 + 0.5 * 3_000, rel=0.1)
    assert ended.end_s == 60.0
    assert not ended.breached


def test_slow_traffic_is_neither_lost_nor_invented():
    slow = Traffic(0.3, (Step(1.0, 100.0),), {"error": 0.0}, {"error": 0.0})
    assert run(JUDGE, slow, random.Random(1)).candidate_requests == 30


def test_no_traffic_is_never_healthy():
    idle = Traffic(100.0, (Step(0.0, 90.0),), {"error": 0.0}, {"error": 0.0})
    outcome = simulate(JUDGE, idle, random.Random(1), 2)
    assert (outcome.rolled_back, outcome.shown_healthy, outcome.to_record()["runs"]) == (0.0, 0.0, 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"requests_per_s": 0.0},
        {"steps": ()},
        {"steps": (Step(1.2, 1.0),)},
        {"steps": (Step(0.5, 0.0),)},
        {"steps": (Step(0.5, 1e9),)},
        {"stable": {}},
        {"candidate": {"error": 1.5}},
        {"onset_s": -1.0},
        {"report_interval_s": 0.0},
    ],
)
def test_impossible_traffic_is_refused(fields):
    usual = {"requests_per_s": 1.0, "steps": (Step(0.5, 1.0),), "stable": {"error": 0.0}, "candidate": {"error": 0.0}}
    with pytest.raises(ValueError):  # noqa: PT011  -- every message differs; that it is refused is the point
        Traffic(**(usual | fields))


@pytest.mark.parametrize("runs", [0, 100_001])
def test_the_number_of_runs_is_limited(runs):
    with pytest.raises(ValueError, match="runs"):
        simulate(JUDGE, traffic(0.0), random.Random(1), runs)
