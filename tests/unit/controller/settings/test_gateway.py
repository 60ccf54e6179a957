import pytest

from adapters.registry import CAPABILITIES
from controller.settings.gateway import REPORTS_LATENCY, GatewaySettings
from controller.settings.loading import loads
from controller.settings.problem import SettingsError


def gateway(**spec):
    return GatewaySettings.model_validate(
        {"apiVersion": "turnout.dev/v1alpha1", "kind": "Gateway", "metadata": {"name": "edge"}, "spec": spec}
    )


def test_an_envoy_needs_only_an_address():
    edge = gateway(type="envoy", envoy={"listen": "0.0.0.0:10000"})
    assert (edge.name, edge.type) == ("edge", "envoy")
    assert (edge.spec.envoy.load_report_interval_s, edge.spec.envoy.api_listener) == (1.0, None)
    assert gateway(type="nop").spec.nop is None


def test_a_listener_for_grpc_clients_has_a_name_of_its_own():
    text = """\
apiVersion: turnout.dev/v1alpha1
kind: Gateway
metadata: {name: edge}
spec:
  type: envoy
  envoy:
    listen: "127.0.0.1:10000"
    apiListener: edge
"""
    with pytest.raises(SettingsError) as refused:
        loads(text, "edge.yaml")
    assert str(refused.value) == (
        "edge.yaml:8: spec.envoy.apiListener: 'edge' is the gateway's name, which its own listener has. "
        "Choose another, such as agents."
    ), "the controller would break when it makes the gateway"
    [edge] = loads(text.replace("apiListener: edge", "apiListener: agents"), "edge.yaml").gateways.values()
    assert edge.spec.envoy.api_listener == "agents"


def test_settings_and_adapters_agree_on_who_reports_latency():
    assert {kind for kind, can in CAPABILITIES.items() if can.reports_latency} == REPORTS_LATENCY, (
        "an objective would be taken that never gets data, or refused where it would"
    )
