from adapters.haproxy.answers import Life, Server
from adapters.haproxy.tallies import OWNERS_MAX, Sighting, Tallies
from adapters.port import Tally

SERVER = Server("bot_stable", "slot1", 1, "127.0.0.1:3001", 1, "ready", 0, 0, 0)


def sighting(requests=0, errors=0, in_flight=0, pid=1, address="127.0.0.1:3001", started_s=0):
    server = SERVER._replace(requests=requests, errors=errors, in_flight=in_flight, address=address)
    return Sighting("s", Life(pid, started_s), [server])


def tallies():
    fresh = Tallies()
    fresh.own({"127.0.0.1:3001": "1", "127.0.0.1:3002": "2"})
    return fresh


def look(counts, present, *old, has_master=False):
    """As the gateway looks: at the present process, then at those before it."""
    counts.take(present)
    counts.take_old("s", old if has_master else None, counts.predecessors("s"))


def test_what_was_counted_before_us_is_not_ours():
    counts = tallies()
    look(counts, sighting(100, 50))
    assert counts.of(["1", "2"]) == {"1": Tally(), "2": Tally()}
    look(counts, sighting(103, 51))
    assert counts.of(["1"])["1"] == Tally(3, 1)


def test_a_reload_and_cleared_counters_lose_nothing_that_was_seen():
    counts = tallies()
    look(counts, sighting(10))
    look(counts, sighting(12, 1))
    look(counts, sighting(5, 1, pid=2))
    assert counts.of([])["1"] == Tally(7, 2), "a reload made counts go back, or hid requests"
    look(counts, sighting(2, 0, pid=2))
    assert counts.of([])["1"] == Tally(9, 2), "`clear counters` made counts go back"


def test_a_replaced_container_is_another_process_though_its_pid_is_the_same():
    counts = tallies()
    look(counts, sighting(10, started_s=100))
    look(counts, sighting(12, in_flight=1, started_s=100))
    look(counts, sighting(15, started_s=200))
    assert counts.of([])["1"] == Tally(17), "the new process has served more than the old one had, and that was lost"
    assert "1" not in counts.in_flight(["1"]), "streams of the process that went are said to be over"


def test_old_workers_of_before_us_are_not_ours_and_those_in_between_are():
    counts = tallies()
    look(counts, sighting(1, pid=3), sighting(50, pid=1), has_master=True)
    look(counts, sighting(0, pid=5), sighting(1, pid=3), sighting(2, pid=4), sighting(51, pid=1), has_master=True)
    assert counts.of([])["1"] == Tally(2 + 1)


def test_a_worker_that_becomes_old_during_a_look_has_not_ended():
    counts = tallies()
    look(counts, sighting(10, in_flight=1), has_master=True)
    expected = counts.predecessors("s")
    counts.take(sighting(0, pid=2))
    counts.take_old("s", [], expected)
    assert counts.in_flight(["1"]) == {"1": 1}
    look(counts, sighting(0, pid=2), sighting(11), has_master=True)
    assert counts.of([])["1"] == Tally(1), "all that the old worker had ever served was counted anew"


def test_an_old_worker_goes_on_counting():
    counts = tallies()
    look(counts, sighting(10))
    look(counts, sighting(4, pid=2), sighting(11, in_flight=2), has_master=True)
    assert counts.of([])["1"] == Tally(5, 0)
    assert counts.in_flight(["1"]) == {"1": 2}, "streams of an old worker are invisible"
    look(counts, sighting(4, pid=2), has_master=True)
    assert counts.in_flight(["1"]) == {"1": 0}, "an old worker that ended would be waited for to the deadline"


def test_streams_that_went_out_of_sight_are_not_called_none():
    counts = tallies()
    look(counts, sighting(1, in_flight=1))
    look(counts, sighting(0, pid=2))
    assert counts.in_flight(["1", "2"]) == {"2": 0}


def test_a_server_that_is_given_to_another_version_counts_for_that():
    counts = tallies()
    look(counts, sighting(10))
    look(counts, sighting(15))
    look(counts, sighting(15, address="127.0.0.1:3002"))
    look(counts, sighting(18, address="127.0.0.1:3002"))
    assert counts.of([]) == {"1": Tally(5), "2": Tally(3)}


def test_what_nobody_owns_counts_for_nobody():
    counts = tallies()
    for requests in (1, 5):
        look(counts, sighting(requests, address="127.0.0.1:9", in_flight=1))
    assert counts.of([]) == {}
    assert counts.in_flight(["1"]) == {"1": 0}


def test_addresses_are_remembered_within_a_bound():
    counts = tallies()
    counts.own({f"10.0.0.1:{port}": "3" for port in range(OWNERS_MAX)})
    assert counts.addresses("1") == frozenset()
    assert len(counts.addresses("3")) == OWNERS_MAX
    counts.own({"10.0.0.1:7": "4"})
    assert counts.addresses("4") == {"10.0.0.1:7"}
