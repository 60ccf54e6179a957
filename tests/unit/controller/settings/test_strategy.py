import pytest
from pydantic import ValidationError

from controller.settings.strategy import StickinessSpec, StrategySpec


def test_a_strategy_without_steps_takes_the_ones_that_the_page_names():
    stops = [(stop.weight_bp, stop.hold_s) for stop in StrategySpec().stops()]
    assert stops == [(1000, 120), (2500, 300), (5000, 600)]
    assert StrategySpec.model_validate({"type": "blue-green"}).stops() == ()


def test_own_steps_are_taken_as_they_are():
    spec = StrategySpec.model_validate({"steps": ({"weight": 33.33, "hold": "500ms", "approval": "required"},)})
    assert [(stop.weight_bp, stop.hold_s, stop.approval) for stop in spec.stops()] == [(3333, 0.5, "required")]


@pytest.mark.parametrize("both", [{}, {"header": "a", "cookie": "b"}])
def test_a_session_is_known_by_one_thing(both):
    with pytest.raises(ValidationError, match="not both"):
        StickinessSpec.model_validate(both)
