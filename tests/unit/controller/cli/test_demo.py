import pytest

from controller.demo import main as demo


@pytest.mark.parametrize("code", [0, 1, 130])
def test_the_demos_outcome_is_the_exit_code(turnout, monkeypatch, code):
    asked = []

    def run(**given):
        asked.append(given)
        return code

    monkeypatch.setattr(demo, "run", run)
    assert turnout("demo", "--seed", "7", "--output", "json").exit_code == code
    assert asked == [{"seed": 7, "gateway": "envoy", "output": "json"}]


def test_several_gateways_are_a_list(turnout, monkeypatch):
    asked = []
    monkeypatch.setattr(demo, "run", lambda **given: asked.append(given["gateway"]) or 0)
    assert turnout("demo", "--gateway", "envoy,haproxy").exit_code == 0
    assert asked == ["envoy,haproxy"]


@pytest.mark.parametrize("kinds", ["nginx", "envoy,envoy", "envoy,"])
def test_a_gateway_that_it_cannot_start_is_wrong_usage(turnout, kinds):
    assert turnout("demo", "--gateway", kinds).exit_code == 2


@pytest.mark.parametrize("kind", ["kong", "nginx-plus"])
def test_a_gateway_that_cannot_be_installed_is_refused_with_the_reason(turnout, kind):
    refused = turnout("demo", "--gateway", kind)
    assert refused.exit_code == 2
    assert f"cannot start {kind}" in refused.stderr
    assert "simulator" in refused.stderr
