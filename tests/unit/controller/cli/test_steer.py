import pytest

from tests.unit.controller.cli.fake import Refusal, agent

VERBS = ("pause", "resume", "skip", "promote", "rollback")


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_asks_for_it_with_its_reason(turnout, fake, verb):
    fake.answers("POST", f"/v1/agents/code-assistant/{verb}", agent())
    assert "health-check" in turnout.ok(verb, "code-assistant", "--reason", "p99")
    assert fake.last.body == {"reason": "p99"}
    assert turnout.json(verb, "code-assistant") == agent()


@pytest.mark.parametrize("verb", VERBS)
def test_a_refusal_says_what_the_controller_said(turnout, fake, verb):
    problem = {"detail": f"a: cannot {verb}.", "code": "refused", "remedy": "Look again."}
    fake.answers("POST", f"/v1/agents/a/{verb}", Refusal(409, problem))
    result = turnout(verb, "a")
    assert result.exit_code == 1
    assert f"turnout: a: cannot {verb}.\n" in result.stderr
    assert "  remedy: Look again.\n" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("verb", VERBS)
def test_a_controller_that_is_away_has_its_own_exit_code(turnout, unused_tcp_port, verb):
    result = turnout(verb, "a", "--url", f"http://127.0.0.1:{unused_tcp_port}")
    assert result.exit_code == 3
    assert "cannot be reached" in result.stderr


@pytest.mark.parametrize("verb", ["pause", "resume", "skip", "promote"])
def test_whoever_has_seen_too_little_can_ask_to_be_refused(turnout, fake, verb):
    fake.answers("POST", f"/v1/agents/a/{verb}", agent())
    turnout.ok(verb, "a", "--seen", "3")
    assert fake.last.headers["If-Match"] == '"3"'
