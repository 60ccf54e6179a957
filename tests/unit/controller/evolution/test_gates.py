import math

import pytest

from controller.evolution.gates import Gate, refusal

DAY_S = 86_400.0


def refused(gate, score=None, last_served_at_s=None, now_s=1_000_000.0):
    return refusal(gate, score=score, last_served_at_s=last_served_at_s, now_s=now_s)


def test_no_gate_lets_everything_pass():
    assert refused(Gate()) is None


@pytest.mark.parametrize("score", [0.95, 1.0])
def test_a_score_that_is_good_enough(score):
    assert refused(Gate(score_min=0.95), score) is None


@pytest.mark.parametrize(("score", "said"), [(0.94, "0.94"), (None, "no verification score"), (math.nan, "nan")])
def test_a_score_that_is_not(score, said):
    why = refused(Gate(score_min=0.95), score)
    assert why is not None, "a version that nobody has verified would be served"
    assert said in why
    assert "0.95" in why


def test_a_first_rollout_is_never_too_soon():
    assert refused(Gate(interval_min_s=7 * DAY_S)) is None


def test_the_time_between_rollouts():
    gate = Gate(interval_min_s=DAY_S)
    assert refused(gate, last_served_at_s=1_000_000.0 - DAY_S) is None
    why = refused(gate, last_served_at_s=1_000_000.0 - DAY_S + 0.2)
    assert why is not None
    assert "another 1 s" in why, "nobody can wait another 0 s"
