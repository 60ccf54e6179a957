import pytest

from controller.cli import review
from tests.unit.controller.cli.fake import Refusal, agent, proposal, resting, rollout

ID = "p0a1b2c3d4e5f6071"
WAITING = agent(phase="awaiting-consent", rollout=rollout(step=None))


@pytest.fixture
def waiting(fake):
    fake.answers("GET", "/v1/agents/code-assistant", WAITING)
    fake.answers("GET", f"/v1/proposals/{ID}", proposal())
    fake.answers("POST", f"/v1/proposals/{ID}/approve", proposal(phase="deploying"))
    fake.answers("POST", f"/v1/proposals/{ID}/reject", proposal(phase="rejected"))


def test_a_proposal_is_sent_with_its_evidence(turnout, fake):
    fake.answers("POST", "/v1/proposals", proposal())
    words = ("propose", "code-assistant", "1.3.0", "--endpoint", "a:1")
    told = turnout.ok(*words, "--verification-score", "0.97", "--summary", "Fewer tool calls.")
    assert told == f"{ID}: code-assistant 1.3.0 is awaiting-consent. digest sha256:aa"
    assert fake.last.body == {
        "agent": "code-assistant",
        "version": "1.3.0",
        "endpoints": ["a:1"],
        "digest": "",
        "http2": False,
        "drain_url": None,
        "verification_score": 0.97,
        "summary": "Fewer tool calls.",
    }
    assert turnout.json(*words) == proposal()


@pytest.mark.parametrize("words", [(), ("--endpoint", "a:1", "--verification-score", "97")])
def test_a_proposal_that_cannot_be_meant_is_wrong_usage(turnout, fake, words):
    assert turnout("propose", "code-assistant", "1.3.0", *words).exit_code == 2
    assert not fake.asked


@pytest.mark.usefixtures("waiting")
def test_consent_names_the_digest_that_was_reviewed(turnout, fake):
    told = turnout.ok("approve", "code-assistant", "--digest", "sha256:aa", "--reason", "read it")
    assert "is deploying" in told
    assert fake.last.body == {"digest": "sha256:aa", "reason": "read it"}
    assert turnout.json("approve", "code-assistant", "--digest", "sha256:aa")["phase"] == "deploying"


@pytest.mark.usefixtures("waiting")
def test_without_a_terminal_and_a_digest_nobody_has_reviewed_anything(turnout, fake):
    result = turnout("approve", "code-assistant")
    assert result.exit_code == 2
    assert "--digest sha256:aa" in result.stderr
    assert all(asked.method == "GET" for asked in fake.asked), "consent to something that nobody has read"


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_on_a_terminal_the_proposal_is_shown_and_asked_about(turnout, fake, monkeypatch, answer, code):
    monkeypatch.setattr(review, "reads_a_person", lambda: True)
    result = turnout("approve", "code-assistant", input=answer)
    assert result.exit_code == code
    for fact in ("1.3.0", "10.0.0.21:3000", "97 %", "Fewer tool calls.", "sha256:aa", "10 % for 5 min, asks"):
        assert fact in result.stderr, "a reviewer would consent to something that was not shown"
    approved = [asked.body for asked in fake.asked if asked.method == "POST"]
    assert approved == ([{"digest": "sha256:aa", "reason": ""}] if code == 0 else [])


def test_a_step_that_asks_for_a_person_is_approved(turnout, fake):
    fake.answers("GET", "/v1/agents/code-assistant", agent())
    fake.answers("POST", "/v1/agents/code-assistant/approve", agent())
    assert "health-check" in turnout.ok("approve", "code-assistant", "--digest", "sha256:aa")
    assert fake.last.body == {"reason": ""}


def test_the_approval_of_another_proposal_is_not_taken(turnout, fake):
    fake.answers("GET", "/v1/agents/code-assistant", agent())
    result = turnout("approve", "code-assistant", "--digest", "sha256:bb")
    assert result.exit_code == 1
    assert "the approval names sha256:bb, the proposal is sha256:aa" in result.stderr
    assert len(fake.asked) == 1


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize(
    ("words", "sent"), [((), {"reason": ""}), (("--digest", "sha256:aa"), {"reason": "", "digest": "sha256:aa"})]
)
def test_a_proposal_is_rejected(turnout, fake, words, sent):
    assert "is rejected" in turnout.ok("reject", "code-assistant", *words)
    assert fake.last.body == sent
    assert turnout.json("reject", "code-assistant")["phase"] == "rejected"


@pytest.mark.parametrize("verb", ["approve", "reject"])
@pytest.mark.parametrize("state", [resting(), agent(phase="promoted", rollout=rollout(active=False))])
def test_there_is_nothing_to_decide_on(turnout, fake, verb, state):
    fake.answers("GET", "/v1/agents/code-assistant", state)
    result = turnout(verb, "code-assistant")
    assert result.exit_code == 1
    assert "there is no proposal to decide on" in result.stderr


@pytest.mark.usefixtures("waiting")
def test_whoever_may_not_consent_is_told_so(turnout, fake):
    fake.answers("POST", f"/v1/proposals/{ID}/approve", Refusal(403, {"detail": "ann may not.", "code": "denied"}))
    assert turnout("approve", "code-assistant", "--digest", "sha256:aa").exit_code == 1
