import json
import sqlite3
from dataclasses import asdict

import pytest

from adapters.port import Version
from controller.cli.history import LOOK_EVERY_S, Wish, line, records
from controller.journal.records import Record, verify
from controller.journal.store import Journal
from controller.journal.transitions import EVIDENCE, TRANSITION, transition_body
from controller.rollout.events import CandidateDeclared
from controller.rollout.machine import step
from controller.rollout.state import new_state


@pytest.fixture
def state_dir(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def journal(state_dir):
    journal = Journal.open(state_dir / "journal.sqlite")
    yield journal
    journal.close()


def decide(journal, agent="code-assistant", at_s=1_700_000_000.25):
    """What a driver writes when an operator declares a candidate."""
    before = new_state(agent, Version("1.2.3", ("a:1",)), frozenset({"edge"}))
    event = CandidateDeclared(now_s=at_s, actor="ann", reason="trying it", candidate=Version("1.3.0", ("b:2",)))
    after, _ = step(before, event)
    journal.append(agent, TRANSITION, transition_body(event, after, judge_seq=0), actor="ann", at_s=at_s)


def look(journal, agent="code-assistant"):
    journal.append(agent, EVIDENCE, {"blocks": {}, "judge_seq": 0}, actor="controller", at_s=1_700_000_001.0)


@pytest.fixture
def written(journal, state_dir):
    decide(journal)
    look(journal)
    decide(journal, "writer")
    return state_dir


LINE = (
    '2023-11-14T22:13:20.250Z #1 code-assistant transition by ann reason="trying it" phase=idle '
    'event=CandidateDeclared split="0 % candidate"'
)


def test_a_decision_is_one_line_that_says_who_what_and_why(turnout, written):
    told = turnout.ok("history", "--state-dir", str(written)).splitlines()
    assert told == [LINE, LINE.replace("#1 code-assistant", "#3 writer")]


def test_it_works_while_the_controller_is_down(turnout, journal, written):
    journal.close()
    assert turnout.ok("history", "--state-dir", str(written)).startswith("2023-11-14T22:13:20.250Z #1")


def test_only_what_was_asked_for(turnout, written):
    def numbers(*words):
        told = turnout.ok("history", "--state-dir", str(written), *words).splitlines()
        return [each.split()[1] for each in told]

    assert numbers("--agent", "writer") == ["#3"]
    assert numbers("--after", "1") == ["#3"]
    assert numbers("--evidence") == ["#1", "#2", "#3"]
    assert numbers("--agent", "nobody") == []


def test_json_lines_are_complete_and_can_be_proven_elsewhere(turnout, written):
    told = turnout.ok("history", "--state-dir", str(written), "--evidence", "--output", "json").splitlines()
    kept = [Record(**json.loads(each)) for each in told]
    verify(kept)
    assert [record.seq for record in kept] == [1, 2, 3]


def test_the_state_dir_comes_from_the_environment(turnout, written):
    result = turnout("history", env={"TURNOUT_STATE_DIR": str(written)})
    assert result.stdout.splitlines()[0] == LINE


def test_a_whole_journal_is_proven(turnout, written):
    told = turnout.ok("history", "--state-dir", str(written), "--verify")
    assert "3 records, each as it was written and chained to the one before" in told
    assert "none is missing at the end" in told
    assert turnout.json("history", "--state-dir", str(written), "--verify")["anchor"] == "matches"


@pytest.mark.parametrize(("anchor", "told"), [("absent", "cannot be said"), ("lags", "none is missing up to there")])
def test_what_could_not_be_proven_is_said(turnout, journal, written, anchor, told):
    file = written / "journal.sqlite.anchor"
    noted = file.read_bytes()
    decide(journal)
    if anchor == "lags":
        file.write_bytes(noted)
    else:
        file.unlink()
    assert told in turnout.ok("history", "--state-dir", str(written), "--verify")


def tamper(state_dir, statement):
    connection = sqlite3.connect(state_dir / "journal.sqlite", isolation_level=None)
    for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("UPDATE record SET actor = 'bob' WHERE seq = 1", 1),
        ("DELETE FROM record WHERE seq = 2", 2),
        ("DELETE FROM record WHERE seq = 3", 3),
    ],
)
def test_an_altered_journal_is_found_out(turnout, written, statement, number):
    tamper(written, statement)
    result = turnout("history", "--state-dir", str(written), "--verify")
    assert result.exit_code == 1, "somebody could rewrite who approved what"
    assert f"Record {number} of the journal is not as it was written" in result.stderr
    assert "code: journal-altered" in result.stderr
    assert result.stdout == ""


def test_a_journal_that_is_not_there(turnout, state_dir):
    result = turnout("history", "--state-dir", str(state_dir))
    assert result.exit_code == 1
    assert "code: journal-missing" in result.stderr
    assert not state_dir.exists(), "a reader makes nothing"


@pytest.mark.parametrize("words", [("--agent", "a"), ("--after", "1"), ("--follow",), ("--url", "http://127.0.0.1:1")])
def test_a_part_cannot_be_proven(turnout, words):
    assert turnout("history", "--verify", *words).exit_code == 2


def test_two_sources_are_wrong_usage(turnout):
    assert turnout("history", "--state-dir", "x", "--url", "http://127.0.0.1:1").exit_code == 2


def test_followed_records_come_as_they_are_written(journal):
    decide(journal)
    waited = []

    def wait(seconds):
        waited.append(seconds)
        decide(journal)

    followed = records(journal, Wish(None, 0, evidence=False, follow=True), wait)
    assert [next(followed).seq for _ in range(3)] == [1, 2, 3]
    assert waited == [LOOK_EVERY_S] * 2, "it must look again and again, and not at every turn of a loop"


def test_other_records_are_told_as_the_journal_tells_them(journal):
    record = journal.append("", "started", {"version": "0.1.0"}, actor="controller", at_s=1.0)
    assert line(record) == "1970-01-01T00:00:01.000Z #1 - started by controller version=0.1.0"


def test_hostile_words_are_plain(journal):
    body = {"event": "RollbackAsked", "details": {"reason": "\x1b[2J"}, "state": {}, "late": True}
    told = line(journal.append("a", TRANSITION, body, actor="ann", at_s=1.0))
    assert "\x1b" not in told
    assert "(late)" in told
    assert "state" not in told


def told_record(seq, why):
    body = {"event": "PauseAsked", "why": why, "state": {"a": 1}}
    facts = {"seq": seq, "at": "2026-01-31T12:00:00Z", "agent": "a", "kind": TRANSITION, "actor": "ann", "body": body}
    return {**facts, "version": 1, "previous": "0", "digest": "1", "text": "…"}


def told_line(seq, why):
    return f"2026-01-31T12:00:00.000Z #{seq} a transition by ann event=PauseAsked why={why}"


def test_a_controller_is_asked_page_by_page(turnout, fake):
    pages = (
        {"records": [told_record(1, "one"), told_record(4, "two")], "next_after": 4},
        {"records": [told_record(5, "three\x1b")], "next_after": None},
    )
    fake.answers("GET", "/v1/journal", *pages)
    told = turnout.ok("history", "--url", fake.url, "--agent", "a", "--after", "0")
    assert told.splitlines() == [told_line(1, "one"), told_line(4, "two"), told_line(5, '"three\\u001b"')]
    assert [asked.query["after"] for asked in fake.asked] == ["0", "4"]
    assert fake.last.query["kind"] == TRANSITION
    assert fake.last.query["agent"] == "a"


def test_a_controllers_records_are_json_lines_too(turnout, fake):
    record = told_record(1, "one")
    fake.answers("GET", "/v1/journal", {"records": [record], "next_after": None})
    told = turnout.ok("history", "--url", fake.url, "--output", "json", "--evidence")
    assert json.loads(told) == record
    assert "kind" not in fake.last.query


def test_a_controller_that_is_away(turnout, unused_tcp_port):
    assert turnout("history", "--url", f"http://127.0.0.1:{unused_tcp_port}").exit_code == 3


def test_asdict_keeps_what_verify_needs(journal):
    decide(journal)
    record = journal.last()
    assert Record(**json.loads(json.dumps(asdict(record)))) == record
