import pytest

from adapters.envoy.counting import NODES_SPARED, SILENT_AFTER_S, Counting
from adapters.port import GatewayError
from tests.unit.adapters.envoy.nodes import NOW_S, FakeNode, FakeServer, report, wanted
from xds.access_logs import AccessLog, AccessLogEntry

INTERVAL_S = 1.0
BOTH = ("1.0", "1.1")


@pytest.fixture
def server():
    return FakeServer(FakeNode("one"), FakeNode("two"))


@pytest.fixture
def agents():
    return {"bot": wanted()}


@pytest.fixture
def clock():
    return [NOW_S]


@pytest.fixture
def counting(server, agents, clock):
    return Counting("edge", server, agents, INTERVAL_S, lambda: clock[0])


def counts(seen):
    return {name: (tally.requests, tally.errors) for name, tally in seen.tallies.items()}


def test_counts_are_summed_over_nodes(counting):
    counting.take_report(report("one", "1.0", ok=5, open_=2))
    counting.take_report(report("two", "1.1", ok=1, failed=2, open_=3, cluster="bot/candidate"))
    seen = counting.seen("bot", BOTH)
    assert counts(seen) == {"1.0": (5, 0), "1.1": (3, 2)}
    assert (seen.in_flight, seen.age_s) == ({"1.0": 2, "1.1": 3}, 0)


def test_a_breach_that_one_node_sees_is_seen_although_another_says_nothing(counting):
    counting.take_report(report("one", "1.1", failed=9, open_=1, cluster="bot/candidate"))
    seen = counting.seen("bot", BOTH)
    assert counts(seen)["1.1"] == (9, 9), "one Envoy that does not report would keep a failing candidate alive"
    assert seen.in_flight == {}, "what the other one has in flight was taken for nothing"


def test_an_envoy_that_joins_blinds_nobody(counting, server):
    for node in ("one", "two"):
        counting.take_report(report(node, "1.1", ok=1, open_=1))
    server.present.append(FakeNode("three"))
    assert counts(counting.seen("bot", BOTH))["1.1"] == (2, 0)
    assert counting.seen("bot", BOTH).in_flight == {}
    counting.take_report(report("three", "1.1", open_=1))
    assert counting.seen("bot", BOTH).in_flight == {"1.0": 0, "1.1": 3}


def test_without_any_report_there_is_nothing_to_see(counting, server):
    with pytest.raises(GatewayError, match="no load report has come yet from one, two"):
        counting.seen("bot", BOTH)
    server.present = []
    with pytest.raises(GatewayError, match="no Envoy is connected"):
        counting.seen("bot", BOTH)


def test_what_a_node_that_may_come_back_has_in_flight_is_not_nothing(counting, server, clock):
    for node in ("one", "two"):
        counting.take_report(report(node, "1.1", open_=5))
    reconnecting = server.present.pop()
    server.left = [reconnecting]
    assert counting.seen("bot", BOTH).in_flight == {}, "5 streams of an Envoy that reconnects were called ended"
    assert counts(counting.seen("bot", BOTH))["1.1"] == (0, 0), "nobody sees anything while one Envoy reconnects"
    clock[0] += 1
    reconnecting.since_s = clock[0]
    server.present.append(reconnecting)
    server.left = []
    assert counting.seen("bot", BOTH).in_flight == {}, "what it said before it left is not what it has now"
    counting.take_report(report("two", "1.1", open_=4))
    assert counting.seen("bot", BOTH).in_flight == {"1.0": 0, "1.1": 9}
    server.present.pop()
    assert counting.seen("bot", BOTH).in_flight == {"1.0": 0, "1.1": 5}, "a node that has gone for good was waited for"


def test_a_version_that_was_never_guided_to_has_nothing_in_flight_whoever_is_silent(counting):
    counting.take_report(report("one", open_=3))
    assert counting.seen("bot", ["1.0"], ["1.1"]).in_flight == {"1.1": 0}, "nobody's streams would be waited for"
    counting.take_report(report("two"))
    assert counting.seen("bot", ["1.0"], ["1.1"]).in_flight == {"1.0": 3, "1.1": 0}


def test_silent_is_who_has_had_the_time_to_report(counting, clock):
    assert counting.silent() == []
    clock[0] += INTERVAL_S + SILENT_AFTER_S
    counting.take_report(report("one"))
    assert counting.silent() == ["two"]


def test_access_logs_are_counted_beside_load_reports(counting, agents):
    agents["bot"] = wanted(latency_limits_s=(2.0,))
    entry = AccessLogEntry("bot/stable", "1.0", ("id", 0, 0), True, 1, 9.0, 0.0, 2.5)
    counting.take_access_log(AccessLog("one", "edge", (entry,)))
    counting.take_report(report("one", "1.0", ok=1))
    assert dict(counting.seen("bot", BOTH).tallies["1.0"].indicators) == {"latency_over:2s": (1, 1.0)}


def test_nodes_that_are_gone_are_forgotten_when_new_ones_come_and_their_counts_are_kept(counting, server):
    for number in range(100):
        server.present = [FakeNode(f"pod-{number}")]
        counting.take_report(report(f"pod-{number}", "1.0", ok=1, open_=1))
    assert len(counting._tallies) <= NODES_SPARED + 3, "each Envoy of a fleet that scales up and down is remembered"
    assert counts(counting.seen("bot", BOTH))["1.0"] == (100, 0)


def test_agents_that_are_not_wanted_any_more_are_forgotten(counting, agents):
    counting.take_report(report("one", "1.0", ok=1))
    agents.clear()
    counting.keep()
    agents["bot"] = wanted()
    assert counts(counting.seen("bot", [])) == {}
