import contextlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.haproxy.latency import VERSIONS_MAX, Latencies, Line, line_in
from adapters.port import Tally

FIELDS = {
    "backend": "bot_stable",
    "server": "127.0.0.1:3001",
    "retries": "0",
    "request": 0,
    "queue": 0,
    "connect": 0,
    "answer": 5,
    "active": "+5",
}
"""As HAProxy 2.6 writes it: a stream, or any other answer, at its headers."""
SLOW = "latency_over:2s"


def written(**fields):
    return json.dumps({**FIELDS, **fields}).encode() + b"\n"


def counted(*lines, limits_s=(2.0,), version="1"):
    latencies = Latencies()
    for line in lines:
        latencies.take(line_in(line), version, limits_s)
    return {name: tally.indicators for name, tally in latencies.added_to({}).items()}


def test_a_line_tells_where_a_request_went_and_how_long_it_waited():
    told = line_in(written(request=7, queue=10, connect=20, answer=1_500, active="+1537"))
    assert told == Line("bot_stable", "127.0.0.1:3001", was_retried=False, latency_s=1.53, waited_s=1.53)


@pytest.mark.parametrize("active", ["+10005", "10005"])
def test_a_request_that_was_never_answered_tells_how_long_it_waited(active):
    told = line_in(written(request=3, answer=-1, active=active))
    assert (told.latency_s, told.waited_s) == (None, 10.002)


@pytest.mark.parametrize(
    ("server", "address"), [("10.0.0.1:80", "10.0.0.1:80"), ("::1:3000", "[::1]:3000"), ("-:-", ""), ("nonsense", "")]
)
def test_a_server_is_written_as_endpoints_are(server, address):
    assert line_in(written(server=server)).server == address


@pytest.mark.parametrize(
    "header", [b"<134>Nov 29 10:00:00 edge haproxy[77]: ", b"<134>1 2026-11-29T10:00:00Z - - - - "]
)
def test_a_syslog_header_is_passed_over(header):
    assert line_in(header + written()) == line_in(written()), "`log` without `format raw` would report nothing"


def test_what_somebody_adds_to_the_line_is_passed_over():
    assert line_in(written(path="/", cookie=None)) == line_in(written())


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"<134>Nov 29 10:00:00 haproxy[7]: Proxy agents started.",
        b"[1]",
        b"{",
        b"\xff\xfe{}",
        b"{" * 8_000,
        b'{"a":' * 8_000,
        written(backend=None),
        written(server=1),
        written(retries=0),
        written(answer="5"),
        written(answer=True),
        written(answer=1.5),
        written(queue=10**400),
        written(connect=-2),
        written(active="-1"),
        written(active="+٣"),
        written()[:90],
    ],
)
def test_what_is_no_line_of_ours_is_refused(datagram):
    with pytest.raises(ValueError, match=r".+"):
        line_in(datagram)


def test_answers_are_one_event_for_each_limit():
    lines = (written(answer=ms) for ms in (5, 2_000, 2_001, 9_000))
    assert counted(*lines, limits_s=(2.0, 5.0)) == {"1": {SLOW: (4, 2.0), "latency_over:5s": (4, 1.0)}}


def test_a_wait_is_slow_when_it_was_longer_than_the_limit_and_else_nothing():
    left_early, left_late = (written(answer=-1, active=f"+{ms}") for ms in (1_999, 2_001))
    assert counted(left_early) == {}, "a client that left is counted against the version"
    assert counted(left_early, left_late) == {"1": {SLOW: (1, 1.0)}}, "an agent that hangs is not slow"
    refused = written(connect=-1, answer=-1, active="+1")
    assert counted(refused) == {}, "a refused connection is an error, and not fast"


@pytest.mark.parametrize("retries", ["1", "+1", "+0"])
def test_a_request_that_was_tried_again_is_nobodys(retries):
    assert counted(written(retries=retries, answer=9_000)) == {}


def test_counts_are_added_to_what_is_known_and_silence_is_not_zero():
    latencies = Latencies()
    latencies.take(line_in(written()), "1", (2.0,))
    before = {"1": Tally(7, 1, {"task_failed": (2, 1.0)}), "2": Tally(5)}
    assert latencies.added_to(before) == {
        "1": Tally(7, 1, {"task_failed": (2, 1.0), SLOW: (1, 0.0)}),
        "2": Tally(5),
    }


def test_versions_are_remembered_within_a_bound():
    latencies = Latencies()
    for number in range(VERSIONS_MAX + 1):
        for version in ("stays", str(number)):
            latencies.take(line_in(written()), version, (2.0,))
    assert len(latencies.added_to({})) == VERSIONS_MAX
    assert latencies.added_to({})["stays"].indicators == {SLOW: (VERSIONS_MAX + 1, 0.0)}


ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("+7")


@given(st.binary(max_size=200))
@example(b'{"a":1e999}')
def test_whatever_comes_is_a_line_or_refused(datagram):
    for data in (datagram, b"{" + datagram, written()[: len(datagram)] + datagram):
        with contextlib.suppress(ValueError):
            line_in(data)


@given(st.fixed_dictionaries({}, optional={name: ANY | st.just(FIELDS[name]) for name in FIELDS}))
def test_lines_of_any_content_are_counted_or_refused(fields):
    latencies = Latencies()
    with contextlib.suppress(ValueError):
        latencies.take(line_in(json.dumps(fields).encode()), "1", (0.5, 2.0))
    for tally in latencies.added_to({}).values():
        assert all(0 <= bad <= events == 1 for events, bad in tally.indicators.values())
