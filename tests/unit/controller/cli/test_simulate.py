import pytest

from controller.cli.simulate import BINS, histogram

SETTINGS = """\
apiVersion: turnout.dev/v1alpha1
kind: Gateway
metadata: {name: edge}
spec: {type: envoy, envoy: {listen: "127.0.0.1:10000"}}
---
apiVersion: turnout.dev/v1alpha1
kind: Agent
metadata: {name: code-assistant}
spec:
  gateways: [edge]
  stable: {version: 1.2.3, endpoints: ["127.0.0.1:3000"]}
  strategy: {steps: [{weight: 50, hold: 60s}], bake: 0s, progressDeadline: 60s}
  objectives:
    - {name: errors, indicator: error, max: 5%, margin: 1%}
    - {name: unsafe, indicator: unsafe, max: 0.1%, guardrail: true}
---
apiVersion: turnout.dev/v1alpha1
kind: Agent
metadata: {name: starved}
spec:
  gateways: [edge]
  route: {pathPrefix: /starved}
  stable: {version: 1.2.3, endpoints: ["127.0.0.1:3000"]}
  strategy: {steps: [{weight: 10, hold: 60s}], bake: 0s, progressDeadline: 60s}
  objectives: [{name: errors, indicator: error, max: 5%, margin: 1%}]
---
apiVersion: turnout.dev/v1alpha1
kind: Agent
metadata: {name: asking}
spec:
  gateways: [edge]
  route: {pathPrefix: /asking}
  stable: {version: 1.2.3, endpoints: ["127.0.0.1:3000"]}
  strategy: {steps: [{weight: 10, hold: 60s}], bake: 0s, progressDeadline: 60s}
  objectives: [{name: errors, indicator: error, max: 5%, margin: 1%}]
  analysis: {undecided: ask}
---
apiVersion: turnout.dev/v1alpha1
kind: Agent
metadata: {name: blind}
spec:
  gateways: [edge]
  route: {pathPrefix: /blind}
  stable: {version: 1.2.3, endpoints: ["127.0.0.1:3000"]}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "turnout.yaml"
    path.write_text(SETTINGS)
    return str(path)


FEW = ("--runs", "10", "--rate", "20", "--candidate-bad", "30%")


def test_a_bad_candidate_is_caught_and_a_good_one_is_not(turnout, file):
    told = turnout.json("simulate", file, "code-assistant", *FEW)
    assert told["bad_candidate"]["breach"] == 1.0
    assert told["good_candidate"]["breach"] == 0.0
    assert told["objective"] == "errors"
    assert told["candidate_bad_percent"] == 30
    assert told["steps"] == [{"candidate_percent": 50.0, "hold_s": 60.0}]
    assert sum(each["runs"] for each in told["seconds_to_rollback"]) == 10


def test_the_same_seed_gives_the_same_answer_and_another_another(turnout, file):
    first, again, other = (
        turnout.json("simulate", file, "code-assistant", *FEW, "--seed", seed) for seed in ("7", "7", "8")
    )
    assert first == again
    assert first["seconds_to_rollback"] != other["seconds_to_rollback"]


def test_the_text_shows_what_how_fast_and_how_often(turnout, file):
    told = turnout.ok("simulate", file, "code-assistant", *FEW)
    assert "code-assistant: objective errors, 20 requests/s, 50 % for 1 min" in told
    assert "as good as stable   0.5 %" in told
    assert "False alarms: 0 % here; the settings promise at most 1 %." in told
    assert told.count(" to ") >= BINS
    assert "█" in told


def test_another_objective_can_be_put_to_the_test(turnout, file):
    told = turnout.json("simulate", file, "code-assistant", *FEW, "--objective", "unsafe", "--stable-bad", "0%")
    assert told["objective"] == "unsafe"
    assert told["bad_candidate"]["breach"] == 1.0


STARVED = ("--runs", "5", "--rate", "10")


def test_a_good_candidate_that_goes_back_for_want_of_evidence_is_not_called_promoted(turnout, file):
    told = turnout.json("simulate", file, "starved", *STARVED)
    good = told["good_candidate"]
    assert (good["promoted"], good["undecided"], good["undecided_step"]) == (0.0, 1.0, 0)
    assert (told["undecided"], told["progress_deadline_s"]) == ("hold", 60.0)
    text = turnout.ok("simulate", file, "starved", *STARVED)
    assert "a step waits for evidence, and goes back when undecided 1 min after its hold" in text
    assert "The good one lacks evidence, mostly at step 1" in text


def test_who_is_asked_is_counted(turnout, file):
    told = turnout.ok("simulate", file, "asking", *STARVED)
    assert "a person asked" in told
    assert "says yes at once" in told
    assert turnout.json("simulate", file, "asking", *STARVED)["good_candidate"]["asked"] == 1.0


def test_nothing_is_caught_where_nothing_is_demanded(turnout, file):
    result = turnout("simulate", file, "blind")
    assert result.exit_code == 1
    assert "blind has no objectives" in result.stderr


def test_what_is_not_there_is_told_with_what_is(turnout, file, tmp_path):
    assert "The agents are: asking, blind, code-assistant, starved." in turnout("simulate", file, "nobody").stderr
    assert "it has errors, unsafe" in turnout("simulate", file, "code-assistant", "--objective", "speed").stderr
    missing = turnout("simulate", str(tmp_path / "none"), "code-assistant")
    assert (missing.exit_code, "invalid-settings" in missing.stderr) == (1, True)


@pytest.mark.parametrize("words", [("--candidate-bad", "5"), ("--rate", "0"), ("--runs", "0")])
def test_numbers_that_cannot_be_meant_are_wrong_usage(turnout, file, words):
    assert turnout("simulate", file, "code-assistant", *words).exit_code == 2


def test_a_histogram_loses_nobody():
    spans = histogram([0.0, 5.0, 12.0, 12.0])
    assert sum(count for _, _, count in spans) == 4
    assert (spans[0][0], spans[-1][1], spans[-1][2]) == (0.0, 12.0, 2)
    assert histogram([]) == []
    assert sum(count for _, _, count in histogram([0.0, 0.0])) == 2
