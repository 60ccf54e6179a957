"""The scene: settings that the controller takes, and an honest chance for every version."""

from __future__ import annotations

from controller.demo import scene
from controller.demo.gateway import Addresses, known
from controller.settings.loading import load

PORTS = {scene.FIRST: 3000, scene.GOOD: 3001, scene.BAD: 3002, scene.UNLUCKY: 3003}


def test_the_controller_takes_the_settings_as_they_are_meant(tmp_path):
    config = tmp_path / "turnout.yaml"
    config.write_text(scene.settings({"edge": known("envoy").spec(Addresses(10001, 0))}, PORTS))
    agent = load(config).agents[scene.AGENT]
    assert [step.weight_bp for step in agent.spec.strategy.steps] == [100, 1000, 5000]
    assert agent.spec.gate.consent == "none", "the demo would wait for a person"
    assert agent.stable_version().drain_url == "http://127.0.0.1:3000/drain"
    assert agent.indicators() == ("task_failed",), "Envoy would not report how tasks went"


def test_a_gateway_that_sees_no_outcomes_is_not_asked_for_them(tmp_path):
    config = tmp_path / "turnout.yaml"
    specs = {"edge": known("traefik").spec(Addresses(1, 0, 2, tmp_path))}
    config.write_text(scene.settings(specs, PORTS, sees_outcomes=False))
    agent = load(config).agents[scene.AGENT]
    assert agent.indicators() == (), "no candidate would ever pass"
    assert [objective.name for objective in agent.spec.objectives] == ["errors", "regression"]


def test_one_agent_is_behind_all_gateways(tmp_path):
    config = tmp_path / "turnout.yaml"
    addresses = Addresses(10001, 0, 10002, tmp_path)
    specs = {kind: known(kind).spec(addresses) for kind in ("envoy", "haproxy", "openresty", "traefik")}
    config.write_text(scene.settings(specs, PORTS, sees_outcomes=False))
    assert list(load(config).agents[scene.AGENT].spec.gateways) == list(specs)


def test_only_the_bad_version_has_a_fault():
    breaks_at = scene.cast(1).breaks_at
    assert list(breaks_at) == list(PORTS)
    assert {version for version, rate in breaks_at.items() if rate is not None} == {scene.BAD}


def test_the_outage_comes_at_a_share_that_is_a_step():
    assert scene.OUTAGE_AT_PERCENT in {weight for weight, _ in scene.STEPS}, "act 3 would have no outage"
