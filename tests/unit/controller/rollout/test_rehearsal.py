import random

import pytest

from adapters.port import Split
from controller.analysis.objectives import Objective
from controller.analysis.verdict import Judge
from controller.rollout.plan import Plan, Step, WhenUndecided
from controller.rollout.rehearsal import Ending, Load, Outcome, Rehearsal, longest_s, rehearse

JUDGE = Judge((Objective("errors", "error", max=0.05, margin=0.01),), 0.01, 10.0)


def plan(*percents, undecided="hold", hold_s=120.0, approval=False, **fields):
    steps = tuple(Step(Split(candidate_bp=round(percent * 100)), hold_s, approval) for percent in percents)
    usual = {"bake_s": 60.0, "progress_deadline_s": 600.0, "no_data_deadline_s": 110.0}
    return Plan(steps, undecided=WhenUndecided(undecided), **usual | fields)


def load(candidate=0.0, stable=0.0, rate=10.0):
    return Load(rate, {"error": stable}, {"error": candidate})


def play(way, traffic, seed=1):
    return rehearse(JUDGE, way, traffic, random.Random(seed))


def test_a_good_candidate_that_is_never_shown_goes_back_at_the_deadline():
    ended = play(plan(1, 50), load())
    assert ended.ending is Ending.UNDECIDED, "simulate would promise a promotion that never comes"
    assert (ended.end_s, ended.step) == (720.0, 0), "hold + progressDeadline, not a second later"
    assert 40 < ended.candidate_requests < 110


def test_with_time_enough_the_same_candidate_is_promoted():
    ended = play(plan(10, 50, progress_deadline_s=3_600.0), load())
    assert (ended.ending, ended.step) == (Ending.PROMOTED, 2)
    assert 550 < ended.end_s < 900, "about 569 requests at 1 a second, then a hold and the bake"


@pytest.mark.parametrize("undecided", ["ask", "advance"])
def test_undecided_does_what_the_plan_chose(undecided):
    ended = play(plan(10, 50, undecided=undecided), load())
    assert ended.ending is Ending.PROMOTED
    assert ended.end_s < 310.0, "two holds and the bake, and a pause between two reports at most"
    assert (ended.asked > 0) == (undecided == "ask")


def test_a_step_that_asks_in_any_case_does_not_ask_for_want_of_evidence():
    ended = play(plan(50, 50, hold_s=600.0, approval=True), load())
    assert (ended.ending, ended.asked) == (Ending.PROMOTED, 0)


def test_absent_is_not_healthy_even_where_undecided_advances():
    ended = play(plan(1, undecided="advance"), load(rate=0.01))
    assert ended.ending is Ending.NO_DATA
    assert ended.end_s == 110.0


def test_a_bad_candidate_breaches():
    ended = play(plan(10, 50), load(candidate=0.5))
    assert ended.ending is Ending.BREACH
    assert ended.end_s < 60.0
    assert ended.candidate_requests < 40


def test_where_both_are_bad_nobody_is_blamed():
    ended = play(plan(20, 50), load(candidate=0.3, stable=0.3, rate=50.0))
    assert ended.ending is Ending.COMMON_CAUSE


def test_copies_are_not_taken_from_stable():
    way = Plan((Step(Split(mirror_bp=10_000), 300.0),), bake_s=60.0, progress_deadline_s=600.0)
    assert play(way, load()).ending is Ending.PROMOTED


def test_blue_green_bakes():
    way = Plan((Step(Split(candidate_bp=10_000), 0.0),), bake_s=60.0, progress_deadline_s=600.0)
    ended = play(way, load())
    assert ended.ending is Ending.PROMOTED
    assert ended.end_s >= 60.0


def test_the_same_seed_gives_the_same_answer():
    way, traffic = plan(10, 50), load(0.1)
    assert play(way, traffic, seed=3) == play(way, traffic, seed=3)
    assert play(way, traffic, seed=3) != play(way, traffic, seed=4)


def test_outcomes_sum_to_all():
    ended = [
        Rehearsal(Ending.PROMOTED, 100.0, 50, 1, 2),
        Rehearsal(Ending.BREACH, 10.0, 5, 0, 0),
        Rehearsal(Ending.UNDECIDED, 720.0, 60, 0, 1),
        Rehearsal(Ending.NO_DATA, 110.0, 0, 0, 0),
    ]
    outcome = Outcome.of(ended)
    assert outcome.promoted == outcome.breach == outcome.undecided == outcome.no_data == outcome.asked == 0.25
    assert outcome.common_cause == 0.0
    assert (outcome.seconds_to_breach_median, outcome.requests_to_breach_median) == (10.0, 5.0)
    assert (outcome.seconds_to_promotion_median, outcome.undecided_step) == (100.0, 1)
    assert outcome.to_record()["runs"] == 4


def test_a_plan_that_nobody_could_wait_for_is_refused():
    assert longest_s(plan(1, 50)) == 120.0 * 2 + 60.0 + 3 * 600.0
    with pytest.raises(ValueError, match="reports"):
        play(plan(1, hold_s=2e6), load())


@pytest.mark.parametrize(
    "fields",
    [
        {"requests_per_s": 0.0},
        {"stable": {}},
        {"candidate": {"error": 1.5}},
        {"report_interval_s": 0.0},
    ],
)
def test_impossible_traffic_is_refused(fields):
    usual = {"requests_per_s": 1.0, "stable": {"error": 0.0}, "candidate": {"error": 0.0}}
    with pytest.raises(ValueError):  # noqa: PT011  -- every message differs; that it is refused is the point
        Load(**(usual | fields))
