import asyncio
import os
import threading
from pathlib import Path

import pytest
import yaml

from adapters.port import Assignment, GatewayError, HeaderMatch, Proof, Route, Split, Version
from adapters.traefik import directory as module
from adapters.traefik.directory import Directory, document_in, holds_only_ours, names_in
from adapters.traefik.document import compose
from adapters.traefik.edition import Wanted
from adapters.traefik.translation import translate

OLD, NEW = Version("1.0", ("10.0.0.1:3000",)), Version("1.1", ("10.0.0.2:3000",))


def document(candidate_bp=0, **route):
    assignment = Assignment("bot", Route(**route), OLD, NEW, Split(candidate_bp))
    return compose({"bot": translate(assignment)})


def wanted(candidate_bp=0, wish=1, **route):
    return Wanted(document(candidate_bp, **route), {"bot": wish})


NAMES = document().of("bot")
PATIENCE_S = 10.0
"""How long a test waits for what should happen at once."""


@pytest.fixture
async def directory(tmp_path):
    made = Directory("edge", tmp_path, "0a")
    yield made
    await made.close()


async def proof(directory):
    return (await directory.verify("bot")).proof


async def test_a_document_is_put_whole_and_by_rename(directory, tmp_path):
    await directory.put(wanted(0))
    before = directory.path.stat().st_ino
    await directory.put(wanted(100, wish=2))
    assert directory.path.stat().st_ino != before, "it was written in place, and Traefik may read half of it"
    assert await proof(directory) is Proof.APPLIED
    assert [path.name for path in tmp_path.iterdir()] == ["turnout-edge.yml"], "something was left behind"
    shares = yaml.safe_load(directory.path.read_text())["http"]["services"]["turnout.bot"]["weighted"]["services"]
    assert [share["weight"] for share in shares] == [9_900, 100]


def written(path):
    """What a write changes; to read a file is no change, and moves another of its times."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


async def test_what_an_earlier_controller_left_is_not_written_again(directory, tmp_path):
    await directory.put(wanted())
    before = written(directory.path)
    again = Directory("edge", tmp_path, "0b")
    await again.put(wanted())
    assert written(directory.path) == before, "every restart would make Traefik build everything anew"
    assert again.edition.stamp == "0a-1", "what Traefik shows would not be known again"
    await again.put(wanted(100, wish=2))
    assert again.edition.stamp == "0b-1", "two controllers would number their editions alike"
    await again.close()


@pytest.mark.parametrize("mask", [0o022, 0o077])
async def test_traefik_under_another_user_can_read_it(directory, mask):
    before = os.umask(mask)
    try:
        await directory.put(wanted())
    finally:
        os.umask(before)
    assert directory.path.stat().st_mode & 0o777 == 0o644, "Traefik would serve nothing, or somebody else could write"


async def test_a_change_by_hand_is_seen_and_named(directory):
    await directory.put(wanted())
    directory.path.write_text(directory.path.read_text().replace("10000", "5000"))
    found = await directory.verify("bot")
    assert found.proof is Proof.DRIFTED
    assert "turnout.bot (services): weighted.services[0].weight is 5000, not 10000" in found.detail
    directory.path.unlink()
    assert await proof(directory) is Proof.RESET


@pytest.mark.parametrize("text", ["a: [", "http: []", "http: {services: {turnout.bot: {x: 2026-01-01}}}"])
async def test_what_nobody_can_read_is_a_change_by_hand(directory, text):
    await directory.put(wanted())
    headline, *_ = directory.path.read_text().splitlines()
    directory.path.write_text(f"{headline}\n{text}")
    found = await directory.verify("bot")
    assert (found.proof, "cannot be read" in found.detail) == (Proof.DRIFTED, True)
    await directory.put(wanted(wish=1))
    assert await proof(directory) is Proof.APPLIED, "what Traefik cannot read would stay"


async def test_words_for_people_are_no_change(directory):
    await directory.put(wanted())
    directory.path.write_text(directory.path.read_text() + "# seen by ann\n")
    assert await proof(directory) is Proof.APPLIED


async def test_a_write_that_failed_changes_nothing_of_what_was_put(directory, monkeypatch):
    await directory.put(wanted())

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(GatewayError):
        await directory.put(wanted(100, wish=2))
    assert await proof(directory) is Proof.APPLIED, "somebody would be blamed for a full disk"
    assert not directory.edition.answers("bot", 2)


async def test_a_disk_that_does_not_answer_is_given_up(directory, monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(module, "DISK_TIMEOUT_S", 0.01)
    monkeypatch.setattr(os, "fsync", lambda _: released.wait())
    try:
        with pytest.raises(GatewayError, match="does not answer"):
            await directory.put(wanted())
    finally:
        released.set()


async def test_what_was_left_by_a_crash_is_no_hindrance(directory, tmp_path):
    (tmp_path / ".turnout-edge.yml.tmp").write_text("half a docum")
    await directory.put(wanted())
    assert await proof(directory) is Proof.APPLIED


async def test_no_link_is_followed(directory, tmp_path):
    secret = tmp_path / "theirs.txt"
    secret.write_text("theirs")
    (tmp_path / ".turnout-edge.yml.tmp").symlink_to(secret)
    await directory.put(wanted())
    assert secret.read_text() == "theirs", "somebody else's file was overwritten"
    assert not directory.path.is_symlink()
    assert await proof(directory) is Proof.APPLIED


@pytest.mark.parametrize("text", ["http: {}\n", "", "http: {services: {theirs: {}}}", "a: [", "- b", "\0"])
async def test_a_strangers_file_is_not_touched(directory, text):
    directory.path.write_text(text)
    with pytest.raises(GatewayError) as raised:
        await directory.put(wanted())
    assert raised.value.code == "conflict"
    assert directory.path.read_text() == text, "somebody else's file was overwritten"
    assert "was not written by Turnout" in await directory.conflict(NAMES)


async def test_ours_stays_ours_when_an_editor_drops_the_headline(directory):
    await directory.put(wanted())
    directory.path.write_text(yaml.safe_dump(yaml.safe_load(directory.path.read_text())))
    await directory.put(wanted(100, wish=2))
    assert await proof(directory) is Proof.APPLIED, "an edit by hand could never be put right"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yml", "http: {services: {turnout.bot.1.1: {loadBalancer: {}}}}"),
        ("deep/b.yaml", "http: {routers: {turnout.bot: {rule: x}}}"),
        ("c.toml", '[http.services."turnout.bot".weighted]\n'),
    ],
)
async def test_a_duplicate_definition_is_found_and_named(directory, tmp_path, name, text):
    await directory.put(wanted())
    assert await directory.conflict(NAMES) == ""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    found = await directory.conflict(NAMES)
    assert name in found, "nobody would know which file to change"
    assert "turnout.bot" in found
    assert await directory.conflict({"services": {"turnout.other": {}}}) == ""
    (tmp_path / name).write_text("# gone")
    assert await directory.conflict(NAMES) == ""


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
    assert await directory.conflict(NAMES) == ""


async def test_traefiks_templates_are_kept_from_running(directory):
    headers = (HeaderMatch("x", '{{ env "HOME" }}'),)
    await directory.put(wanted(headers=headers))
    assert '{{"{{"}} env' in directory.path.read_text()
    directory.path.write_text(directory.path.read_text().partition("\n")[2])
    assert await proof(directory) is Proof.APPLIED
    await directory.put(wanted(100, wish=2, headers=headers))
    assert await proof(directory) is Proof.APPLIED, "an edit that loses the headline would make it a stranger's"


async def test_a_directory_that_is_not_there_is_told(tmp_path):
    directory = Directory("edge", tmp_path / "nowhere", "0a")
    with pytest.raises(GatewayError) as raised:
        await directory.put(wanted())
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
async def test_a_disk_that_does_not_take_it_is_told_by_its_code(directory, tmp_path, monkeypatch, error, code):
    def fail(*_):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(GatewayError) as raised:
        await directory.put(wanted())
    assert raised.value.code == code
    assert error.strerror in str(raised.value)
    assert not list(tmp_path.iterdir()), "it is not safe on the disk, and Traefik sees it; or it fills a full disk"


async def test_one_that_is_closed_writes_nothing(tmp_path):
    directory = Directory("edge", tmp_path, "0a")
    await directory.close()
    with pytest.raises(GatewayError):
        await directory.put(wanted())
    assert not list(tmp_path.iterdir())


def test_only_names_like_ours_are_remembered():
    text = b"http: {services: {turnout.a: {}, b: {}, 1: {}}, routers: 3}"
    assert names_in(text, is_toml=False) == {"services": {"turnout.a"}}
    assert names_in(b"turnout. \xff", is_toml=False) == {}
    assert names_in(b"turnout. = ", is_toml=True) == {}
    assert document_in("- a") is None
    assert not holds_only_ours("tcp: {}\nhttp: {services: {turnout.a: {}}}")


@pytest.fixture
def stuck(monkeypatch):
    """A disk on which no write ends before this is set; those who wait for it are soon told so."""
    released = threading.Event()
    monkeypatch.setattr(module, "DISK_TIMEOUT_S", 0.01)
    monkeypatch.setattr(os, "fsync", lambda _: released.wait())
    yield released
    released.set()


async def gives_up(asked):
    with pytest.raises(GatewayError, match="does not answer") as raised:
        async with asyncio.timeout(PATIENCE_S):
            await asked
    assert (raised.value.code, raised.value.retryable) == ("unreachable", True)


async def shares_put(directory, monkeypatch, *, until):
    """What Traefik was shown, one after the other, until it was shown this."""
    shown, is_there, loop = [], asyncio.Event(), asyncio.get_running_loop()
    rename = Path.replace

    def replace(draft, path):
        services = yaml.safe_load(draft.read_text())["http"]["services"]["turnout.bot"]["weighted"]["services"]
        shown.append(10_000 - services[0]["weight"])
        rename(draft, path)
        if shown[-1] == until:
            loop.call_soon_threadsafe(is_there.set)

    monkeypatch.setattr(Path, "replace", replace)
    yield
    async with asyncio.timeout(PATIENCE_S):
        await is_there.wait()
    yield shown


async def test_while_the_disk_hangs_whoever_asks_is_told_so_at_once(directory, monkeypatch, stuck):
    await gives_up(directory.put(wanted(100)))
    monkeypatch.setattr(module, "DISK_TIMEOUT_S", 2 * PATIENCE_S)
    for asked in (directory.verify("bot"), directory.conflict(NAMES), directory.put(wanted(0, wish=2))):
        await gives_up(asked)


async def test_a_disk_that_comes_back_gets_the_newest_and_nothing_older(directory, monkeypatch, stuck):
    shown = shares_put(directory, monkeypatch, until=0)
    await anext(shown)
    for wish, candidate_bp in enumerate((100, 5_000, 0), start=1):
        await gives_up(directory.put(wanted(candidate_bp, wish=wish)))
    monkeypatch.setattr(module, "DISK_TIMEOUT_S", PATIENCE_S)
    stuck.set()
    assert await anext(shown) == [0], "a disk that came back gave the candidate traffic after its rollback"
    assert await proof(directory) is Proof.APPLIED
    assert directory.edition.answers("bot", 3)


async def test_a_rollback_goes_before_all_that_waits_to_be_read(directory, monkeypatch):
    await directory.put(wanted(100))
    entered, released, order = threading.Event(), threading.Event(), []

    def look(agent):
        order.append(agent)
        entered.set()
        released.wait()

    monkeypatch.setattr(directory, "_verify", look)
    monkeypatch.setattr(directory, "_write", lambda *_: bool(order.append("written")))
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        for number in range(3):
            tasks.create_task(directory.verify(f"agent {number}"))
        await asyncio.to_thread(entered.wait)
        tasks.create_task(directory.put(wanted(0, wish=2)))
        await asyncio.sleep(0)
        released.set()
    assert order == ["agent 0", "written", "agent 1", "agent 2"], "a rollback waited for read-backs"


async def test_one_that_is_closed_while_the_disk_hangs_writes_nothing_over_its_successor(tmp_path, stuck):
    old = Directory("edge", tmp_path, "0a")
    await gives_up(old.put(wanted(100)))
    (thread,) = (each for each in threading.enumerate() if each.name.startswith("traefik edge"))
    await old.close()
    stuck.set()
    await asyncio.to_thread(thread.join, PATIENCE_S)
    assert not list(tmp_path.iterdir()), "the settings were replaced, and what ran before writes on"
