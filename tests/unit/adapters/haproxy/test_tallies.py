from dataclasses import replace

from adapters.haproxy.answers import Server
from adapters.haproxy.tallies import OWNERS_MAX, Sighting, Tallies
from adapters.port import Tally

SERVER = Server("bot_stable", "slot1", 1, "127.0.0.1:3001", 1, "ready", 0, 0, 0)


def sighting(requests=0, errors=0, in_flight=0, pid=1, address="127.0.0.1:3001", **more):
    return Sighting(
        "s", pid, [replace(SERVER, requests=requests, errors=errors, in_flight=in_flight, address=address)], **more
    )


def tallies():
    fresh = Tallies()
    fresh.own({"127.0.0.1:3001": "1", "127.0.0.1:3002": "2"})
    return fresh


def test_what_was_counted_before_us_is_not_ours():
    counts = tallies()
    counts.take([sighting(100, 50)], sees_old=False)
    assert counts.of(["1", "2"]) == {"1": Tally(), "2": Tally()}
    counts.take([sighting(103, 51)], sees_old=False)
    assert counts.of(["1"])["1"] == Tally(3, 1)


def test_a_reload_and_cleared_counters_lose_nothing_that_was_seen():
    counts = tallies()
    counts.take([sighting(10)], sees_old=False)
    counts.take([sighting(12, 1)], sees_old=False)
    counts.take([sighting(5, 1, pid=2)], sees_old=False)
    assert counts.of([])["1"] == Tally(7, 2), "a reload made counts go back, or hid requests"
    counts.take([sighting(2, 0, pid=2)], sees_old=False)
    assert counts.of([])["1"] == Tally(9, 2), "`clear counters` made counts go back"


def test_an_old_worker_goes_on_counting():
    counts = tallies()
    counts.take([sighting(10)], sees_old=False)
    counts.take([sighting(4, pid=2), sighting(11, in_flight=2, is_old=True)], sees_old=True)
    assert counts.of([])["1"] == Tally(5, 0)
    assert counts.in_flight(["1"]) == {"1": 2}, "streams of an old worker are invisible"
    counts.take([sighting(4, pid=2)], sees_old=True)
    assert counts.in_flight(["1"]) == {"1": 0}, "an old worker that ended would be waited for to the deadline"


def test_streams_that_went_out_of_sight_are_not_called_none():
    counts = tallies()
    counts.take([sighting(1, in_flight=1)], sees_old=False)
    counts.take([sighting(0, pid=2)], sees_old=False)
    assert counts.in_flight(["1", "2"]) == {"2": 0}


def test_a_server_that_is_given_to_another_version_counts_for_that():
    counts = tallies()
    counts.take([sighting(10)], sees_old=False)
    counts.take([sighting(15)], sees_old=False)
    counts.take([sighting(15, address="127.0.0.1:3002")], sees_old=False)
    counts.take([sighting(18, address="127.0.0.1:3002")], sees_old=False)
    assert counts.of([]) == {"1": Tally(5), "2": Tally(3)}


def test_what_nobody_owns_counts_for_nobody():
    counts = tallies()
    for requests in (1, 5):
        counts.take([sighting(requests, address="127.0.0.1:9", in_flight=1)], sees_old=False)
    assert counts.of([]) == {}
    assert counts.in_flight(["1"]) == {"1": 0}


def test_addresses_are_remembered_within_a_bound():
    counts = tallies()
    counts.own({f"10.0.0.1:{port}": "3" for port in range(OWNERS_MAX)})
    assert counts.addresses("1") == frozenset()
    assert len(counts.addresses("3")) == OWNERS_MAX
    counts.own({"10.0.0.1:7": "4"})
    assert counts.addresses("4") == {"10.0.0.1:7"}
