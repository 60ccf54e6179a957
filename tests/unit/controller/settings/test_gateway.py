from adapters.registry import CAPABILITIES
from controller.settings.gateway import REPORTS_LATENCY, GatewaySettings


def gateway(**spec):
    return GatewaySettings.model_validate(
        {"apiVersion": "turnout.dev/v1alpha1", "kind": "Gateway", "metadata": {"name": "edge"}, "spec": spec}
    )


def test_an_envoy_needs_only_an_address():
    edge = gateway(type="envoy", envoy={"listen": "0.0.0.0:10000"})
    assert (edge.name, edge.type) == ("edge", "envoy")
    assert (edge.spec.envoy.load_report_interval_s, edge.spec.envoy.api_listener) == (1.0, None)
    assert gateway(type="nop").spec.nop is None


def test_settings_and_adapters_agree_on_who_reports_latency():
    assert {kind for kind, can in CAPABILITIES.items() if can.reports_latency} == REPORTS_LATENCY, (
        "an objective would be taken that never gets data, or refused where it would"
    )
