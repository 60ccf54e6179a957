import hashlib

import pytest

from controller.settings.access import AccessSettings, hash_token, new_token
from controller.settings.loading import loads
from controller.settings.problem import SettingsError


def access(tokens):
    return f"apiVersion: turnout.dev/v1alpha1\nkind: Access\nmetadata: {{name: api}}\nspec: {{tokens: [{tokens}]}}\n"


def test_a_new_token_opens_what_its_hash_allows():
    token, digest = new_token()
    settings = loads(access(f"{{name: alice, role: approver, sha256: {digest}}}")).access
    assert isinstance(settings, AccessSettings)
    bearer = settings.bearer(token)
    assert (bearer.name, bearer.role) == ("alice", "approver"), "the printed hash would not let its token in"
    assert settings.bearer(token + "x") is None
    assert settings.bearer("") is None
    assert settings.bearer("\ud800") is None, "a garbled header must be refused, not crash the API"


def test_tokens_cannot_be_guessed():
    tokens = {new_token()[0] for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= len("turnout_") + 43, "fewer than 256 bits"
    assert hash_token("a") == hashlib.sha256(b"a").hexdigest()


@pytest.mark.parametrize(
    "tokens",
    [
        "{name: a, role: viewer, sha256: turnout_S3CRET}",
        "{name: turnout_S3CRET, role: viewer, sha256: a}",
        "{name: a, role: turnout_S3CRET, sha256: a}",
        "{name: a, role: viewer, sha256: [turnout_S3CRET]}",
        "turnout_S3CRET",
    ],
)
def test_a_token_that_was_pasted_by_mistake_is_not_repeated(tokens):
    with pytest.raises(SettingsError) as refused:
        loads(access(tokens))
    assert "S3CRET" not in str(refused.value), "a secret would stand in a log"


def test_names_and_hashes_are_given_once():
    one = f"{{name: a, role: viewer, sha256: {hash_token('x')}}}"
    with pytest.raises(SettingsError) as refused:
        loads(access(f"{one}, {one}"))
    assert [problem.field for problem in refused.value.problems] == ["spec.tokens[1].name", "spec.tokens[1].sha256"]
    assert hash_token("x") not in str(refused.value)
