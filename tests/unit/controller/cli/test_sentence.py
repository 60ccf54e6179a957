from controller.cli.picture import Agent, Proposal, read
from controller.cli.sentence import about_agent, about_proposal, say_agent, say_proposal
from tests.unit.controller.cli.fake import agent, behind, link, proposal


def test_an_agent_in_one_line():
    told = about_agent(read(Agent, agent(gateways=[link(), behind("edge-2")])))
    assert told == (
        "code-assistant: 10 % to candidate 1.3.0, the rest to stable 1.2.3; "
        "confirmed by edge, not yet by edge-2. health-check, change 7."
    )


def test_an_agent_without_a_candidate_or_a_gateway():
    told = about_agent(read(Agent, agent(candidate=None, gateways=[])))
    assert told == "code-assistant: everything to stable 1.2.3; no gateway. health-check, change 7."


def test_a_proposal_says_what_a_consent_must_name():
    told = about_proposal(read(Proposal, proposal(phase="rejected", reason="the score is too low")))
    assert told == ("p0a1b2c3d4e5f6071: code-assistant 1.3.0 is rejected (the score is too low). digest sha256:aa")


def test_they_are_said_on_standard_output(capsys):
    say_agent(agent(changed_by="\x1b[2J", phase="paused"))
    say_proposal(proposal(reason="\x1b[2J"))
    told = capsys.readouterr().out
    assert "paused, change 7" in told
    assert "\x1b" not in told, "a pipeline's words could command the operator's terminal"
