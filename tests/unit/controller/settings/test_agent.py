import pytest
from pydantic import ValidationError

from adapters.port import HeaderMatch, Route, Stickiness, Version
from controller.settings.agent import AgentSettings
from controller.settings.objective import AnalysisSpec


def agent(**spec):
    spec = {"gateways": ("edge",), "stable": {"version": "1.2.3", "endpoints": ("10.0.0.11:3000",)}, **spec}
    return AgentSettings.model_validate(
        {"apiVersion": "turnout.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "coder"}, "spec": spec}
    )


def test_the_least_that_can_be_written_is_an_agent():
    least = agent()
    assert (least.name, least.gateways, least.route()) == ("coder", ("edge",), Route())
    assert (least.candidate_version(), least.stickiness(), least.indicators()) == (None, None, ())
    assert (least.dead_man_s, least.request_timeout_s, least.retries, least.drain_deadline_s) == (None, None, 0, 600)
    assert least.spec.gate.consent == "required", "an agent that changes itself must not put itself in service"


def test_adapters_get_their_own_values():
    whole = agent(
        route={"hosts": ("A.example.com",), "pathPrefix": "/v1", "headers": ({"name": "X-Tenant", "value": "Acme"},)},
        candidate={
            "version": "1.3.0",
            "endpoints": ("[::1]:1",),
            "http2": True,
            "digest": "sha256:ab",
            "drainUrl": "http://h/d",
        },
        strategy={"stickiness": {"header": "X-Session-Id"}, "requestTimeout": "30s", "retries": 1},
        objectives=tuple(
            {"name": name, "indicator": indicator, "max": "1%"}
            for name, indicator in {"a": "error", "b": "unsafe", "c": "task_failed", "d": "unsafe"}.items()
        ),
        deadMan="30s",
    )
    assert whole.route() == Route(("a.example.com",), "/v1", (HeaderMatch("x-tenant", "Acme"),))
    assert whole.stable_version() == Version("1.2.3", ("10.0.0.11:3000",))
    assert whole.candidate_version() == Version("1.3.0", ("[::1]:1",), "sha256:ab", True, "http://h/d")
    assert whole.stickiness() == Stickiness(header="x-session-id")
    assert whole.indicators() == ("unsafe", "task_failed"), "errors are counted by the gateway, outcomes once each"
    assert (whole.dead_man_s, whole.request_timeout_s, whole.retries) == (30, 30, 1)


def test_latency_limits_are_counted_once_each():
    limits = ("2s", "500ms", "2000ms")
    objectives = tuple(
        {"name": f"o{index}", "indicator": {"latencyOver": limit}, "max": "1%"} for index, limit in enumerate(limits)
    )
    assert agent(objectives=objectives).latency_limits_s() == (0.5, 2.0)
    assert agent(objectives=objectives).indicators() == (), "an agent would be asked to report its own latency"


def test_nothing_changes_after_loading():
    with pytest.raises(ValidationError, match="frozen"):
        agent().spec.analysis = AnalysisSpec()
