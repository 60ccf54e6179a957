import pytest
from pydantic import ValidationError

from controller.settings.objective import IndicatorSpec, ObjectiveSpec


def test_a_name_alone_is_an_indicator():
    assert IndicatorSpec.model_validate("cost_over") == IndicatorSpec.model_validate({"metric": "cost_over"})
    assert IndicatorSpec.model_validate({"latencyOver": "2s"}).latency_over_s == 2


@pytest.mark.parametrize("limits", [{}, {"max": "0%"}, {"max": "100%"}, {"margin": "-1%"}])
def test_an_objective_that_cannot_be_tested_is_refused(limits):
    with pytest.raises(ValidationError):
        ObjectiveSpec.model_validate({"name": "a", "indicator": "error", **limits})


def test_limits_are_kept_as_ratios():
    spec = ObjectiveSpec.model_validate({"name": "a", "indicator": "error", "max": "0.1%", "margin": "0%"})
    assert (spec.max_ratio, spec.margin_ratio, spec.guardrail) == (0.001, 0.0, False)
