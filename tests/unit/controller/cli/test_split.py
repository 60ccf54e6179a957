import pytest

from tests.unit.controller.cli.fake import agent

PATH = "/v1/agents/code-assistant"


@pytest.mark.parametrize(("written", "sent"), [("10", 10), ("10%", 10), ("0.5", 0.5), ("0", 0), ("100", 100)])
def test_the_share_is_sent_as_percent(turnout, fake, written, sent):
    fake.answers("PUT", f"{PATH}/split", agent())
    turnout.ok("set-weight", "code-assistant", written, "--reason", "trying it")
    assert fake.last.body == {"candidate_percent": sent, "reason": "trying it"}


@pytest.mark.parametrize("written", ["101", "10.001", "ten", "1e1", ""])
def test_a_share_that_no_gateway_can_give_is_wrong_usage(turnout, fake, written):
    assert turnout("set-weight", "code-assistant", written).exit_code == 2
    assert not fake.asked, "nothing may be asked of the controller that cannot be meant"


def test_the_text_says_who_gets_what_and_who_confirmed(turnout, fake):
    fake.answers("PUT", f"{PATH}/split", agent())
    assert turnout.ok("set-weight", "code-assistant", "10") == (
        "code-assistant: 10 % to candidate 1.3.0, the rest to stable 1.2.3; confirmed by edge. health-check, change 7."
    )


def test_the_json_is_the_controllers_own(turnout, fake):
    fake.answers("PUT", f"{PATH}/split", agent())
    assert turnout.json("set-weight", "code-assistant", "10") == agent()


def test_the_second_of_two_operators_can_ask_to_be_refused(turnout, fake):
    fake.answers("PUT", f"{PATH}/split", agent())
    turnout.ok("set-weight", "code-assistant", "10", "--seen", "7")
    assert fake.last.headers["If-Match"] == '"7"'


def test_a_candidate_is_declared_with_all_that_describes_it(turnout, fake):
    fake.answers("PUT", f"{PATH}/candidate", agent())
    turnout.ok(
        *("candidate", "code-assistant", "1.3.0", "--endpoint", "a:1", "--endpoint", "b:2"),
        *("--digest", "sha256:x", "--http2", "--drain-url", "http://a/drain", "--reason", "r"),
    )
    assert fake.last.body == {
        "version": "1.3.0",
        "endpoints": ["a:1", "b:2"],
        "digest": "sha256:x",
        "http2": True,
        "drain_url": "http://a/drain",
        "reason": "r",
    }


def test_a_candidate_is_taken_away(turnout, fake):
    fake.answers("DELETE", f"{PATH}/candidate", agent(candidate=None))
    assert "everything to stable 1.2.3" in turnout.ok("candidate", "code-assistant", "--remove")
    assert fake.last.body == {"reason": ""}
    assert turnout.json("candidate", "code-assistant", "--remove")["candidate"] is None


@pytest.mark.parametrize("words", [(), ("1.3.0",), ("1.3.0", "--endpoint", "a:1", "--remove")])
def test_a_candidate_that_is_half_described_is_wrong_usage(turnout, fake, words):
    assert turnout("candidate", "code-assistant", *words).exit_code == 2
    assert not fake.asked
