import pytest

from controller.cli.options import TOKEN_BYTES_MAX, Target
from tests.unit.controller.cli.fake import agent


@pytest.fixture(autouse=True)
def _agents(fake):
    fake.answers("GET", "/v1/agents", {"agents": [agent()]})


def sent_token(fake):
    return fake.last.headers.get("Authorization")


def test_without_a_token_none_is_sent(turnout, fake):
    turnout.ok("status")
    assert sent_token(fake) is None


def test_the_token_comes_from_the_environment(turnout, fake):
    turnout("status", env={"TURNOUT_TOKEN": "turnout_abc"})
    assert sent_token(fake) == "Bearer turnout_abc"


def test_a_token_file_wins_over_the_environment(turnout, fake, tmp_path):
    file = tmp_path / "token"
    file.write_text("turnout_file\n")
    turnout("status", "--token-file", str(file), env={"TURNOUT_TOKEN": "turnout_env"})
    assert sent_token(fake) == "Bearer turnout_file"


@pytest.mark.parametrize("content", [b"", b"two tokens", b"two\nlines", b"\xff", b"x" * (TOKEN_BYTES_MAX + 1)])
def test_a_file_that_holds_no_token_is_wrong_usage_and_not_repeated(turnout, fake, tmp_path, content):
    file = tmp_path / "token"
    file.write_bytes(content)
    result = turnout("status", "--token-file", str(file))
    assert result.exit_code == 2
    assert "two" not in result.stderr, "a secret in a wrong file would end up in a log"
    assert not fake.asked


def test_a_missing_token_file_is_wrong_usage(turnout, tmp_path):
    result = turnout("status", "--token-file", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


def test_a_target_does_not_show_its_token():
    assert "secret" not in repr(Target("http://x", "secret"))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://x", "not the address of a controller"),
        ("localhost:8900", "not the address of a controller"),
        ("http://", "not the address of a controller"),
        ("http://x/?token=1", "not the address of a controller"),
        ("http://ann:secret@x", "holds credentials"),
    ],
)
def test_an_address_that_cannot_be_is_wrong_usage(turnout, url, why):
    result = turnout("status", "--url", url)
    assert result.exit_code == 2
    assert why in result.stderr
    assert "secret" not in result.stderr, "a secret would end up in a log"


def test_a_slash_at_the_end_of_the_address_does_not_matter(turnout, fake):
    turnout.ok("status", "--url", f"{fake.url}/")
    assert fake.last.path == "/v1/agents"
