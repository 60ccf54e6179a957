import hashlib
from dataclasses import replace

import pytest

from controller.errors import InvalidError
from controller.journal import records
from controller.journal.errors import JournalAlteredError, JournalTooNewError
from controller.journal.records import GENESIS, chain, draft, follow, from_row, to_row, upcast, verify


def written(count=3):
    head, result = GENESIS, []
    for number in range(count):
        record = chain(head, draft("bot", "split-set", {"weight_bp": number}, actor="ann", at_s=1000.5 + number))
        result.append(record)
        head = record.head
    return result


def test_a_digest_can_be_recomputed_by_anybody_from_the_docs():
    record = chain(GENESIS, draft("bot", "split-set", {"b": [1.5, None], "a": "é"}, actor="ann", at_s=12))
    text = '[1,12.0,"bot","split-set","ann",1,"' + "0" * 64 + '"]\n{"a":"\\u00e9","b":[1.5,null]}'
    assert record.digest == hashlib.sha256(text.encode()).hexdigest(), "an auditor's own script would cry wolf"


def test_a_chain_verifies_and_is_linked():
    chained = written()
    verify(chained)
    verify(chained[1:], after=chained[0].head)
    assert [record.seq for record in chained] == [1, 2, 3]
    assert chained[0].previous == "0" * 64
    assert chained[2].previous == chained[1].digest


@pytest.mark.parametrize(
    "change",
    [
        {"at_s": 1.0},
        {"agent": "other"},
        {"kind": "promoted"},
        {"actor": "eve"},
        {"body": {"weight_bp": 10_000}},
        {"body": {"weight_bp": float("inf")}},
        {"body": {"weight_bp": True}},
        {"version": 0},
        {"previous": "1" * 64},
        {"digest": "1" * 64},
        {"seq": 9},
    ],
)
def test_any_changed_field_is_found(change):
    chained = written()
    chained[1] = replace(chained[1], **change)
    with pytest.raises(JournalAlteredError) as caught:
        verify(chained)
    assert caught.value.seq == 2, "the inquiry would begin at the wrong record"


def test_a_record_taken_out_or_put_in_is_found():
    chained = written()
    with pytest.raises(JournalAlteredError) as caught:
        verify([chained[0], chained[2]])
    assert caught.value.seq == 2
    with pytest.raises(JournalAlteredError):
        verify([chained[0], chained[0]])
    forged = chain(chained[0].head, draft("bot", "promoted", {}, actor="eve", at_s=1))
    with pytest.raises(JournalAlteredError) as caught:
        verify([chained[0], forged, chained[2]])
    assert caught.value.seq == 3, "a forged record breaks the link of the one after it"


def test_follow_refuses_a_foreign_link():
    first, second, _ = written()
    follow(first.head, second)
    with pytest.raises(JournalAlteredError):
        follow(records.Head(1, "f" * 64), second)


def test_a_row_reads_back_as_the_record():
    record = chain(GENESIS, draft("", "reloaded", {"a": {"b": [1, 2.5, "x", None, True]}}, actor="controller", at_s=0))
    assert from_row(to_row(record)) == record


@pytest.mark.parametrize(("column", "value"), [(6, "[]"), (6, "{"), (6, b"{}"), (1, float("inf")), (2, b"bot")])
def test_a_row_that_is_not_even_json_is_altered_not_a_crash(column, value):
    row = list(to_row(written(1)[0]))
    row[column] = value
    with pytest.raises(JournalAlteredError):
        from_row(tuple(row))


def test_a_newer_format_says_what_to_do(monkeypatch):
    monkeypatch.setattr(records, "VERSION", 2)
    record = chain(GENESIS, draft("bot", "split-set", {}, actor="ann", at_s=1))
    monkeypatch.setattr(records, "VERSION", 1)
    with pytest.raises(JournalTooNewError) as caught:
        from_row(to_row(record))
    assert "newer Turnout" in caught.value.remedy


def test_an_old_format_is_upcast_step_by_step_and_stays_as_written(monkeypatch):
    old = written(1)[0]
    assert upcast(old) == old.body
    monkeypatch.setattr(records, "VERSION", 3)
    steps = {1: lambda kind, body: {**body, "two": kind}, 2: lambda kind, body: {**body, "three": kind}}
    monkeypatch.setattr(records, "UPCASTS", steps)
    assert upcast(old) == {"weight_bp": 0, "two": "split-set", "three": "split-set"}
    verify([old])
    assert old.body == {"weight_bp": 0}, "upcasting must not change what was recorded"


def test_every_format_but_the_present_one_has_an_upcast():
    assert set(records.UPCASTS) == set(range(1, records.VERSION)), "an old journal could not be replayed"


def test_a_record_keeps_nothing_that_the_caller_can_still_change():
    body = {"steps": [1]}
    record = chain(GENESIS, draft("bot", "planned", body, actor="ann", at_s=1))
    body["steps"].append(2)
    assert record.body == {"steps": [1]}


def nested(depth):
    body = {}
    for _ in range(depth):
        body = {"in": body}
    return body


@pytest.mark.parametrize(
    "body",
    [
        {"text": "x" * records.BODY_BYTES_MAX},
        {"text": [0] * (records.BODY_BYTES_MAX + 1)},
        {1: "a key that JSON would silently turn into a string"},
        {"k" * 257: 1},
        {"x": float("nan")},
        {"x": float("inf")},
        {"x": 2**63},
        {"x": {1, 2}},
        {"x": b"bytes"},
        {"x": object()},
        nested(40),
        ["not a dict"],
    ],
)
def test_a_body_that_would_not_read_back_is_refused(body):
    with pytest.raises(InvalidError):
        draft("bot", "k", body, actor="ann", at_s=1)


def test_a_body_that_holds_itself_is_refused():
    body = {}
    body["self"] = body
    with pytest.raises(InvalidError):
        draft("bot", "k", body, actor="ann", at_s=1)


def test_the_largest_body_fits():
    body = {"t": "x" * (records.BODY_BYTES_MAX - len('{"t":""}'))}
    assert len(draft("bot", "k", body, actor="ann", at_s=1).text) == records.BODY_BYTES_MAX
    draft("bot", "k", nested(records.BODY_DEPTH_MAX), actor="ann", at_s=1)


@pytest.mark.parametrize("key", ["password", "Authorization", "api_key", "API-Key", "client_secret", "token"])
def test_a_key_that_names_a_secret_is_refused_wherever_it_is(key):
    for body in ({key: "x"}, {"headers": [{"deep": {key: "x"}}]}):
        with pytest.raises(InvalidError) as caught:
            draft("bot", "k", body, actor="ann", at_s=1)
        assert key in str(caught.value)


@pytest.mark.parametrize("key", ["input_tokens", "tokens", "secretary", "cookie_name"])
def test_counts_and_names_are_not_secrets(key):
    draft("bot", "k", {key: 12}, actor="ann", at_s=1)


@pytest.mark.parametrize(
    "names",
    [{"agent": "a\nb"}, {"kind": ""}, {"actor": ""}, {"actor": "\x1b[2J"}, {"agent": "a" * 257}, {"kind": "\ud800"}],
)
def test_a_name_that_a_terminal_would_obey_is_refused(names):
    with pytest.raises(InvalidError):
        draft(**({"agent": "bot", "kind": "k", "actor": "ann"} | names), body={}, at_s=1)


@pytest.mark.parametrize("at_s", [float("nan"), float("inf"), -1.0])
def test_a_time_that_is_none_is_refused(at_s):
    with pytest.raises(InvalidError):
        draft("bot", "k", {}, actor="ann", at_s=at_s)


def test_minus_zero_is_stored_as_sqlite_stores_it():
    assert str(draft("bot", "k", {}, actor="ann", at_s=-0.0).at_s) == "0.0"
