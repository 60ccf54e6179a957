"""Whatever bytes come, and in whatever order entries come, nothing is counted twice and nothing escapes."""

import contextlib

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.envoy.latency import Latencies
from xds import wire_pb2 as wire
from xds.access_logs import AccessLog, AccessLogEntry, AccessLogStream
from xds.errors import MalformedRequestError

HELLO = wire.AccessLogsNode(
    identifier=wire.AccessLogsIdentifier(node=wire.Node(id="one", cluster="edge"))
).SerializeToString()


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_arbitrary_bytes_are_an_access_log_or_malformed(messages):
    stream, latencies = AccessLogStream(), Latencies()
    for data in messages:
        with contextlib.suppress(MalformedRequestError):
            latencies.take(stream.receive(data), lambda _: (1.0,))


@st.composite
def commons(draw):
    common = wire.AccessLogCommon(
        upstream_cluster=draw(st.sampled_from(["a/stable", "a/candidate", "", "/", "a"])),
        custom_tags=draw(st.dictionaries(st.sampled_from(["version", "age_ms", "x"]), st.text(max_size=20))),
        upstream_request_attempt_count=draw(st.integers(0, 2**32 - 1)),
        stream_id=draw(st.text(max_size=3)),
        access_log_type=draw(st.sampled_from([0, 4, 5, 6, 99])),
    )
    for name in ("time_to_last_rx_byte", "time_to_first_upstream_rx_byte", "duration", "start_time"):
        if draw(st.booleans()):
            getattr(common, name).seconds = draw(st.integers(-(2**63), 2**63 - 1))
            getattr(common, name).nanos = draw(st.integers(-(2**31), 2**31 - 1))
    return common


@settings(suppress_health_check=[HealthCheck.too_slow])  # how fast entries are drawn is the machine's affair
@given(st.lists(commons(), max_size=8))
def test_entries_of_any_content_are_taken(entries):
    logs = wire.HttpAccessLogEntries(log_entry=[wire.HttpAccessLogEntry(common_properties=each) for each in entries])
    latencies = Latencies()
    log = AccessLogStream().receive(HELLO + wire.AccessLogs(http_logs=logs).SerializeToString())
    assert len(log.entries) == len(entries)
    latencies.take(log, lambda _: (0.5, 2.0))


@st.composite
def lives(draw):
    """One request's entries: looks at it in flight, at growing ages, and its end; and its latency, if it has one."""
    ends_s = draw(st.floats(0.01, 10.0))
    answered_s = draw(st.none() | st.floats(0.0, ends_s))
    looks_s = sorted(draw(st.lists(st.floats(0.0, ends_s), max_size=6)))

    def at(now_s, *, last):
        known_s = answered_s if answered_s is not None and answered_s <= now_s else None
        return now_s, last, known_s

    return [*(at(look_s, last=False) for look_s in looks_s), at(ends_s, last=True)], answered_s, ends_s


@given(st.lists(lives(), max_size=6), st.sets(st.floats(0.01, 10.0), min_size=1, max_size=4), st.randoms())
def test_each_request_is_one_event_per_limit_whenever_it_was_looked_at(requests, limits, random):
    limits_s = tuple(sorted(limits))
    lines = [
        [
            AccessLogEntry("a/stable", "1", (str(number), 0, 0), last, 1, age_s, 0.0, answered_s)
            for age_s, last, answered_s in looks
        ]
        for number, (looks, _, _) in enumerate(requests)
    ]
    latencies = Latencies()
    while lines := [line for line in lines if line]:
        latencies.take(AccessLog("one", "edge", (random.choice(lines).pop(0),)), lambda _: limits_s)
    for limit_s in limits_s:
        latency = [ends_s if answered_s is None else answered_s for _, answered_s, ends_s in requests]
        valid = sum(answered_s is not None or ends_s > limit_s for _, answered_s, ends_s in requests)
        slow = sum(took_s > limit_s for took_s in latency)
        assert latencies._counts.get("a", {}).get("1", {}).get(limit_s, (0, 0)) == (valid, slow)
