import math

import pytest

from controller.analysis.demand import requests_until_shown
from controller.analysis.objectives import Objective
from controller.analysis.verdict import Judge


def judge(*objectives, alpha=0.01):
    return Judge(objectives, alpha, 10.0)


@pytest.mark.parametrize("max_rate", [0.05, 0.01, 0.001])
def test_no_fewer_than_the_best_test_needs_and_not_twice_as_many(max_rate):
    best = math.log(1 / 0.01) / -math.log1p(-max_rate)
    asked = requests_until_shown(judge(Objective("max", "error", max=max_rate)), 9.0)
    assert best <= asked <= 2 * best, "validate would warn of traffic that is enough, or not warn of too little"


def test_a_margin_takes_more_than_a_max():
    alone = requests_until_shown(judge(Objective("max", "error", max=0.05)), 19.0)
    both = requests_until_shown(judge(Objective("both", "error", max=0.05, margin=0.01)), 19.0)
    assert alone < 200
    assert 500 < both < 620, "the README speaks of about 570"


def test_only_guardrails_must_be_shown_where_there_are_any():
    errors, unsafe = Objective("errors", "error", max=0.001), Objective("unsafe", "unsafe", max=0.05, guardrail=True)
    alone = requests_until_shown(judge(unsafe), 1.0)
    assert requests_until_shown(judge(errors, unsafe), 1.0) == alone


def test_without_stable_the_comparison_is_not_waited_for():
    assert requests_until_shown(judge(Objective("both", "error", max=0.05, margin=0.01)), 0.0) < 200
    assert requests_until_shown(judge(Objective("relative", "error", margin=0.01)), 0.0) is None


def test_never_is_shown_by_no_number():
    assert requests_until_shown(judge(Objective("never", "unsafe", max=0.0)), 1.0) is None
