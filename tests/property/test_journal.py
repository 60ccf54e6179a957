"""A journal keeps what it acknowledged, in order, through any history; and no altered byte stays unseen."""

import shutil
import sqlite3
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from controller.journal.errors import JournalAlteredError, JournalError, JournalReadOnlyError
from controller.journal.records import SECRET_KEYS, draft, from_row, to_row, verify
from controller.journal.store import Journal

names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
keys = st.text(max_size=8).filter(lambda key: key.lower().replace("-", "").replace("_", "") not in SECRET_KEYS)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3))
bodies = st.dictionaries(keys, values, max_size=4)
drafts = st.builds(
    lambda agent, kind, body, actor, at_s: draft(agent, kind, body, actor=actor, at_s=at_s),
    names,
    names,
    bodies,
    names,
    st.floats(0, 1e11),
)


class History(RuleBasedStateMachine):
    """Appends, failures, deferrals, restarts and crashes in any order, beside a plain list of what must be there."""

    @initialize()
    def begin(self):
        self.directory = Path(tempfile.mkdtemp())
        self.lives = 0
        self.journal = Journal.open(self.path)
        self.written = []
        self.deferred = []

    @property
    def path(self):
        return self.directory / f"life-{self.lives}" / "journal.sqlite"

    def acknowledged(self, entries, returned):
        assert [(record.at_s, record.agent, record.kind, record.actor) for record in returned] == [
            (entry.at_s, entry.agent, entry.kind, entry.actor) for entry in entries
        ]
        late = self.journal.read(after_seq=len(self.written), limit=len(self.deferred) + len(returned) or 1)
        assert [record.at_s for record in late[: len(self.deferred)]] == [entry.at_s for entry in self.deferred]
        assert all(record.body["late"] is True for record in late[: len(self.deferred)])
        assert late[len(self.deferred) :] == returned
        self.written += late
        self.deferred = []

    @rule(entries=st.lists(drafts, min_size=1, max_size=4))
    def append(self, entries):
        self.acknowledged(entries, self.journal.append_all(entries))

    @rule(entry=drafts, deferred=st.booleans())
    def fail(self, entry, deferred):
        self.journal._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(JournalReadOnlyError):
            self.journal.append_all([entry])
        self.journal._connection.execute("PRAGMA query_only = OFF")
        if deferred:
            self.journal.defer(entry)
            self.deferred.append(entry)

    @rule()
    def reopen(self):
        self.journal.flush()
        self.acknowledged([], [])
        self.journal.close()
        self.journal = Journal.open(self.path)

    @rule()
    def crash(self):
        """Go on from what the file system holds at this moment; the dead process closes nothing."""
        before = self.path.parent
        self.lives += 1
        shutil.copytree(before, self.path.parent, ignore=shutil.ignore_patterns("*-shm"))
        self.journal.close()
        self.journal = Journal.open(self.path)
        self.deferred = []

    @rule(lost=st.integers(1, 20_000))
    def power_cut_on_a_disk_that_lied(self, lost):
        """A torn log loses records from its end and nothing else."""
        copy = self.directory / "torn"
        shutil.copytree(self.path.parent, copy, ignore=shutil.ignore_patterns("*-shm", "*.anchor"))
        log = copy / "journal.sqlite-wal"
        if log.exists():
            with log.open("r+b") as file:
                file.truncate(max(0, log.stat().st_size - lost))
        torn = Journal.open(copy / "journal.sqlite")
        kept = list(torn.replay())
        assert kept == self.written[: len(kept)], "a torn log must leave a prefix"
        torn.close()
        shutil.rmtree(copy)

    @invariant()
    def everything_acknowledged_is_there(self):
        if hasattr(self, "journal"):
            assert list(self.journal.replay()) == self.written
            assert self.journal.deferred == len(self.deferred)
            verify(self.written)

    def teardown(self):
        if hasattr(self, "journal"):
            assert self.journal.verify().records == len(self.written)
            self.journal.close()
            shutil.rmtree(self.directory)


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


@settings(deadline=None)  # a disk takes as long as it takes
@given(drafts)
def test_a_record_reads_back_the_same(entry):
    with tempfile.TemporaryDirectory() as directory:
        journal = Journal.open(Path(directory) / "journal.sqlite")
        (record,) = journal.append_all([entry])
        (found,) = journal.read()
        journal.close()
    assert found == record
    assert from_row(to_row(record)) == record
    verify([record])


COLUMNS = ("seq", "at_s", "agent", "kind", "actor", "version", "body", "previous", "digest")


@pytest.fixture(scope="module")
def trail(tmp_path_factory):
    """A closed journal of some records, with the triggers taken off by somebody who has the file."""
    path = tmp_path_factory.mktemp("trail") / "journal.sqlite"
    journal = Journal.open(path)
    for number in range(4):
        body = {"number": number, "reason": "p99 too high — é", "share": 0.1, "nested": {"a": [1, None, True]}}
        journal.append("code-assistant", "split-set", body, actor="ann", at_s=1_700_000_000.125 + number)
    journal.close()
    connection = sqlite3.connect(path, isolation_level=None)
    for trigger in ("record_stays", "record_stays_as_it_is", "record_is_next"):
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.close()
    return path


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seq=st.integers(1, 4), column=st.sampled_from(COLUMNS), place=st.integers(0, 2**16), flip=st.integers(1, 255))
def test_any_single_altered_byte_is_found(trail, seq, column, place, flip):
    """The byte is changed in the stored form: text as UTF-8, a number as its eight bytes."""
    connection = sqlite3.connect(trail, isolation_level=None)
    try:
        (content,) = connection.execute(f"SELECT {column} FROM record WHERE seq = ?", (seq,)).fetchone()
        form = {int: ">q", float: ">d"}.get(type(content))
        stored = bytearray(struct.pack(form, content) if form else content.encode())
        stored[place % len(stored)] ^= flip
        if form:
            (altered,) = struct.unpack(form, stored)
            target = "?"
        else:
            altered, target = bytes(stored), "CAST(? AS TEXT)"
        assume(column != "seq" or altered not in range(1, 5))  # two records of one number: SQLite itself refuses
        connection.execute(f"UPDATE record SET {column} = {target} WHERE seq = ?", (altered, seq))
        reader = Journal.open(trail, read_only=True)
        try:
            with pytest.raises(JournalAlteredError):
                reader.verify()
        finally:
            reader.close()
            where = altered if column == "seq" else seq
            connection.execute(f"UPDATE record SET {column} = ? WHERE seq = ?", (content, where))
    finally:
        connection.close()
    reader = Journal.open(trail, read_only=True)
    assert reader.verify().records == 4, "the trail must be whole again for the next example"
    reader.close()


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_to_the_file_changes_what_is_read(trail, data):
    """Any byte of the file, also SQLite's own: either an error of ours, or the same records as before."""
    content = trail.read_bytes()
    whole = Journal.open(trail, read_only=True)
    records = whole.read()
    whole.close()
    place = data.draw(st.integers(0, len(content) - 1))
    length = data.draw(st.integers(1, 512))
    garbage = data.draw(st.binary(min_size=length, max_size=length))
    damaged = content[:place] + garbage + content[place + length :]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "journal.sqlite"
        path.write_bytes(damaged)
        try:
            journal = Journal.open(path, read_only=True)
        except JournalError:
            return
        try:
            found = list(journal.replay())
        except JournalError:
            return
        finally:
            journal.close()
        assert found == records[: len(found)], "a damaged file was read as a different history"
