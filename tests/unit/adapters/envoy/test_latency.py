import pytest

from adapters.envoy import latency
from adapters.envoy.latency import Latencies
from adapters.port import Tally
from xds.access_logs import AccessLog, AccessLogEntry

LIMITS = {"a": (0.2, 2.0), "b": ()}


def entry(stream=1, version="1.3.0", *, last=True, took_s=1.0, sent_s=0.0, answered_s=None, attempts=1, agent="a"):
    key = (str(stream), 0, 0)
    return AccessLogEntry(f"{agent}/candidate", version, key, last, attempts, took_s, sent_s, answered_s)


def counted(*entries, limits=LIMITS):
    """What is counted of agent a: {version: {limit: (events, slow)}}."""
    latencies = Latencies()
    for each in entries:
        latencies.take(AccessLog("one", "edge", (each,)), lambda agent: limits.get(agent, ()))
    return seen(latencies)


def seen(latencies, agent="a"):
    return {version: dict(tally.indicators) for version, tally in latencies.added_to({}, agent).items()}


def both(short, long):
    return {"1.3.0": {"latency_over:0.2s": short, "latency_over:2s": long}}


@pytest.mark.parametrize(
    ("answered_s", "expected"),
    [
        (0.1, both((1, 0), (1, 0))),
        (0.2, both((1, 0), (1, 0))),
        (0.3, both((1, 1), (1, 0))),
        (3.0, both((1, 1), (1, 1))),
    ],
)
def test_an_answer_is_slow_when_it_took_longer_than_the_limit(answered_s, expected):
    assert counted(entry(took_s=4.0, answered_s=answered_s)) == expected


def test_how_long_an_answer_goes_on_is_not_its_latency():
    assert counted(entry(took_s=600.0, answered_s=0.1)) == both((1, 0), (1, 0)), "every stream would be slow"


def test_how_long_the_client_sends_is_not_the_agents_latency():
    assert counted(entry(took_s=30.0, sent_s=29.9, answered_s=30.0)) == both((1, 0), (1, 0))


def test_a_request_that_ends_unanswered_is_an_event_only_of_the_limits_that_it_outlasted():
    assert counted(entry(took_s=0.1)) == {}, "a client that left at once would count as a fast answer, or a slow one"
    assert counted(entry(took_s=1.0)) == {"1.3.0": {"latency_over:0.2s": (1, 1)}}
    assert counted(entry(took_s=3.0)) == both((1, 1), (1, 1))


def test_a_request_in_flight_is_counted_as_soon_as_it_is_decided_and_never_again():
    waiting = entry(last=False, took_s=1.0)
    assert counted(waiting) == {"1.3.0": {"latency_over:0.2s": (1, 1)}}, "an agent that hangs would look idle"
    assert counted(waiting, entry(last=False, took_s=2.0)) == {"1.3.0": {"latency_over:0.2s": (1, 1)}}
    late = entry(last=False, took_s=1.9, answered_s=1.5)
    assert counted(waiting, late) == both((1, 1), (1, 0))
    assert counted(waiting, late, late, entry(took_s=60.0, answered_s=1.5)) == both((1, 1), (1, 0))


def test_a_wait_of_exactly_a_limit_is_decided_later_and_not_lost():
    exact = entry(last=False, took_s=2.0)
    assert counted(exact, entry(took_s=2.1, answered_s=2.0)) == both((1, 1), (1, 0))
    assert counted(exact, entry(took_s=2.1, answered_s=2.1)) == both((1, 1), (1, 1))


def test_requests_are_told_apart():
    assert counted(entry(1, last=False), entry(2, last=False), entry(1), entry(2)) == {
        "1.3.0": {"latency_over:0.2s": (2, 2)}
    }


def test_whose_it_cannot_be_told_is_left_out():
    assert counted(entry(version="", answered_s=0.1)) == {}, "a request that reached no version would be somebody's"
    assert counted(entry(attempts=2, answered_s=3.0)) == {}, "one version's failed attempt would slow down another"
    assert counted(entry(agent="b", answered_s=0.1), entry(agent="stranger", answered_s=0.1)) == {}


def test_versions_of_one_cluster_are_counted_apart_also_across_a_promotion():
    """After a promotion the old version drains beside the new one, in the same cluster."""
    assert counted(entry(1, "1.2.3", answered_s=1.0), entry(2, "1.3.0", answered_s=0.1)) == {
        "1.2.3": {"latency_over:0.2s": (1, 1), "latency_over:2s": (1, 0)},
        **both((1, 0), (1, 0)),
    }


def test_counts_stand_beside_what_load_reports_say():
    latencies = Latencies()
    latencies.take(AccessLog("one", "edge", (entry(answered_s=0.1),)), lambda _: (2.0,))
    tallies = {"1.3.0": Tally(5, 1, {"task_failed": (3, 1.0)}), "1.2.3": Tally(7)}
    assert latencies.added_to(tallies, "a") == {
        "1.3.0": Tally(5, 1, {"task_failed": (3, 1.0), "latency_over:2s": (1, 0.0)}),
        "1.2.3": Tally(7),
    }


def test_an_agent_that_is_gone_is_forgotten():
    latencies = Latencies()
    latencies.take(AccessLog("one", "edge", (entry(answered_s=0.1),)), lambda _: (2.0,))
    latencies.keep(["b"])
    assert seen(latencies) == {}


def test_what_is_remembered_has_a_limit(monkeypatch):
    monkeypatch.setattr(latency, "STREAMS_MAX", 2)
    monkeypatch.setattr(latency, "VERSIONS_MAX", 2)
    latencies = Latencies()
    entries = [entry(number, f"v{number}", last=False, took_s=1.0) for number in range(4)]
    latencies.take(AccessLog("one", "edge", tuple(entries)), lambda _: (0.2,))
    assert seen(latencies).keys() == {"v2", "v3"}, "versions that nobody runs any more would pile up"
    assert len(latencies._told_s) == 2, "requests whose end was never told would pile up"


def test_nothing_is_remembered_of_requests_that_have_ended():
    latencies = Latencies()
    for each in (
        entry(last=False),
        entry(),
        entry(2, agent="b", last=False),
        entry(3, last=False),
        entry(3, version=""),
    ):
        latencies.take(AccessLog("one", "edge", (each,)), lambda agent: LIMITS.get(agent, ()))
    assert latencies._told_s == {}
