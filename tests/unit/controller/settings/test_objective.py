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


QUERIES = {
    "url": "http://127.0.0.1:9090",
    "bad": 'failed_total{version="{{version}}"}',
    "total": 'tasks_total{version="{{ version }}"}',
}


def test_a_prometheus_is_an_indicator():
    spec = IndicatorSpec.model_validate({"prometheus": QUERIES})
    assert spec.prometheus.pace_s == 15, "by default as often as Prometheus scrapes"
    windowed = {name: f"increase({QUERIES[name]}[{{{{window}}}}])" for name in ("bad", "total")}
    spec = IndicatorSpec.model_validate({"prometheus": {**QUERIES, **windowed, "window": "1m"}})
    assert spec.prometheus.pace_s == 60, "events would be counted twice, or not at all"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"bad": ""}, "is not a query"),
        ({"bad": "x" * 5000}, "is not a query"),
        ({"total": "tasks_total"}, "the same for stable and candidate"),
        ({"total": 't{v="{{version}}",p="{{pod}}"}'}, "stands for nothing"),
        ({"total": 't{v="{{version}}"}[{{window}}]'}, "there is none"),
        ({"window": "1m"}, "does not name"),
        ({"url": "http://ann:secret@127.0.0.1"}, "holds credentials"),
    ],
)
def test_a_query_that_could_not_be_meant_is_refused(wrong, words):
    with pytest.raises(ValidationError, match=words):
        IndicatorSpec.model_validate({"prometheus": {**QUERIES, **wrong}})


def test_an_indicator_is_one_thing():
    with pytest.raises(ValidationError, match="only one"):
        IndicatorSpec.model_validate({"metric": "error", "prometheus": QUERIES})
