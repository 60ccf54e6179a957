import pytest

from controller.settings.loading import loads


def test_the_snippet_is_settings_that_know_the_token(turnout):
    told = turnout.ok("token", "--name", "ann", "--role", "operator")
    token = next(line for line in told.splitlines() if line.startswith("turnout_"))
    access = loads(told[told.index("apiVersion") :]).access
    assert access is not None
    bearer = access.bearer(token)
    assert bearer is not None, "the token that was shown would not open the door"
    assert (bearer.name, bearer.role) == ("ann", "operator")


def test_the_token_is_shown_once(turnout):
    told = turnout.ok("token", "--name", "ann", "--role", "viewer")
    token = next(line for line in told.splitlines() if line.startswith("turnout_"))
    assert told.count(token) == 1


def test_json_has_the_same(turnout):
    told = turnout.json("token", "--name", "ann", "--role", "approver")
    held = told["settings"]["spec"]["tokens"][0]
    assert held == {"name": "ann", "role": "approver", "sha256": told["sha256"]}
    assert told["token"].startswith("turnout_")


@pytest.mark.parametrize("words", [("--name", "Ann Lee"), ("--role", "king"), ()])
def test_wrong_usage(turnout, words):
    given = {"--name": "ann", "--role": "viewer"} if words else {}
    given |= {words[0]: words[1]} if words else {}
    assert turnout("token", *(word for pair in given.items() for word in pair)).exit_code == 2
