"""Access logs (ALS): what a node says of each request that it has guided, without a transport. Pure.

Load reports count requests and say nothing of how long they took; access logs do. A node sends an entry when a request
has ended, and, for one that goes on, an intermediate entry per interval (`listeners.LatencyLog`). Of an entry's three
to four hundred bytes only what latency needs is read: neither path, nor headers, nor addresses.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/accesslog/v3/als.proto
"""

from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from xds import wire_pb2 as wire
from xds.envelope import NAME_CHARACTERS_MAX, Node
from xds.errors import MalformedRequestError

VERSION_TAG = "version"
"""The custom tag in which an entry carries its endpoint's version, see `endpoints.VersionEndpoints`."""
AGE_TAG = "age_ms"
"""The custom tag in which an intermediate entry says how old the request is; the field `duration` comes at its end."""

MESSAGE_BYTES_MAX = 1024 * 1024
"""Of one message. Envoy sends a buffer when it is full (`listeners.LOG_BUFFER_BYTES`), and adds one entry at most."""
AGE_DIGITS_MAX = 15
ENTRIES_MAX = 16_384
"""Of one message. An entry that says anything has more than 64 bytes."""

StreamKey = tuple[str, int, int]
"""What the entries of one request share: its id, and when it began, in seconds and nanoseconds. A client may send an id
twice, but not in the same nanosecond."""


@dataclass(frozen=True, slots=True)
class AccessLogEntry:
    """What a node says of one request. Times are in seconds from the request's first byte.

    Attributes:
        cluster: the cluster that its route chose; empty where none did.
        version: the version of the endpoint that it was sent to; empty while, or because, it was sent to none.
        stream: which request it is.
        is_last: whether the request has ended; otherwise another entry follows.
        attempts: how often it was sent; more than once is a retry.
        duration_s: until now, or until it ended.
        sent_after_s: until its last byte had come; None while the client is sending.
        answered_after_s: until the first byte of the endpoint's answer, its headers; None without one.
    """

    cluster: str
    version: str
    stream: StreamKey
    is_last: bool
    attempts: int
    duration_s: float
    sent_after_s: float | None
    answered_after_s: float | None

    @property
    def latency_s(self) -> float | None:
        """From the whole request to the headers of its answer; None without an answer.

        An answer that begins before the request has ended (bidirectional streams) is counted from the first byte.
        """
        answered_s, sent_s = self.answered_after_s, self.sent_after_s
        if answered_s is None:
            return None
        return answered_s if sent_s is None or sent_s > answered_s else answered_s - sent_s

    @property
    def waited_s(self) -> float:
        """For how long the whole request has been without an answer; 0 while the client is sending."""
        return 0.0 if self.sent_after_s is None else max(self.duration_s - self.sent_after_s, 0.0)


@dataclass(frozen=True, slots=True)
class AccessLog:
    """One message of one node."""

    node_id: str
    group: str
    entries: tuple[AccessLogEntry, ...]


class AccessLogStream:
    """One stream of access logs; a node opens one per worker. It is never answered."""

    def __init__(self) -> None:
        self.node: Node | None = None

    def receive(self, data: bytes) -> AccessLog:
        """Take a message.

        Raises:
            MalformedRequestError: the bytes are not a message, it is too large, or the first one has no node.
        """
        if len(data) > MESSAGE_BYTES_MAX:
            raise MalformedRequestError(f"{len(data)} bytes of access log are more than {MESSAGE_BYTES_MAX}.")
        try:
            if self.node is None:
                self.node = _node(wire.AccessLogsNode.FromString(data))
            entries = wire.AccessLogs.FromString(data).http_logs.log_entry
        except DecodeError as error:
            raise MalformedRequestError(f"{len(data)} bytes are not an access log.") from error
        if len(entries) > ENTRIES_MAX:
            raise MalformedRequestError(f"{len(entries)} entries of access log are more than {ENTRIES_MAX}.")
        return AccessLog(self.node.id, self.node.cluster, tuple(_entry(entry.common_properties) for entry in entries))


def _node(message: wire.AccessLogsNode) -> Node:
    node = message.identifier.node
    if not node.id:
        raise MalformedRequestError("The first access log has no node id. Set `node.id` in the bootstrap.")
    if max(len(node.id), len(node.cluster)) > NAME_CHARACTERS_MAX:
        raise MalformedRequestError(f"The node's id or cluster is longer than {NAME_CHARACTERS_MAX} characters.")
    return Node(node.id, node.cluster)


def _entry(common: wire.AccessLogCommon) -> AccessLogEntry:
    answered = common.HasField("time_to_first_upstream_rx_byte")
    ended = common.HasField("duration")
    return AccessLogEntry(
        cluster=common.upstream_cluster,
        version=common.custom_tags.get(VERSION_TAG, ""),
        stream=(common.stream_id, common.start_time.seconds, common.start_time.nanos),
        is_last=common.access_log_type == wire.DOWNSTREAM_END,
        attempts=common.upstream_request_attempt_count,
        duration_s=_seconds(common.duration) if ended else _age_s(common.custom_tags.get(AGE_TAG, "")),
        sent_after_s=_seconds(common.time_to_last_rx_byte) if common.HasField("time_to_last_rx_byte") else None,
        answered_after_s=_seconds(common.time_to_first_upstream_rx_byte) if answered else None,
    )


def _age_s(text: str) -> float:
    """An age that is no number is none: nothing is held against anybody for it."""
    return int(text) / 1000 if text.isascii() and text.isdigit() and len(text) <= AGE_DIGITS_MAX else 0.0


def _seconds(duration: Duration) -> float:
    return float(duration.seconds + duration.nanos / 1e9)
