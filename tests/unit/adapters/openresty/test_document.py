import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.openresty.document import (
    AddressError,
    DocumentError,
    difference,
    document,
    generation_in,
    served,
    set_by,
    takes_from,
    tallies_in,
)
from adapters.port import Assignment, HeaderMatch, Route, Split, Stickiness, Tally, Version

STABLE = Version("1.0.0", ("10.0.0.1:80", "agent.internal:80"))
CANDIDATE = Version("1.1.0", ("[::1]:81",))
ADDRESSES = {
    "10.0.0.1:80": ("10.0.0.1:80",),
    "agent.internal:80": ("10.0.0.2:80", "10.0.0.3:80"),
    "[::1]:81": ("[::1]:81",),
}


def assignment(**changes) -> Assignment:
    return Assignment(**{"agent": "bot", "route": Route(), "stable": STABLE, **changes})


def stands(wanted, **changes):
    return {
        "share_bp": wanted["candidate_bp"],
        "record": {"generation": 3, "by": "ann", "assignment": wanted},
        **changes,
    }


def test_the_least_that_is_wanted_has_no_empty_lists():
    assert document(assignment(), ADDRESSES) == {
        "hosts": ["*"],
        "path_prefix": "/",
        "stable": {"name": "1.0.0", "peers": ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]},
        "candidate_bp": 0,
        "retries": 0,
    }, "Lua knows no empty list: what is changed by hand there would come back as an object"


def test_all_that_is_wanted_is_told():
    whole = assignment(
        route=Route(("a.example.com",), "/v1", (HeaderMatch("x-kind", "code"),)),
        candidate=CANDIDATE,
        split=Split(candidate_bp=1),
        draining=(Version("0.9.0", ("gone.internal:80",)),),
        stickiness=Stickiness(cookie="turnout"),
        dead_man_s=30.0,
        request_timeout_s=5.0,
        retries=2,
        indicators=("task_failed",),
        latency_limits_s=(2.0, 0.5),
    )
    told = document(whole, ADDRESSES)
    assert told["candidate"] == {"name": "1.1.0", "peers": ["[::1]:81"]}
    assert (told["candidate_bp"], told["draining"]) == (1, ["0.9.0"]), "a version that drains needs no address"
    assert (told["hosts"], told["path_prefix"]) == (["a.example.com"], "/v1")
    assert told["headers"] == [{"name": "x-kind", "value": "code"}]
    assert told["stickiness"] == {"cookie": "turnout"}
    assert (told["dead_man_s"], told["request_timeout_s"], told["retries"]) == (30.0, 5.0, 2)
    assert (told["indicators"], told["latency_limits_s"]) == (["task_failed"], [0.5, 2.0])
    by_header = document(assignment(stickiness=Stickiness(header="x-session")), ADDRESSES)
    assert by_header["stickiness"] == {"header": "x-session"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stable": Version("2.0.0", ("10.0.0.1:80",), http2=True)}, "no HTTP/2"),
        ({"candidate": CANDIDATE, "split": Split(mirror_bp=100)}, "cannot copy"),
        ({"stable": Version("2.0.0", ("nowhere:80",))}, "2.0.0 has 0 addresses"),
        ({"indicators": tuple(f"i{number}" for number in range(300))}, "at most 256 indicators"),
    ],
)
def test_what_nginx_cannot_do_is_said(changes, words):
    with pytest.raises(DocumentError, match=words):
        document(assignment(**changes), ADDRESSES)


@pytest.mark.parametrize(
    "candidate", [Version("1.1.0", ("nowhere:80",)), Version("1.1.0", ("10.0.0.1:80",), http2=True)]
)
def test_the_way_back_is_not_refused_because_of_the_version_that_it_leaves(candidate):
    way_back, problem = served(assignment(candidate=candidate), ADDRESSES)
    assert "1.1.0" in problem
    assert document(way_back, ADDRESSES)["draining"] == ["1.1.0"], "what it has in flight would be out of sight"
    forward = assignment(candidate=candidate, split=Split(candidate_bp=1))
    assert served(forward, ADDRESSES) == (forward, ""), "a candidate that cannot be served would get its share"
    well = assignment(candidate=CANDIDATE)
    assert served(well, ADDRESSES) == (well, "")


def test_what_stands_is_compared_with_what_is_wanted():
    wanted = document(assignment(candidate=CANDIDATE, split=Split(candidate_bp=100), dead_man_s=2.0), ADDRESSES)
    assert difference(stands(wanted), wanted) == ""
    assert difference({}, wanted) == "it knows no such agent"
    assert [set_by(answer) for answer in (stands(wanted), {}, {"record": {}}, {"record": 3})] == ["ann", "", "", ""]
    by_hand = difference(stands({**wanted, "candidate_bp": 5_000}, share_bp=5_000), wanted)
    assert by_hand == "the candidate's share is 5000 bp (set by ann), not 100", "nobody would know whom to ask"
    assert "another stable" in difference(stands({**wanted, "stable": {"name": "x", "peers": []}}), wanted)
    assert "dead-man switch has fired" in difference(stands(wanted, share_bp=0), wanted)


def test_a_share_that_would_be_stables_is_known_by_its_name():
    share = document(assignment(candidate=CANDIDATE, split=Split(candidate_bp=100)), ADDRESSES)
    assert takes_from(stands(share), assignment().stable)
    assert not takes_from(stands({**share, "candidate_bp": 0}), assignment().stable)
    assert not takes_from(stands(share), Version("0.9.0", ())), "another version would get what was promoted"
    for odd in ({}, {"record": 3}, {"record": {"assignment": 3}}, stands({"candidate_bp": 1, "stable": 3})):
        assert not takes_from(odd, assignment().stable)


@pytest.mark.parametrize(("peers", "code"), [((), "not-found"), (("10.0.0.1:80",) * 300, "invalid")])
def test_why_a_version_cannot_be_sent_to_is_told_in_a_word(peers, code):
    with pytest.raises(AddressError) as raised:
        document(assignment(stable=Version("2.0.0", ("agent.internal:80",))), {"agent.internal:80": peers})
    assert raised.value.code == code


def test_a_generation_is_read_from_both_kinds_of_answers():
    assert generation_in({"record": {"generation": 4}}) == 4
    assert generation_in({"detail": "it has changed", "generation": 7}) == 7
    for odd in ({}, {"generation": -1}, {"generation": True}, {"record": 3}, {"generation": "7"}):
        assert generation_in(odd) == 0


def test_counts_become_tallies():
    counted = {
        "requests": 10,
        "errors": 2,
        "in_flight": 3,
        "outcomes": {"task_failed": [8, 1.5]},
        "latency": {"0.5": [10, 4]},
    }
    tallies, in_flight = tallies_in({"versions": {"1.0.0": counted, "1.1.0": {**counted, "in_flight": -1}}})
    assert tallies["1.0.0"] == Tally(10, 2, {"task_failed": (8, 1.5), "latency_over:0.5s": (10, 4.0)})
    assert in_flight == {"1.0.0": 3, "1.1.0": 0}, "a drain would never end below zero"


WHOLE = {"requests": 1, "errors": 0, "in_flight": 0, "outcomes": {}, "latency": {}}


@pytest.mark.parametrize(
    "changes",
    [
        {"requests": -1},
        {"requests": 1.5},
        {"errors": "0"},
        {"in_flight": None},
        {"in_flight": float("nan")},
        {"outcomes": []},
        {"outcomes": {"a": [1]}},
        {"outcomes": {"a": [1, float("inf")]}},
        {"outcomes": {"a": [1, -1]}},
        {"latency": {"soon": [1, 1]}},
        {"latency": {"0": [1, 1]}},
    ],
)
def test_counts_that_make_no_sense_are_refused(changes):
    with pytest.raises(ValueError, match=r".+"):
        tallies_in({"versions": {"1.0.0": {**WHOLE, **changes}}})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
SHAPED = st.fixed_dictionaries({}, optional=dict.fromkeys((*WHOLE, "generation", "assignment", "by"), JSON))
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "versions": st.dictionaries(st.text(max_size=3), SHAPED | JSON),
        "record": SHAPED | JSON,
        "share_bp": JSON,
    },
)


@given(ANSWERS)
def test_no_answer_breaks_the_adapter(answer):
    wanted = document(assignment(), ADDRESSES)
    assert difference(answer, wanted), "what nobody set is taken for what was wanted"
    assert generation_in(answer) >= 0
    assert isinstance(set_by(answer), str)
    try:
        tallies, in_flight = tallies_in(answer)
    except ValueError:
        return
    assert all(tally.requests >= 0 and tally.errors >= 0 for tally in tallies.values())
    assert all(count >= 0 for count in in_flight.values())
