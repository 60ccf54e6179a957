import pytest

GOOD = """\
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
  strategy:
    steps: [{weight: 5, hold: 2m}, {weight: 50, hold: 5m}]
  objectives:
    - {name: errors, indicator: error, max: 5%}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "turnout.yaml"
    path.write_text(GOOD)
    return path


def test_good_settings_are_summed_up(turnout, file):
    assert (
        turnout.ok("validate", str(file))
        == f"""\
{file}: good.
agent            stable   candidate   gateways   strategy            objectives
code-assistant   1.2.3    none        edge       canary 5 % → 50 %   errors

gateway   type
edge      envoy

tokens: none, so the API listens on loopback only"""
    )


def test_good_settings_as_json(turnout, file):
    told = turnout.json("validate", str(file))
    assert told["ok"] is True
    assert told["agents"] == [{"name": "code-assistant", "gateways": ["edge"]}]
    assert told["gateways"] == [{"name": "edge", "type": "envoy"}]
    assert told["digest"].startswith("sha256:")
    assert told["problems"] == told["warnings"] == []


def test_every_fault_is_told_as_a_compiler_would(turnout, file):
    file.write_text(GOOD.replace("weight: 50,", "weight: 150,").replace("stable:", "stabel:"))
    result = turnout("validate", str(file))
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{file}:9: error: spec.stable: is missing. Add it.",
        f"{file}:11: error: spec.stabel: is not a field. Did you mean stable?",
        f"{file}:13: error: spec.strategy.steps[1].weight: 150 is more than 100 %. Use a number from 0 to 100.",
        f"{file}: refused, 3 faults.",
    ]
    assert result.stdout == ""


def test_faults_as_json(turnout, file):
    file.write_text(GOOD.replace("weight: 50,", "weight: 150,"))
    result = turnout("validate", str(file), "--output", "json")
    assert result.exit_code == 1
    assert '"line": 13' in result.stdout
    assert '"ok": false' in result.stdout


def test_doubts_are_warnings_and_no_faults(turnout, file):
    file.write_text(GOOD.replace("127.0.0.1:3000", "nowhere.invalid:3000"))
    result = turnout("validate", str(file))
    assert result.exit_code == 0
    assert f"{file}:11: warning: spec.stable.endpoints[0]: 'nowhere.invalid' has no address." in result.stderr
    assert turnout("validate", "--no-resolve", str(file)).stderr == ""
    assert turnout.json("validate", str(file))["warnings"][0]["line"] == 11


def test_traffic_that_is_not_likely_to_be_there_is_a_warning(turnout, file):
    file.write_text(GOOD.replace("weight: 5,", "weight: 0.05,"))
    told = turnout("validate", str(file)).stderr
    assert f"{file}:13: warning: spec.strategy.steps[0].weight: at 0.05 % this step needs about" in told


def test_what_the_gateway_cannot_do_is_a_warning(turnout, file):
    file.write_text(GOOD.replace('type: envoy, envoy: {listen: "127.0.0.1:10000"}', "type: nop"))
    assert (
        "warning: spec.objectives: The nop gateway 'edge' does not count per version"
        in turnout("validate", str(file)).stderr
    )


def test_a_file_that_is_not_there(turnout, tmp_path):
    result = turnout("validate", str(tmp_path / "none.yaml"))
    assert result.exit_code == 1
    assert "error: It cannot be read: No such file or directory." in result.stderr


def test_thousands_of_faults_are_not_all_told(turnout, file):
    file.write_text("\n---\n".join(["kind: Nonsense"] * 300))
    told = turnout("validate", str(file)).stderr.splitlines()
    assert len(told) == 102
    assert told[-2].startswith("... and ")
