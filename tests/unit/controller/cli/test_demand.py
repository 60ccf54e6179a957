import pytest

from controller.cli.demand import demanding
from controller.settings.loading import loads

SETTINGS = """\
apiVersion: turnout.dev/v1alpha1
kind: Gateway
metadata: {{name: edge}}
spec: {{type: nop}}
---
apiVersion: turnout.dev/v1alpha1
kind: Agent
metadata: {{name: coder}}
spec:
  gateways: [edge]
  stable: {{version: 1.2.3, endpoints: ["10.0.0.11:3000"]}}
  strategy: {strategy}
  objectives: [{{name: errors, indicator: error, {demands}}}]
  analysis: {{undecided: {undecided}}}
"""
STEPS = "{steps: [{weight: %s, hold: 2m}, {weight: 50, hold: 5m}], progressDeadline: 10m}"


def told(strategy, demands="max: 5%, margin: 1%", undecided="hold"):
    text = SETTINGS.format(strategy=strategy, demands=demands, undecided=undecided)
    return [str(each) for each in demanding(loads(text, "a.yaml"))]


def test_a_first_step_that_ordinary_traffic_never_decides_is_said():
    assert told(STEPS % 1) == [
        (
            "a.yaml:12: spec.strategy.steps[0].weight: at 1 % this step needs about 79 requests/s in all to be decided "
            "within hold + progressDeadline (12 min): 569 of the candidate without a fault, more with some. "
            "With less traffic raise the weight or progressDeadline, or use undecided: ask."
        )
    ]


@pytest.mark.parametrize("undecided", ["ask", "advance"])
def test_who_does_not_wait_for_evidence_is_not_warned(undecided):
    assert told(STEPS % 1, undecided=undecided) == []


def test_enough_is_not_doubted():
    assert told(STEPS % 10) == []
    assert told("{}") == [], "our own defaults would be doubted"
    assert told("{type: blue-green}") == []


def test_what_can_never_be_shown_is_said():
    assert told(STEPS % 50, "margin: 0%") == [
        (
            "a.yaml:12: spec.strategy.steps[0].weight: no number of requests shows that these objectives hold: every "
            "rollout goes back undecided. Give each of them a max above 0 %, or use undecided: ask."
        )
    ]


def test_copies_count_as_the_candidates():
    assert "at 1 %" in told(STEPS.replace("{steps", "{type: mirror, steps") % 1)[0]
