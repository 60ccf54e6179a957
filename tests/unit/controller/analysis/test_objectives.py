import pytest

from controller.analysis.objectives import Objective, alpha_shares


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"indicator": ""},
        {"max": None},
        {"max": 1.0},
        {"max": -0.1},
        {"margin": 1.0},
        {"margin": float("nan")},
    ],
)
def test_an_objective_that_demands_nothing_sensible_is_refused(fields):
    with pytest.raises(ValueError):  # noqa: PT011  -- every message differs; that it is refused is the point
        Objective(**({"name": "errors", "indicator": "error", "max": 0.05} | fields))


def test_shares_sum_to_alpha_and_safety_gets_more():
    plain, rail = Objective("a", "error", max=0.1), Objective("b", "unsafe", max=0.1, guardrail=True)
    assert alpha_shares([], 0.01) == ()
    assert alpha_shares([plain], 0.01) == (0.01,)
    for objectives in ([plain, rail], [plain] * 5 + [rail], [plain] + [rail] * 5):
        shares = alpha_shares(objectives, 0.01)
        assert sum(shares) == pytest.approx(0.01), "good candidates would be rolled back more often than alpha"
        assert shares[objectives.index(rail)] == pytest.approx(3 * shares[objectives.index(plain)])
