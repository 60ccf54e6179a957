import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.nginx_plus import counts as module
from adapters.nginx_plus.counts import Counts, Peer, peer_of
from adapters.port import Tally

VERSIONS = {"a:80": "1.0", "b:80": "1.1"}


def peer(requests, server="a:80", peer_id=0, active=0, failed=0, answered=None):
    return Peer(server, peer_id, requests, active, requests - active if answered is None else answered, failed)


def test_what_is_in_flight_has_not_ended_and_no_answer_is_an_error():
    counts = Counts()
    counts.take("n1", [peer(10, active=2, failed=1, answered=7)], VERSIONS)
    assert counts.tallies(["1.0", "1.1"]) == {"1.0": Tally(8, 2), "1.1": Tally()}


def test_a_restart_and_a_server_that_is_added_again_lose_nothing():
    counts = Counts()
    counts.take("n1", [peer(10)], VERSIONS)
    counts.take("n1", [peer(3)], VERSIONS)
    counts.take("n1", [peer(2, peer_id=7)], VERSIONS)
    counts.take("n2", [peer(5)], VERSIONS)
    assert counts.tallies([])["1.0"].requests == 10 + 3 + 2 + 5


def test_an_address_counts_for_the_version_that_moved_in():
    counts = Counts()
    counts.take("n1", [peer(10), peer(4, server="stranger:80")], VERSIONS)
    counts.take("n1", [peer(15)], {"a:80": "1.2"})
    assert {name: tally.requests for name, tally in counts.tallies([]).items()} == {"1.0": 10, "1.2": 5}


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "PEERS_MAX", 3)
    counts = Counts()
    for index in range(module.VERSIONS_MAX + 5):
        counts.take("n1", [peer(1, peer_id=index)], {"a:80": str(index)})
    assert (len(counts._last), len(counts._sums)) == (3, module.VERSIONS_MAX)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60), st.integers(0, 50), st.integers(0, 50))))
def test_counts_only_grow(looks):
    counts, before = Counts(), Tally()
    for requests, active, answered, failed in looks:
        counts.take("n1", [Peer("a:80", 0, requests, active, answered, failed)], VERSIONS)
        now = counts.tallies(["1.0"])["1.0"]
        assert now.requests >= before.requests
        assert before.errors <= now.errors
        before = now


ROW = {"server": "a:80", "id": 1, "requests": 5, "active": 1, "responses": {"5xx": 2, "total": 4}}


def test_a_peer_is_read():
    assert peer_of(ROW) == Peer("a:80", 1, 5, 1, 4, 2)


@pytest.mark.parametrize(
    "row",
    [None, [], {}, {**ROW, "server": 5}, {**ROW, "requests": -1}, {**ROW, "active": True}, {**ROW, "responses": 1}],
)
def test_what_is_no_peer_is_left_out(row):
    assert peer_of(row) is None
