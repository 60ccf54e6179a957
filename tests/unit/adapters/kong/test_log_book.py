import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.kong.log_book import ADDRESSES_MAX, REQUEST_ID_CHARS_MAX, SEEN_MAX, VERSIONS_MAX, LogBook
from adapters.port import Stickiness, Tally, latency_over

A, B = {"ip": "10.0.0.1", "port": 80}, {"ip": "10.0.0.2", "port": 80}


def book(limits_s=()):
    log_book = LogBook()
    log_book.know("bot.turnout", "bot", {"10.0.0.1:80": "1.0", "10.0.0.2:80": "1.1"}, limits_s)
    return log_book


def entry(*tries, status=200, host="bot.turnout", waited_ms=5, **more):
    return {
        "service": {"host": host},
        "tries": list(tries),
        "response": {"status": status},
        "latencies": {"proxy": waited_ms, "request": 70_000},
        **more,
    }


def test_an_entry_counts_for_the_version_at_its_address():
    log_book = book()
    assert log_book.tallies("bot.turnout", ["1.0", "1.1"]) == {}, "silence would be taken for zero"
    log_book.take(entry(A), 0.0)
    log_book.take(entry(B, status=503), 0.0)
    log_book.take(entry(B, status=404), 0.0)
    assert log_book.tallies("bot.turnout", ["1.0", "1.2"]) == {
        "1.0": Tally(1, 0),
        "1.1": Tally(2, 1),
        "1.2": Tally(),
    }


def test_a_try_that_failed_counts_where_it_failed():
    log_book = book()
    log_book.take(entry(B, A, status=200), 0.0)
    tallies = log_book.tallies("bot.turnout", [])
    assert (tallies["1.1"].errors, tallies["1.0"].errors) == (1, 0), "a retry would hide a candidate that is down"


def test_a_batch_that_kong_posts_again_counts_once():
    log_book = book()
    for _ in range(2):
        log_book.take(entry(A, request={"id": "r1"}), 0.0)
    for index in range(SEEN_MAX + 10):
        log_book.take(entry(A, request={"id": str(index)}), 0.0)
    assert log_book.tallies("bot.turnout", [])["1.0"].requests == SEEN_MAX + 11
    assert len(log_book._seen) == SEEN_MAX


def test_what_no_kong_calls_a_request_is_not_kept():
    log_book = book()
    log_book.take(entry(A, request={"id": "x" * (REQUEST_ID_CHARS_MAX + 1)}), 0.0)
    assert not log_book._seen, "whoever may post could fill the memory"
    assert log_book.entries == 1


def test_addresses_of_long_ago_are_forgotten_and_the_present_ones_are_not():
    log_book = book()
    for rollout in range(3):
        pods = {f"10.1.{rollout}.{index // 200}:{index % 200 + 1}": f"2.{rollout}" for index in range(2_000)}
        log_book.know("bot.turnout", "bot", {**pods, "10.0.0.1:80": "1.0"})
        log_book.learn("bot.turnout", {"10.0.0.3:80": "10.0.0.1:80"})
    assert len(log_book._agents["bot.turnout"].versions) == ADDRESSES_MAX, "every rollout would cost memory for ever"
    log_book.take(entry(A), 0.0)
    log_book.take(entry({"ip": "10.0.0.3", "port": 80}), 0.0)
    assert log_book.tallies("bot.turnout", [])["1.0"].requests == 2


@pytest.mark.parametrize("status", [True, None, "200", 500])
def test_an_answer_whose_status_is_none_failed(status):
    log_book = book()
    log_book.take(entry(A, status=status), 0.0)
    assert log_book.tallies("bot.turnout", [])["1.0"] == Tally(1, 1)


@pytest.mark.parametrize("port", [True, False, None, "80", 80.0])
def test_a_try_whose_port_is_none_is_nobodys(port):
    log_book = book()
    log_book.take(entry({"ip": "10.0.0.1", "port": port}), 0.0)
    log_book.take(entry(A), 0.0)
    assert log_book.tallies("bot.turnout", ["1.0"])["1.0"].requests == 1, "one bad entry stopped the count"


def test_slow_answers_are_counted_by_the_limit_that_they_pass():
    log_book = book((1.0, 10.0))
    for waited_ms in (500, 1_500, -1):
        log_book.take(entry(A, waited_ms=waited_ms), 0.0)
    indicators = log_book.tallies("bot.turnout", [])["1.0"].indicators
    assert indicators[latency_over(1.0)] == (3, 2.0)
    assert indicators[latency_over(10.0)] == (3, 1.0), "an answer that never came was not slow"


def test_names_are_known_by_the_addresses_that_kong_resolved():
    log_book = LogBook()
    log_book.know("bot.turnout", "bot", {"agent.internal:80": "1.0"})
    log_book.learn("bot.turnout", {"10.0.0.1:80": "agent.internal:80", "10.0.0.2:80": "other:80"})
    log_book.learn("gone", {})
    log_book.take(entry(A), 0.0)
    assert log_book.tallies("bot.turnout", [])["1.0"].requests == 1


def test_an_address_counts_for_the_version_that_moved_in():
    log_book = book()
    log_book.take(entry(B), 0.0)
    log_book.know("bot.turnout", "bot", {"10.0.0.2:80": "1.2"})
    log_book.take(entry(B), 0.0)
    assert {name: tally.requests for name, tally in log_book.tallies("bot.turnout", []).items()} == {"1.1": 1, "1.2": 1}


def test_what_is_kept_is_bounded():
    log_book = LogBook()
    for index in range(VERSIONS_MAX + 5):
        log_book.know("bot.turnout", "bot", {"10.0.0.1:80": str(index)})
        log_book.take(entry(A), 0.0)
    assert len(log_book.tallies("bot.turnout", [])) == VERSIONS_MAX
    log_book.forget("bot.turnout")
    assert log_book.tallies("bot.turnout", []) == {}


def test_strangers_are_counted_and_told_apart():
    log_book = book()
    for stranger in (None, 5, [], {}, entry(A, host="shop"), entry(), {"service": {"host": ["bot.turnout"]}}):
        log_book.take(stranger, 0.0)
    assert (log_book.entries, log_book.strangers) == (0, 7)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)  # the machine may be busy
@given(tries=JSON | st.lists(st.fixed_dictionaries({"ip": JSON, "port": JSON}), max_size=3), rest=JSON, latencies=JSON)
def test_whatever_is_posted_nothing_breaks(tries, rest, latencies):
    log_book = book((1.0,))
    posted = {"service": {"host": "bot.turnout"}, "tries": tries, "response": rest, "request": rest}
    log_book.take({**posted, "latencies": latencies}, 0.0)
    log_book.take(rest, 0.0)
    for tally in log_book.tallies("bot.turnout", []).values():
        assert tally.errors <= tally.requests


BY_HEADER, LASTING_S = Stickiness(header="x-session"), 60.0


def dividing(since_s=0.0):
    log_book = book()
    log_book.divide("bot.turnout", BY_HEADER, LASTING_S, "at 10 %", since_s)
    return log_book


def of_session(session, *tries, **more):
    """It took 70 s, see `entry`, and began at 50 by Kong's clock."""
    return entry(*tries, request={"headers": {"x-session": session}}, started_at=50_000, **more)


def sessions_of(log_book):
    return log_book.sessions("bot.turnout", ["1.0", "1.1"], 10_000.0)


def test_sessions_are_counted_where_their_first_request_was_tried_first():
    log_book = dividing()
    for taken in (of_session("one", A), of_session("one", A), of_session("two", B, A)):
        log_book.take(taken, 120.0)
    assert sessions_of(log_book) == {"1.0": 1, "1.1": 1}, "a retry elsewhere is taken for the hash's choice"


@pytest.mark.parametrize(
    ("since_s", "ended_s", "wall_ahead_s", "counts"),
    [
        (50.0, 120.0, 0.0, 1),
        (50.1, 120.0, 0.0, 0),
        (50.0, 119.9, 0.0, 0),  # by when it was posted, it began before the split
        (50.1, 180.0, 0.0, 0),  # by its own word it began before: the batch was posted a second time
        (40.0, 180.0, 10.0, 1),
        (41.0, 180.0, 10.0, 0),
    ],
)
def test_what_may_have_begun_before_the_split_is_no_session_of_it(since_s, ended_s, wall_ahead_s, counts):
    log_book = dividing(since_s)
    log_book.take(of_session("one", B), ended_s, wall_ahead_s)
    assert sessions_of(log_book) == {"1.0": 0, "1.1": counts}


@pytest.mark.parametrize("missing", ["latencies", "started_at"])
def test_a_request_that_does_not_say_when_it_began_is_no_session(missing):
    log_book = dividing()
    log_book.take({**of_session("one", B), missing: None}, 120.0)
    assert sessions_of(log_book) == {"1.0": 0, "1.1": 0}


def test_nobody_says_none_of_sessions_that_are_not_counted():
    assert sessions_of(book()) is None


def test_sessions_under_another_split_are_new_and_under_the_same_they_are_not():
    log_book = dividing()
    for division, counted in (("at 10 %", 1), ("at 10 %", 1), ("at 20 %", 2)):
        log_book.undivided("bot.turnout")
        log_book.take(of_session("nobody knows by what it is guided", B), 120.0)
        log_book.divide("bot.turnout", BY_HEADER, LASTING_S, division, 40.0)
        log_book.take(of_session("one", B), 120.0)
        assert sessions_of(log_book) == {"1.0": 0, "1.1": counted}
