from adapters.port import Capabilities
from controller.settings.advice import advise, unresolved
from controller.settings.loading import loads

SETTINGS = """\
apiVersion: turnout.dev/v1alpha1
kind: Gateway
metadata: {name: edge}
spec: {type: envoy, envoy: {listen: "0.0.0.0:10000"}}
---
apiVersion: turnout.dev/v1alpha1
kind: Gateway
metadata: {name: west}
spec: {type: envoy, envoy: {listen: "0.0.0.0:10000"}}
---
apiVersion: turnout.dev/v1alpha1
kind: Agent
metadata: {name: coder}
spec:
  gateways: [edge]
  stable: {version: 1.2.3, endpoints: ["10.0.0.11:3000", "coder.internal:3000"]}
  strategy: {type: %s, steps: [{weight: 0.5, hold: 1m}]}
  objectives: [{name: errors, indicator: errors, max: 5%%}]
  deadMan: 30s
"""
ABLE = Capabilities(1, True, True, True, True, True, True)
UNABLE = Capabilities(100, False, False, False, False, False, False)


def told(strategy, **capabilities):
    doubts = advise(loads(SETTINGS % strategy, "a.yaml"), capabilities)
    return [f"{doubt.line} {doubt.field}" for doubt in doubts]


def test_less_than_weights_of_an_haproxy_can_give_is_said():
    for divide_by, expected in (("map", []), ("weights", ["Use at least 0.39."])):
        haproxy = f'{{type: haproxy, haproxy: {{sockets: ["unix:/s"], divideBy: {divide_by}}}}}'
        settings = (SETTINGS % "canary").replace('{type: envoy, envoy: {listen: "0.0.0.0:10000"}}', haproxy, 1)
        doubts = advise(loads(settings.replace("0.5", "0.1"), "a.yaml"), {"haproxy": ABLE})
        assert [doubt.remedy for doubt in doubts if "weight" in doubt.field] == expected


def test_what_is_most_likely_not_meant_is_said():
    doubts = advise(loads(SETTINGS % "canary", "a.yaml"), {"envoy": ABLE})
    assert [str(doubt) for doubt in doubts] == [
        (
            "a.yaml:9: spec.envoy.listen: 0.0.0.0:10000 is gateway 'edge''s as well (a.yaml:4). "
            "On one machine only one of them can start; on two this is right."
        ),
        (
            "a.yaml:18: spec.objectives[0].indicator: 'errors' is taken for an ORCA metric of the agent's own. "
            "Did you mean error?"
        ),
    ]


def test_what_a_gateway_cannot_do_is_said():
    always = ["9 spec.envoy.listen", "18 spec.objectives", "18 spec.objectives[0].indicator", "19 spec.deadMan"]
    assert sorted(told("canary", envoy=UNABLE)) == sorted([*always, "17 spec.strategy.steps[0].weight"])
    assert sorted(told("mirror", envoy=UNABLE)) == sorted([*always, "17 spec.strategy.type"])


def test_only_names_are_looked_up():
    asked = []
    doubts = unresolved(loads(SETTINGS % "canary", "a.yaml"), lambda host: asked.append(host) is not None)
    assert asked == ["coder.internal"], "an IP address needs no resolver"
    assert [str(doubt) for doubt in doubts] == [
        (
            "a.yaml:16: spec.stable.endpoints[1]: 'coder.internal' has no address. "
            "Check the name; it may be known only where the gateway runs."
        )
    ]
    assert unresolved(loads(SETTINGS % "canary"), lambda _: True) == ()
