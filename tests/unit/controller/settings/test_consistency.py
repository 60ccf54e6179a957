import pytest

from controller.settings import consistency
from controller.settings.loading import loads
from controller.settings.problem import SettingsError

GATEWAY = "apiVersion: turnout.dev/v1alpha1\nkind: Gateway\nmetadata: {name: edge}\nspec: {type: nop}\n---\n"
AGENT = """\
apiVersion: turnout.dev/v1alpha1
kind: Agent
metadata: {name: %s}
spec:
  gateways: [edge]
  route: {hosts: [a.example.com], pathPrefix: %s}
  stable: {version: 1.2.3, digest: "sha256:ab", endpoints: ["10.0.0.11:3000"]}
"""


def told(text):
    with pytest.raises(SettingsError) as refused:
        loads(text, "a.yaml")
    return [str(problem) for problem in refused.value.problems]


def test_one_route_has_one_agent():
    assert told(GATEWAY + AGENT % ("one", "/v1") + "---\n" + AGENT % ("two", "/v1")) == [
        (
            "a.yaml:19: spec.route: 'two' claims a.example.com/v1 at gateway 'edge', which is 'one''s already, "
            "in a.yaml:11. Give one of them another host, pathPrefix or header."
        )
    ]


@pytest.mark.parametrize(
    "other",
    [
        AGENT % ("two", "/v2"),
        (AGENT % ("two", "/v1")).replace("a.example.com", "b.example.com"),
        (AGENT % ("two", "/v1")).replace("/v1}", "/v1, headers: [{name: x-tenant, value: acme}]}"),
    ],
)
def test_routes_that_differ_in_host_prefix_or_header_are_two(other):
    assert len(loads(GATEWAY + AGENT % ("one", "/v1") + "---\n" + other).agents) == 2


def test_the_order_and_case_of_headers_make_no_other_route():
    headers = ["[{name: a, value: x}, {name: B, value: y}]", "[{name: b, value: y}, {name: A, value: x}]"]
    one, two = (
        (AGENT % (name, "/v1")).replace("/v1}", f"/v1, headers: {h}}}")
        for name, h in zip(("one", "two"), headers, strict=True)
    )
    assert "'two' claims" in told(f"{GATEWAY}{one}---\n{two}")[0]


KEYVAL = GATEWAY.replace(
    "{type: nop}",
    "{type: nginx-plus, nginx-plus: {nodes: [http://n:8080/api], keyval: {zone: z, percentages: [10, 50, 100]}}}",
)
STEPS = "  strategy: {type: %s, steps: [%s]}\n"
STEP = "{weight: %s, hold: 1m}"


@pytest.mark.parametrize(
    ("strategy", "refused"),
    [
        (STEPS % ("canary", f"{STEP % 10}, {STEP % 25}"), ["a.yaml:13: spec.strategy.steps[1].weight: 25"]),
        (STEPS % ("ab", STEP % 0.5), ["a.yaml:13: spec.strategy.steps[0].weight: 0.5"]),
        ("", ["a.yaml:9: spec.strategy.steps: 25"]),
        (STEPS % ("canary", f"{STEP % 10}, {STEP % 50}, {STEP % 100}"), []),
        ("  strategy: {type: blue-green}\n", []),
        (STEPS % ("mirror", STEP % 7), []),
    ],
)
def test_every_step_is_a_share_that_the_gateway_lists(strategy, refused):
    text = KEYVAL + AGENT % ("one", "/v1") + strategy
    if not refused:
        loads(text, "a.yaml")
        return
    found = told(text)
    for problem, begins in zip(found, refused, strict=True):
        place, _, weight = begins.rpartition(" ")
        assert problem.startswith(f"{place} Gateway 'edge' lists no {weight} %"), "a rollout would be refused half-way"
        assert f"Add {weight} to its keyval.percentages" in problem


def test_a_promotion_is_a_share_too():
    assert told(KEYVAL.replace(", 100]", "]") + AGENT % ("one", "/v1")) == [
        (
            "a.yaml:4: spec.nginx-plus.keyval.percentages: lacks 100, without which no promotion ends. "
            "Add 100, and in the configuration a choice of the candidate's upstream for it."
        )
    ]


def test_a_name_is_given_once():
    assert told(GATEWAY + AGENT % ("one", "/v1") + "---\n" + AGENT % ("one", "/v2")) == [
        "a.yaml:16: metadata.name: The Agent 'one' is there already, in a.yaml:8. Rename or remove one of them."
    ]


def test_a_candidate_is_not_stable():
    candidate = '  candidate: {version: 1.2.3, digest: "sha256:ab", endpoints: ["10.0.0.11:3000"]}\n'
    assert [line.split(": ")[1] for line in told(GATEWAY + AGENT % ("one", "/") + candidate)] == [
        "spec.candidate.digest", "spec.candidate.endpoints[0]", "spec.candidate.version",
    ], "a rollout of what already runs would prove nothing"  # fmt: skip


SLOW = "  objectives: [{name: slow, indicator: {latencyOver: 2s}, max: 5%}]\n"
ENVOY = GATEWAY.replace("{type: nop}", '{type: envoy, envoy: {listen: "127.0.0.1:10000"}}')


def test_latency_is_judged_where_every_gateway_reports_it():
    assert loads(ENVOY + AGENT % ("one", "/") + SLOW).agents["one"].latency_limits_s() == (2.0,)
    assert told(GATEWAY + AGENT % ("one", "/") + SLOW) == [
        (
            "a.yaml:13: spec.objectives[0].indicator.latencyOver: latencyOver needs latency per version, which a nop "
            "gateway does not report yet. Remove the objective: without data it would never let a candidate pass."
        )
    ]


def test_a_gateway_that_could_report_latency_is_told_what_is_missing():
    haproxy = GATEWAY.replace("{type: nop}", '{type: haproxy, haproxy: {sockets: ["unix:/s"]%s}}')
    assert loads(haproxy % ', latencyLog: "127.0.0.1:5140"' + AGENT % ("one", "/") + SLOW).agents
    (problem,) = told(haproxy % "" + AGENT % ("one", "/") + SLOW)
    assert "a haproxy gateway does not report without spec.haproxy.latencyLog. Set it, or remove the obj" in problem


def test_a_traefik_keeps_sessions_by_a_cookie_only():
    traefik = GATEWAY.replace("type: nop", "type: traefik, traefik: {api: 'http://127.0.0.1:8080', directory: d}")
    by_header, by_cookie = (f"  strategy: {{stickiness: {{{kind}: x}}}}\n" for kind in ("header", "cookie"))
    whole = AGENT % ("one", "/")
    for taken in (traefik + whole + by_cookie, ENVOY + whole + by_header):
        assert loads(taken).agents["one"].stickiness() is not None
    (problem,) = told(traefik + whole + by_header)
    assert "spec.strategy.stickiness: A traefik gateway keeps sessions by a cookie only." in problem


def test_the_latency_of_copies_is_seen_by_nobody():
    mirror = "  strategy: {type: mirror}\n"
    assert told(ENVOY + AGENT % ("one", "/") + SLOW + mirror) == [
        (
            "a.yaml:13: spec.objectives[0].indicator.latencyOver: latencyOver sees no copies: no gateway tells how "
            "long they take. Remove the objective: without data it would never let a candidate pass."
        )
    ], "a candidate that is mirrored would be called off for want of data, every time"


def test_there_is_a_limit_to_agents_gateways_and_access(monkeypatch):
    monkeypatch.setattr(consistency, "AGENTS_MAX", 1)
    assert (
        "There are 2 documents of this kind; the most is 1."
        in told(GATEWAY + AGENT % ("one", "/v1") + "---\n" + AGENT % ("two", "/v2"))[0]
    )
    token = "{name: a, role: viewer, sha256: " + "a" * 64 + "}"
    access = (
        f"apiVersion: turnout.dev/v1alpha1\nkind: Access\nmetadata: {{name: %s}}\nspec: {{tokens: [{token}]}}\n---\n"
    )
    assert "the most is 1" in told(access % "a" + access % "b")[0]
