import pytest

from adapters.capabilities import Capabilities
from adapters.registry import capabilities_of
from controller.roster import gateway_profile
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
UNABLE = Capabilities(100, False, False, False, False, False, False, share_given=lambda bp, *_: bp if bp >= 100 else 0)

KINDS = {
    "envoy": '{listen: "127.0.0.1:10000"}',
    "haproxy": '{sockets: ["unix:/s"]}',
    "kong": '{nodes: ["http://127.0.0.1:8001"], httpLog: {listen: "127.0.0.1:8910"}}',
    "nginx-plus": '{nodes: ["http://127.0.0.1:8080/api"]}',
    "openresty": '{control: "http://127.0.0.1:10001", tokenFile: /t}',
    "traefik": "{api: http://127.0.0.1:8080, directory: /d}",
}

DEMANDING = """\
apiVersion: turnout.dev/v1alpha1
kind: Gateway
metadata: {name: edge}
spec: {type: %s, %s: %s}
---
apiVersion: turnout.dev/v1alpha1
kind: Agent
metadata: {name: coder}
spec:
  gateways: [edge]
  route: {hosts: [coder.example.com]}
  stable: {version: 1.2.3, endpoints: ["10.0.0.1:80"], http2: true, drainUrl: http://10.0.0.1/drain}
  strategy: {stickiness: {cookie: turnout}, retries: 1, requestTimeout: 1m}
  objectives: [{name: done, indicator: task_failed, max: 5%%}]
"""


def doubts_of(text):
    settings = loads(text, "a.yaml")
    able = {name: capabilities_of(each.type, gateway_profile(each).options) for name, each in settings.gateways.items()}
    return advise(settings, able)


def told(strategy, capabilities):
    doubts = advise(loads(SETTINGS % strategy, "a.yaml"), {"edge": capabilities})
    return [f"{doubt.line} {doubt.field}" for doubt in doubts]


@pytest.mark.parametrize(
    ("kind", "in_vain"),
    [
        ("envoy", set()),
        ("haproxy", {"route", "stickiness", "retries", "requestTimeout", "http2", "outcomes"}),
        ("kong", {"route", "retries", "requestTimeout", "http2", "outcomes"}),
        ("nginx-plus", {"route", "stickiness", "retries", "requestTimeout", "http2", "outcomes"}),
        ("openresty", {"http2"}),
        ("traefik", {"outcomes"}),
    ],
)
def test_what_a_gateway_ignores_or_refuses_is_said(kind, in_vain):
    doubts = doubts_of(DEMANDING % (kind, kind, KINDS[kind]))
    fields = [doubt.field.rpartition(".")[2].replace("indicator", "outcomes") for doubt in doubts]
    assert sorted(fields) == sorted(in_vain), "the settings promise what this gateway does not do"


def test_who_ignores_what_is_said_with_a_remedy():
    haproxy = [str(doubt) for doubt in doubts_of(DEMANDING % ("haproxy", "haproxy", KINDS["haproxy"]))]
    assert haproxy[0] == (
        "a.yaml:11: spec.route: The haproxy gateway 'edge' is not told of this: it is that gateway's own "
        "configuration. Set it there as well; here alone it does nothing."
    )
    assert haproxy[-1] == (
        "a.yaml:14: spec.objectives[0].indicator: The haproxy gateway 'edge' does not read what agents report in their "
        "answers. Have the agent push it (POST /v1/outcomes)."
    )
    [openresty] = doubts_of(DEMANDING % ("openresty", "openresty", KINDS["openresty"]))
    assert str(openresty) == (
        "a.yaml:12: spec.stable.http2: The openresty gateway 'edge' cannot do this, and refuses it. "
        "Remove it, or use another gateway."
    )


def test_no_data_at_all_is_said_once():
    kong = '{nodes: ["http://127.0.0.1:8001"]}'
    fields = [doubt.field for doubt in doubts_of(DEMANDING % ("kong", "kong", kong)) if "objectives" in doubt.field]
    assert fields == ["spec.objectives"], "an objective without any data needs no second warning"


@pytest.mark.parametrize(
    ("kind", "settings", "percent", "stable", "candidate", "said"),
    [
        ("haproxy", '{sockets: ["unix:/s"]}', 0.01, 1, 3, ""),
        ("haproxy", '{sockets: ["unix:/s"], divideBy: weights}', 1, 1, 1, ""),
        (
            "haproxy",
            '{sockets: ["unix:/s"], divideBy: weights}',
            0.1,
            1,
            1,
            "it refuses it. The next that it can give is 0.39 %.",
        ),
        ("haproxy", '{sockets: ["unix:/s"], divideBy: weights}', 0.2, 3, 1, ""),
        (
            "haproxy",
            '{sockets: ["unix:/s"], divideBy: weights}',
            1,
            1,
            3,
            "it refuses it. The next that it can give is 1.16 %.",
        ),
        ("kong", KINDS["kong"], 0.05, 1, 1, "it refuses it. The next that it can give is 0.1 %."),
        ("kong", KINDS["kong"], 0.15, 1, 1, "it gives 0.1 %. The next that it can give is 0.16 %."),
        ("kong", KINDS["kong"], 0.25, 1, 1, ""),
        ("nginx-plus", KINDS["nginx-plus"], 0.01, 1, 1, ""),
    ],
)
def test_shares_that_are_refused_or_become_much_smaller_are_said(kind, settings, percent, stable, candidate, said):
    stable_at = [f"10.0.0.{number}:80" for number in range(1, stable + 1)]
    candidate_at = [f"10.0.1.{number}:80" for number in range(1, candidate + 1)]
    text = f"""\
apiVersion: turnout.dev/v1alpha1
kind: Gateway
metadata: {{name: edge}}
spec: {{type: {kind}, {kind}: {settings}}}
---
apiVersion: turnout.dev/v1alpha1
kind: Agent
metadata: {{name: coder}}
spec:
  gateways: [edge]
  stable: {{version: "1", endpoints: {stable_at}, drainUrl: http://10.0.0.1/drain}}
  candidate: {{version: "2", endpoints: {candidate_at}, drainUrl: http://10.0.1.1/drain}}
  strategy: {{steps: [{{weight: {percent}, hold: 1m}}, {{weight: 50, hold: 1m}}]}}
"""
    doubts = doubts_of(text)
    assert [doubt.field for doubt in doubts] == ["spec.strategy.steps[0].weight"] * bool(said)
    assert str(doubts[0] if doubts else "").endswith(said), "the remedy is not the least share that this gateway gives"


STICKY = """\
apiVersion: turnout.dev/v1alpha1
kind: Gateway
metadata: {name: edge}
spec: {type: %s, %s: %s}
---
apiVersion: turnout.dev/v1alpha1
kind: Agent
metadata: {name: coder}
spec:
  gateways: [edge]
  stable: {version: "1", endpoints: %s, drainUrl: http://10.0.0.1/drain}
  strategy: {stickiness: {header: x-session}, steps: [{weight: %s, hold: 1m}, {weight: 50, hold: 1m}]}
"""


@pytest.mark.parametrize(
    ("kind", "endpoints", "percent", "said"),
    [
        ("kong", ["10.0.0.1:80"], 0.1, "it gives 0.31 % where sessions are kept. The next that it can give is 0.29 %."),
        ("kong", ["10.0.0.1:80"], 0.05, "it refuses it. The next that it can give is 0.29 %."),
        ("kong", ["10.0.0.1:80"], 0.3, ""),
        ("kong", ["10.0.0.1:80"], 1, ""),
        ("kong", ["10.0.0.1:80", "10.0.0.2:80"], 0.2, "The next that it can give is 0.29 %."),
        ("envoy", ["10.0.0.1:80"], 0.01, ""),
    ],
)
def test_a_share_that_sessions_make_greater_is_said(kind, endpoints, percent, said):
    text = STICKY % (kind, kind, KINDS[kind], endpoints, percent)
    doubts = [str(doubt) for doubt in doubts_of(text) if doubt.field.startswith("spec.strategy.steps")]
    assert len(doubts) == bool(said), "a candidate gets three times what was consented to, and nobody was told"
    assert "".join(doubts).endswith(said)


DRAINED = """\
apiVersion: turnout.dev/v1alpha1
kind: Gateway
metadata: {name: edge}
spec: {type: %s, %s: %s}
---
apiVersion: turnout.dev/v1alpha1
kind: Agent
metadata: {name: coder}
spec:
  gateways: [edge]
  stable: {version: "1", endpoints: ["10.0.0.1:80"]%s}
%s
"""
URL, DEADLINE = ", drainUrl: http://10.0.0.1/drain", "  drain: {deadline: 1m}"


@pytest.mark.parametrize(
    ("kind", "url", "deadline", "said"),
    [
        ("traefik", "", "", "nor see it: every drain lasts 10m."),
        ("traefik", "", DEADLINE, "nor see it: every drain lasts 1m."),
        ("traefik", URL, DEADLINE, None),
        ("traefik", "", "  drain: {deadline: 0s}", None),
        ("kong", "", "", "nor see it: every drain lasts 10m."),
        ("envoy", "", "", None),
        ("envoy", "", DEADLINE, "cannot end what is still open at the drain's deadline."),
        ("envoy", URL, DEADLINE, None),
        ("nginx-plus", "", DEADLINE, "cannot end what is still open at the drain's deadline."),
        ("haproxy", "", DEADLINE, None),
        ("openresty", "", DEADLINE, None),
    ],
)
def test_streams_that_nobody_ends_are_said(kind, url, deadline, said):
    doubts = doubts_of(DRAINED % (kind, kind, KINDS[kind], url, deadline))
    assert [doubt.field for doubt in doubts] == (["spec.stable.drainUrl"] if said else [])
    assert all(doubt.message.endswith(said) for doubt in doubts)


def test_what_is_most_likely_not_meant_is_said():
    doubts = advise(loads(SETTINGS % "canary", "a.yaml"), {"edge": ABLE})
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
    always = [
        "9 spec.envoy.listen",
        "16 spec.stable.drainUrl",
        "18 spec.objectives",
        "18 spec.objectives[0].indicator",
        "19 spec.deadMan",
    ]
    assert sorted(told("canary", UNABLE)) == sorted([*always, "17 spec.strategy.steps[0].weight"])
    assert sorted(told("mirror", UNABLE)) == sorted([*always, "17 spec.strategy.type"])


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
