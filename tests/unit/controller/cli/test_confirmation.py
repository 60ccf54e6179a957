import pytest

from controller.cli import confirmation
from controller.cli.confirmation import missing
from controller.cli.picture import Agent, read
from tests.unit.controller.cli.fake import agent, behind, link

PATH = "/v1/agents/code-assistant"
SET = ("set-weight", "code-assistant", "10")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(confirmation, "LOOK_EVERY_S", 0)


def test_done_means_confirmed_by_every_gateway(turnout, fake):
    slow = agent(gateways=[link(), behind("edge-2")])
    fake.answers("PUT", f"{PATH}/split", slow)
    fake.answers("GET", PATH, slow, slow, agent())
    assert "confirmed by edge." in turnout.ok(*SET)
    assert len(fake.asked) == 4, "it must look until the last gateway has confirmed"


def test_no_wait_does_not_look(turnout, fake):
    fake.answers("PUT", f"{PATH}/split", agent(gateways=[behind()]))
    assert "not yet by edge" in turnout.ok(*SET, "--no-wait")
    assert len(fake.asked) == 1


def test_what_is_not_confirmed_in_time_has_its_own_exit_code(turnout, fake):
    slow = agent(gateways=[behind()])
    fake.answers("PUT", f"{PATH}/split", slow)
    fake.answers("GET", PATH, slow)
    result = turnout(*SET, "--timeout", "20ms")
    assert result.exit_code == 4
    assert "waiting for edge (unreachable: no node of edge is connected)" in result.stderr
    assert result.stdout == ""


def test_whoever_is_overtaken_is_told_by_whom(turnout, fake):
    fake.answers("PUT", f"{PATH}/split", agent(gateways=[behind()]))
    nothing = {"stable_percent": 100.0, "candidate_percent": 0.0, "mirror_percent": 0.0}
    fake.answers("GET", PATH, agent(wanted=nothing, changed_by="bob: roll back (p99)", gateways=[behind()]))
    result = turnout(*SET)
    assert result.exit_code == 4
    assert "it is 0 % now: bob: roll back (p99)" in result.stderr


def test_a_gateway_that_refuses_is_not_waited_for(turnout, fake):
    slow = agent(gateways=[behind(outcome="refused", detail="unknown cluster")])
    fake.answers("PUT", f"{PATH}/split", slow)
    fake.answers("GET", PATH, slow)
    result = turnout(*SET)
    assert result.exit_code == 1
    assert "edge refused 10 %: unknown cluster" in result.stderr


def test_a_rollback_is_waited_for_though_a_gateway_refuses_because_it_is_asked_again(turnout, fake):
    nothing = {"stable_percent": 100.0, "candidate_percent": 0.0, "mirror_percent": 0.0}
    refusal = {"outcome": "refused", "detail": "no", "took_s": 0.1, "split": nothing}
    slow = agent(wanted=nothing, gateways=[link(up_to_date=False, receipt=refusal)])
    fake.answers("POST", f"{PATH}/rollback", slow)
    fake.answers("GET", PATH, slow, agent(wanted=nothing))
    turnout.ok("rollback", "code-assistant")


def test_who_is_missing_is_said_in_the_gateways_words_made_plain():
    told = read(Agent, agent(gateways=[behind(detail="\x1b[2J"), link("edge-3", up_to_date=False, receipt=None)]))
    assert missing(told) == "waiting for edge (unreachable: \\x1b[2J), edge-3 (no answer yet)"


def test_an_earlier_split_that_was_confirmed_is_no_answer_to_this_one():
    nothing = {"stable_percent": 100.0, "candidate_percent": 0.0, "mirror_percent": 0.0}
    told = read(Agent, agent(wanted=nothing, gateways=[link(up_to_date=False)]))
    assert missing(told) == "waiting for edge (no answer yet)", "who rolls back would read that it is confirmed"
