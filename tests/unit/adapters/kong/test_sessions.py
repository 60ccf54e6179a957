import random

import pytest

from adapters.kong import sessions
from adapters.kong.sessions import Sessions, session_in
from adapters.port import Stickiness

BY_HEADER, BY_COOKIE = Stickiness(header="X-Session-Id"), Stickiness(cookie="turnout")
LASTING_S = 60.0
LATER_S = 1_000.0


def headers(session):
    return {"x-session-id": session}


def begun(since_s=0.0, before=None):
    found = Sessions(BY_HEADER, LASTING_S, before or {})
    found.begin(since_s)
    return found


def test_a_session_counts_once_and_where_its_first_request_was_guided_to():
    found = begun()
    # As they are logged: the first one of session "one" was the slowest.
    for session, began_s, version in (("one", 2, "1.0"), ("one", 3, "1.0"), ("one", 1, "1.1"), ("two", 1, "1.1")):
        found.take(headers(session), float(began_s), version)
    assert found.counts(LATER_S) == {"1.1": 2}, "one busy session would look like a share of its own"
    found.take(headers("one"), 5.0, "1.0")
    assert found.counts(LATER_S) == {"1.1": 2}, "a session counts again once it was counted"


def test_none_counts_before_all_that_began_with_it_have_ended():
    found = begun()
    found.take(headers("quick"), 0.0, "1.0")
    assert not found.counts(LASTING_S), "a candidate that hangs would look like one that gets nothing"
    found.take(headers("slow"), 0.0, "1.1")  # it ends only now
    assert found.counts(LASTING_S + 0.1) == {"1.0": 1, "1.1": 1}


def test_requests_that_began_under_the_split_before_say_nothing_of_this_one():
    found = begun(since_s=10.0, before={"1.1": 5})
    found.take(headers("one"), 9.9, "1.1")
    assert found.counts(LATER_S) == {"1.1": 5}, "streams that a rollback let end would accuse the gateway"
    found.take(headers("one"), 10.0, "1.0")
    assert found.counts(LATER_S) == {"1.0": 1, "1.1": 5}, "a session is not counted at its first request"


def test_before_anything_is_confirmed_nothing_counts():
    found = Sessions(BY_HEADER, LASTING_S, {})
    found.take(headers("one"), 5.0, "1.1")
    assert not found.counts(LATER_S)


def test_a_split_that_is_confirmed_again_hears_of_the_same_session_nothing_new():
    found = begun()
    found.take(headers("one"), 1.0, "1.1")
    found.take(headers("two"), 50.0, "1.1")
    assert found.counts(1.0 + LASTING_S + 1) == {"1.1": 1}
    found.begin(70.0)
    assert found.counts(LATER_S) == {"1.1": 1}, "what was guided while nobody knew by what is held against the gateway"
    for session in ("one", "two"):
        found.take(headers(session), 71.0, "1.1")
    assert found.counts(LATER_S) == {"1.1": 2}, "copies of one draw would accuse an honest gateway"


def test_memory_is_bounded_and_the_share_stays_true(monkeypatch):
    monkeypatch.setattr(sessions, "SESSIONS_MAX", 1_000)
    found, chance = begun(), random.Random(1)
    for number in range(50_000):
        found.take(headers(f"session-{number}"), float(number), "1.1" if chance.random() < 0.1 else "1.0")
        if number % 500 == 0:
            found.counts(float(number))
    assert len(found._counted) + len(found._waiting) <= 1_000, "invented sessions fill the memory"
    counted = found.counts(1e9)
    assert 1_000 < counted.total() < 50_000
    assert counted["1.1"] / counted.total() == pytest.approx(0.1, abs=0.03), "those passed over change the share"


@pytest.mark.parametrize(
    ("stickiness", "logged", "session"),
    [
        (BY_HEADER, {"x-session-id": "abc"}, "abc"),
        (BY_HEADER, {"cookie": "x-session-id=abc"}, None),
        (BY_HEADER, {"x-session-id": ""}, None),
        (BY_HEADER, {"x-session-id": ["two", "of them"]}, None),
        (BY_COOKIE, {"cookie": "a=1; turnout=abc=; b=2"}, "abc="),
        (BY_COOKIE, {"cookie": "not-turnout=abc"}, None),
        (BY_COOKIE, {"cookie": "turnout="}, None),
        (BY_COOKIE, {"cookie": 7}, None),
        (BY_COOKIE, {}, None),
    ],
)
def test_a_session_is_known_by_what_kong_hashes(stickiness, logged, session):
    assert session_in(logged, stickiness) == session
