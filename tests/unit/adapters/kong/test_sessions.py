import random

import pytest

from adapters.kong import sessions
from adapters.kong.sessions import Sessions, session_in
from adapters.port import Stickiness

BY_HEADER, BY_COOKIE = Stickiness(header="X-Session-Id"), Stickiness(cookie="turnout")


def headers(session):
    return {"x-session-id": session}


def test_a_session_counts_once_and_where_it_came_first():
    found = Sessions(BY_HEADER, 0.0, {})
    for session, version in (("one", "1.0"), ("one", "1.0"), ("one", "1.1"), ("two", "1.1")):
        found.take(headers(session), 1.0, version)
    assert found.counts == {"1.0": 1, "1.1": 1}, "one busy session would look like a share of its own"


def test_requests_that_began_under_the_split_before_say_nothing_of_this_one():
    found = Sessions(BY_HEADER, 10.0, {"1.1": 5})
    found.take(headers("one"), 9.9, "1.1")
    assert found.counts == {"1.1": 5}, "streams that a rollback let end would accuse the gateway"
    found.take(headers("one"), 10.0, "1.0")
    assert found.counts == {"1.0": 1, "1.1": 5}, "a session is not counted at its first request under the new split"


def test_memory_is_bounded_and_the_share_stays_true(monkeypatch):
    monkeypatch.setattr(sessions, "SESSIONS_MAX", 1_000)
    found, chance = Sessions(BY_HEADER, 0.0, {}), random.Random(1)
    for number in range(50_000):
        found.take(headers(f"session-{number}"), 1.0, "1.1" if chance.random() < 0.1 else "1.0")
    assert len(found._seen) <= 1_000, "invented sessions fill the memory"
    counted = found.counts.total()
    assert 1_000 < counted < 50_000
    assert found.counts["1.1"] / counted == pytest.approx(0.1, abs=0.03), "those that are passed over change the share"


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
