import os

import pytest
import yaml

from adapters.port import Assignment, GatewayError, HeaderMatch, Route, Split, Version
from adapters.traefik.directory import Directory, holds_only_ours, names_in
from adapters.traefik.document import Standing, compose
from adapters.traefik.translation import translate

OLD, NEW = Version("1.0", ("10.0.0.1:3000",)), Version("1.1", ("10.0.0.2:3000",))


def document(candidate_bp=0, **route):
    assignment = Assignment("bot", Route(**route), OLD, NEW, Split(candidate_bp))
    return compose("edge", {"bot": translate(assignment)}, "0a")


@pytest.fixture
async def directory(tmp_path):
    made = Directory("edge", tmp_path)
    yield made
    await made.close()


async def test_a_document_is_put_whole_and_by_rename(directory, tmp_path):
    await directory.put(document(0))
    before = directory.path.stat().st_ino
    assert await directory.standing(document(100)) is not Standing.SAME
    await directory.put(document(100))
    assert directory.path.stat().st_ino != before, "it was written in place, and Traefik may read half of it"
    assert await directory.standing(document(100)) is Standing.SAME
    assert [path.name for path in tmp_path.iterdir()] == ["turnout-edge.yml"], "something was left behind"
    assert yaml.safe_load(directory.path.read_text())["http"]["services"]["turnout.bot"]


async def test_what_an_earlier_controller_left_is_known_again(directory):
    assert await directory.generation() == ""
    await directory.put(document())
    assert await directory.generation() == "0a"


async def test_traefik_under_another_user_can_read_it(directory):
    before = os.umask(0o022)
    try:
        await directory.put(document())
    finally:
        os.umask(before)
    assert directory.path.stat().st_mode & 0o444 == 0o444


async def test_a_change_by_hand_is_seen(directory):
    await directory.put(document())
    directory.path.write_text(directory.path.read_text().replace("10000", "5000"))
    assert await directory.standing(document()) is not Standing.SAME
    directory.path.unlink()
    assert await directory.standing(document()) is Standing.NOTHING


async def test_what_was_left_by_a_crash_is_no_hindrance(directory, tmp_path):
    (tmp_path / ".turnout-edge.yml.tmp").write_text("half a docum")
    await directory.put(document())
    assert await directory.standing(document()) is Standing.SAME


async def test_no_link_is_followed(directory, tmp_path):
    secret = tmp_path / "theirs.txt"
    secret.write_text("theirs")
    (tmp_path / ".turnout-edge.yml.tmp").symlink_to(secret)
    with pytest.raises(GatewayError):
        await directory.put(document())
    assert secret.read_text() == "theirs", "somebody else's file was overwritten"


@pytest.mark.parametrize("text", ["http: {}\n", "", "http: {services: {theirs: {}}}", "a: [", "- b", "\0"])
async def test_a_strangers_file_is_not_touched(directory, text):
    directory.path.write_text(text)
    with pytest.raises(GatewayError) as raised:
        await directory.put(document())
    assert raised.value.code == "conflict"
    assert directory.path.read_text() == text, "somebody else's file was overwritten"
    assert "was not written by Turnout" in await directory.conflict(document(), "bot")


async def test_ours_stays_ours_when_an_editor_drops_the_headline(directory):
    await directory.put(document())
    directory.path.write_text(yaml.safe_dump(yaml.safe_load(directory.path.read_text())))
    await directory.put(document(100))
    assert await directory.standing(document(100)) is Standing.SAME, "an edit by hand could never be put right"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yml", "http: {services: {turnout.bot.1.1: {loadBalancer: {}}}}"),
        ("deep/b.yaml", "http: {routers: {turnout.bot: {rule: x}}}"),
        ("c.toml", '[http.services."turnout.bot".weighted]\n'),
    ],
)
async def test_a_duplicate_definition_is_found_and_named(directory, tmp_path, name, text):
    await directory.put(document())
    assert await directory.conflict(document(), "bot") == ""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    found = await directory.conflict(document(), "bot")
    assert name in found, "nobody would know which file to change"
    assert "turnout.bot" in found
    assert await directory.conflict(document(), "other") == ""
    (tmp_path / name).write_text("# gone")
    assert await directory.conflict(document(), "bot") == ""


@pytest.mark.parametrize(
    "text",
    [
        "http: {routers: {theirs: {rule: x, service: turnout.bot}}}",
        "# turnout.bot",
        "http: {services: {turnout.botany: {}}}",
        "http: {services: [turnout.bot]}",
        "{{ turnout.bot }}: [",
    ],
)
async def test_who_only_mentions_an_agent_defines_nothing(directory, tmp_path, text):
    (tmp_path / "theirs.yml").write_text(text)
    assert await directory.conflict(document(), "bot") == ""


async def test_traefiks_templates_are_kept_from_running(directory):
    routed = document(headers=(HeaderMatch("x", '{{ env "HOME" }}'),))
    await directory.put(routed)
    assert '{{"{{"}} env' in directory.path.read_text()
    assert await directory.standing(routed) is Standing.SAME


async def test_a_directory_that_is_not_there_is_told(tmp_path):
    directory = Directory("edge", tmp_path / "nowhere")
    with pytest.raises(GatewayError) as raised:
        await directory.put(document())
    assert (raised.value.code, raised.value.retryable) == ("not-found", True)
    assert "nowhere" in str(raised.value)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermissionError(13, "Permission denied"), "denied"),
        (OSError(30, "Read-only file system"), "read-only"),
        (OSError(28, "No space left on device"), "unreachable"),
        (NotADirectoryError(20, "Not a directory"), "not-found"),
    ],
)
async def test_a_disk_that_does_not_take_it_is_told_by_its_code(directory, monkeypatch, error, code):
    def fail(*_):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(GatewayError) as raised:
        await directory.put(document())
    assert raised.value.code == code
    assert error.strerror in str(raised.value)
    assert not directory.path.exists(), "what is not safe on the disk is not shown to Traefik"


async def test_one_that_is_closed_writes_nothing(tmp_path):
    directory = Directory("edge", tmp_path)
    await directory.close()
    with pytest.raises(GatewayError):
        await directory.put(document())
    assert not list(tmp_path.iterdir())


def test_only_names_like_ours_are_remembered():
    text = b"http: {services: {turnout.a: {}, b: {}, 1: {}}, routers: 3}"
    assert names_in(text, is_toml=False) == {"services": {"turnout.a"}}
    assert names_in(b"turnout. \xff", is_toml=False) == {}
    assert names_in(b"turnout. = ", is_toml=True) == {}
    assert not holds_only_ours("tcp: {}\nhttp: {services: {turnout.a: {}}}")
