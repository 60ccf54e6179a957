import pytest

PATH = "/v1/agents/code-assistant/drain"


def drained(outcome, in_flight=0, version="1.3.0"):
    return {"agent": "code-assistant", "version": version, "outcome": outcome, "in_flight": in_flight, "detail": ""}


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        (drained("empty"), 0, "1.3.0 has nothing in flight."),
        (drained("nothing", None, None), 0, "no version plays the candidate track."),
        (drained("deadline", 3), 4, "1.3.0 still has 3 requests in flight after 30 s."),
        (drained("deadline", None), 4, "1.3.0 still has an unknown number of requests in flight after 30 s."),
        (drained("eaten"), 0, "eaten"),
        (drained("serving"), 4, "1.3.0 got traffic again while it drained."),
    ],
)
def test_a_pre_stop_hook_can_tell_how_it_ended(turnout, fake, answer, code, told):
    fake.answers("POST", PATH, answer)
    result = turnout("drain", "code-assistant", "--deadline", "30s")
    assert (result.exit_code, result.stdout) == (code, f"code-assistant: {told}\n")
    assert fake.last.query == {"track": "candidate", "deadline": "30s"}


def test_the_json_is_the_controllers_own(turnout, fake):
    fake.answers("POST", PATH, drained("empty"))
    assert turnout.json("drain", "code-assistant", "--track", "stable") == drained("empty")
    assert fake.last.query["track"] == "stable"


def test_a_deadline_needs_its_unit(turnout):
    assert turnout("drain", "code-assistant", "--deadline", "30").exit_code == 2


def test_a_hook_names_its_own_version(turnout, fake):
    fake.answers("POST", PATH, drained("nothing", None, None))
    result = turnout("drain", "code-assistant", "--version", "1.2.3")
    assert result.stdout == "code-assistant: version 1.2.3 is not known.\n"
    assert fake.last.query == {"version": "1.2.3", "deadline": "1m"}
