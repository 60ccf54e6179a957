"""Messages as Envoy writes them: built with its own full schema, read with our subset."""

from datetime import UTC, datetime, timedelta

import pytest
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.data.accesslog import v3 as data
from envoy_data_plane.envoy.service.accesslog import v3 as service

from xds.access_logs import (
    AGE_TAG,
    ENTRIES_MAX,
    MESSAGE_BYTES_MAX,
    VERSION_TAG,
    AccessLog,
    AccessLogEntry,
    AccessLogStream,
)
from xds.errors import MalformedRequestError

BEGAN = datetime(2026, 11, 21, 8, 0, 0, 250_000, tzinfo=UTC)
STREAM = ("416a2ffa", int(BEGAN.timestamp()), 250_000_000)
IN_FLIGHT = data.AccessLogType.DownstreamPeriodic
NODE = core.Node(id="one", cluster="edge", user_agent_name="envoy")


def entry(type_=data.AccessLogType.DownstreamEnd, **common):
    """An entry with all that an Envoy adds and nobody here needs."""
    address = core.Address(socket_address=core.SocketAddress(address="10.0.0.1", port_value=3000))
    return data.HttpAccessLogEntry(
        common_properties=data.AccessLogCommon(
            start_time=BEGAN,
            stream_id="416a2ffa",
            upstream_cluster="coder/candidate",
            upstream_request_attempt_count=1,
            downstream_remote_address=address,
            upstream_remote_address=address,
            response_flags=data.ResponseFlags(downstream_connection_termination=True),
            route_name="coder",
            access_log_type=type_,
            **common,
        ),
        protocol_version=data.HttpAccessLogEntryHttpVersion.HTTP11,
        request=data.HttpRequestProperties(path="/v1/secret", request_headers={"authorization": "Bearer x"}),
        response=data.HttpResponseProperties(response_code=200, response_code_details="via_upstream"),
    )


def message(*entries, node=NODE):
    identifier = service.StreamAccessLogsMessageIdentifier(node=node, log_name="turnout") if node else None
    logs = service.StreamAccessLogsMessageHttpAccessLogEntries(log_entry=list(entries))
    return bytes(service.StreamAccessLogsMessage(identifier=identifier, http_logs=logs))


def ms(value):
    return timedelta(milliseconds=value)


ENDED = entry(
    custom_tags={VERSION_TAG: "1.3.0", AGE_TAG: "2500"},
    duration=ms(2_500),
    time_to_last_rx_byte=ms(500),
    time_to_first_upstream_rx_byte=ms(750),
)


def test_an_entry_says_who_answered_and_when_and_nothing_else_is_kept():
    log = AccessLogStream().receive(message(ENDED))
    assert log == AccessLog(
        "one",
        "edge",
        (
            AccessLogEntry(
                cluster="coder/candidate",
                version="1.3.0",
                stream=STREAM,
                is_last=True,
                attempts=1,
                duration_s=2.5,
                sent_after_s=0.5,
                answered_after_s=0.75,
            ),
        ),
    )
    assert "secret" not in repr(log), "what users ask their agents would be kept here"


def test_the_node_is_named_once_per_stream():
    stream = AccessLogStream()
    stream.receive(message(ENDED))
    assert stream.receive(message(ENDED, ENDED, node=None)).group == "edge"
    assert len(stream.receive(message(ENDED, ENDED, node=core.Node(id="another"))).entries) == 2
    assert stream.node.id == "one"


def test_a_request_in_flight_tells_its_age_in_its_tag():
    waiting = entry(IN_FLIGHT, custom_tags={AGE_TAG: "1500"}, time_to_last_rx_byte=ms(500))
    [told] = AccessLogStream().receive(message(waiting)).entries
    assert (told.is_last, told.duration_s, told.answered_after_s, told.version) == (False, 1.5, None, "")
    assert (told.waited_s, told.latency_s) == (1.0, None)


@pytest.mark.parametrize("age", ["", "-", "-5", "1e9", "٣", "9" * 5_000])
def test_an_age_that_is_no_number_is_held_against_nobody(age):
    waiting = entry(IN_FLIGHT, custom_tags={AGE_TAG: age}, time_to_last_rx_byte=ms(0))
    [told] = AccessLogStream().receive(message(waiting)).entries
    assert told.waited_s == 0.0


@pytest.mark.parametrize(
    ("sent", "answered", "latency_s"),
    [
        (ms(500), ms(750), 0.25),  # the client took half a second to send: not the agent's fault
        (None, ms(750), 0.75),  # answered while the client goes on sending
        (ms(2_000), ms(750), 0.75),
        (ms(500), None, None),
    ],
)
def test_latency_is_from_the_whole_request_to_the_headers_of_its_answer(sent, answered, latency_s):
    ended = entry(duration=ms(2_500), time_to_last_rx_byte=sent, time_to_first_upstream_rx_byte=answered)
    [told] = AccessLogStream().receive(message(ended)).entries
    assert told.latency_s == latency_s


def test_while_the_client_is_sending_nobody_waits():
    [told] = AccessLogStream().receive(message(entry(duration=ms(60_000)))).entries
    assert told.waited_s == 0.0, "a client that sends slowly would make an agent look slow"


@pytest.mark.parametrize(
    "bad",
    [
        b"\xff\xff\xff",
        b"",
        message(ENDED, node=None),
        message(ENDED, node=core.Node(cluster="edge")),
        message(ENDED, node=core.Node(id="x" * 1_025)),
        message(ENDED) + b"\x12\x00" * (MESSAGE_BYTES_MAX // 2),
        message() + b"\x12\x02\x0a\x00" * (ENTRIES_MAX + 1),
    ],
)
def test_garbage_strangers_and_floods_are_malformed(bad):
    with pytest.raises(MalformedRequestError):
        AccessLogStream().receive(bad)


def test_a_message_of_tcp_entries_has_none_of_ours():
    tcp = service.StreamAccessLogsMessage(
        identifier=service.StreamAccessLogsMessageIdentifier(node=NODE),
        tcp_logs=service.StreamAccessLogsMessageTcpAccessLogEntries(log_entry=[data.TcpAccessLogEntry()]),
    )
    assert AccessLogStream().receive(bytes(tcp)).entries == ()
