from tests.unit.controller.cli.fake import SHARE, Raw, agent, behind, finding, link, resting

AGENTS = {
    "agents": [
        agent(),
        agent(name="planner", phase="rolling-back", verdict="breach", gateways=[link(), behind("edge-2")]),
        resting(name="writer"),
    ]
}

TABLE = """\
agent            stable   candidate   phase              wanted → confirmed                    verdict     in flight
code-assistant   1.2.3    1.3.0       health-check 2/3   10 % → 10 %                           undecided   40 + 4
planner          1.2.3    1.3.0       rolling-back 2/3   10 % → 1 % / 10 % (1 of 2 gateways)   breach      80 + 8
writer           1.2.3    none        idle               0 % → 0 %                                         40"""


def test_a_line_per_agent(turnout, fake):
    fake.answers("GET", "/v1/agents", AGENTS)
    assert turnout.ok("status") == TABLE


def test_the_json_is_the_controllers_own(turnout, fake):
    fake.answers("GET", "/v1/agents", AGENTS)
    assert turnout.json("status") == AGENTS


def test_no_agents_is_said(turnout, fake):
    fake.answers("GET", "/v1/agents", {"agents": []})
    assert turnout.ok("status") == "No agents."


def test_one_agent_is_told_whole(turnout, fake):
    findings = [finding(), finding(objective="unsafe", guardrail=True, verdict="breach", evidence_ratio=1.3)]
    fake.answers("GET", "/v1/agents/code-assistant", agent(gateways=[link(), behind("edge-2")], findings=findings))
    assert (
        turnout.ok("status", "code-assistant")
        == """\
code-assistant  health-check 2/3  change 7: step: step 2 of 3: 10 % candidate
track       version   wanted   in flight   endpoints
stable      1.2.3     90 %     80          10.0.0.11:3000, 10.0.0.12:3000
candidate   1.3.0     10 %     8           10.0.0.21:3000

gateway   confirmed   up to date   observed         detail
edge      10 %        yes          9.83 % of 1200
edge-2    1 %         no           9.83 % of 1200   unreachable: no node of edge is connected

verdict: undecided
objective            evidence of a breach          verdict     candidate       stable
errors               ██░░░░░░░░░░░░░░░░░░   0.12   undecided   1.69 % of 118   0.83 % of 1082
unsafe (guardrail)   ████████████████████   1.30   breach      1.69 % of 118   0.83 % of 1082

hold: 3 min 32 s left; next: 50 % for 10 min"""
    )


def test_an_unknown_agent_is_refused(turnout):
    result = turnout("status", "nobody")
    assert result.exit_code == 1
    assert "  code: not-found" in result.stderr


def test_what_is_not_a_controller_is_not_reached(turnout, fake):
    fake.answers("GET", "/v1/agents", Raw(b"<html>"))
    assert turnout("status").exit_code == 3


def test_gateways(turnout, fake):
    held = {"agent": "code-assistant", "confirmed": SHARE, "up_to_date": True, "receipt": None}
    edge = {"name": "edge", "kind": "envoy", "reachable": True, "detail": "1.40.0", "nodes": ["edge-1"]}
    west = {**edge, "name": "west", "reachable": False, "detail": "no node is connected", "nodes": [], "agents": []}
    document = {
        "gateways": [
            {**edge, "last_error": None, "agents": [held, {**held, "agent": "writer", "confirmed": None}]},
            {**west, "last_error": "no route"},
        ]
    }
    fake.answers("GET", "/v1/gateways", document)
    assert (
        turnout.ok("gateways")
        == """\
gateway   type    reachable   agent            confirmed     up to date   detail
edge      envoy   yes         code-assistant   10 %          yes          1.40.0; edge-1
                              writer           nothing yet   yes
west      envoy   no                                                      no node is connected; no route"""
    )
    assert turnout.json("gateways") == document


def test_what_a_gateway_says_beside_its_confirmation_is_shown(turnout, fake):
    held = {"agent": "code-assistant", "confirmed": SHARE, "up_to_date": True, "receipt": None, "remark": ""}
    writer = {**held, "agent": "writer", "remark": "not kept by a reload: the disk is full"}
    edge = {"name": "edge", "kind": "haproxy", "reachable": True, "detail": "HAProxy 2.6.12", "nodes": []}
    document = {"gateways": [{**edge, "last_error": None, "agents": [held, writer]}]}
    fake.answers("GET", "/v1/gateways", document)
    assert (
        turnout.ok("gateways")
        == """\
gateway   type      reachable   agent            confirmed   up to date   detail
edge      haproxy   yes         code-assistant   10 %        yes          HAProxy 2.6.12
                                writer           10 %        yes          not kept by a reload: the disk is full"""
    )


def test_an_envoy_of_no_gateway_is_named_with_the_remedy(turnout, fake):
    edge = {"name": "edge", "kind": "envoy", "reachable": False, "detail": "", "nodes": [], "last_error": None}
    stranger = {"node": "edge-1", "cluster": "egde\n"}
    fake.answers("GET", "/v1/gateways", {"gateways": [{**edge, "agents": []}], "strangers": [stranger]})
    assert (
        turnout.ok("gateways")
        == """\
gateway   type    reachable   agent   confirmed   up to date   detail
edge      envoy   no

held: Envoy 'edge-1' says node.cluster 'egde\\n', which is no gateway of Envoys
Set node.cluster in its bootstrap to edge; or declare that gateway."""
    )


def test_no_gateways_is_said(turnout, fake):
    fake.answers("GET", "/v1/gateways", {"gateways": []})
    assert turnout.ok("gateways") == "No gateways."
