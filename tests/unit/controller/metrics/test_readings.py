import math

import pytest

from adapters.port import Observation, Tally
from controller.analysis.counters import Cumulative, Series
from controller.analysis.indicators import ERROR, TASK_FAILED
from controller.metrics.readings import reading


def of(tally):
    return reading(Observation("edge", "code-assistant", "7", {"1.3.0": tally}, {})).counters


def test_errors_are_counted_over_requests():
    assert of(Tally(100, 3)) == {Series("1.3.0", ERROR): Cumulative(100, 3)}


def test_an_outcome_is_counted_over_the_requests_that_reported_it():
    counters = of(Tally(100, 3, {TASK_FAILED: (40, 8.0)}))
    assert counters[Series("1.3.0", TASK_FAILED)] == Cumulative(40, 8), "those that said nothing would count as good"


def test_gateway_and_epoch_are_kept():
    found = reading(Observation("edge", "code-assistant", "7", {}, {}))
    assert (found.reporter, found.epoch, dict(found.counters)) == ("edge", "7", {})


@pytest.mark.parametrize(
    ("reported", "bad"), [((10, 2.9), 2), ((10, 11.0), 10), ((10, -1.0), 0), ((0, 0.0), 0), ((10, 1e300), 10)]
)
def test_a_sum_is_made_a_count(reported, bad):
    assert of(Tally(10, 0, {TASK_FAILED: reported}))[Series("1.3.0", TASK_FAILED)] == Cumulative(reported[0], bad)


@pytest.mark.parametrize("reported", [(10, math.nan), (10, math.inf), (10, -math.inf), (-1, 0.0)])
def test_what_is_no_number_says_nothing(reported):
    assert Series("1.3.0", TASK_FAILED) not in of(Tally(10, 0, {TASK_FAILED: reported})), (
        "one odd answer of an agent would stop its driver"
    )


def test_more_errors_than_requests_are_all_of_them():
    assert of(Tally(10, 12))[Series("1.3.0", ERROR)] == Cumulative(10, 10)
