"""What subscribers may ask of the server, and no more. Pure."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Limits:
    """What subscribers may ask of the server.

    Attributes:
        streams_max: open at once, of all services together; one more is refused with RESOURCE_EXHAUSTED.
        access_log_streams_max: with so many open, no further access log is let in. Each worker of an Envoy opens one;
            they leave room for the rest.
        request_bytes_max: of one message. A request names each endpoint set that is asked for.
        requests_per_s: of one stream in the long run; faster ones are read later, nothing is lost.
        requests_burst: of one stream at once: an Envoy that starts asks for everything.
        status_per_s: questions for client status, of all who ask together; more are answered later. Each holds up
            everybody who waits for a push, by milliseconds.
        status_burst: of them at once.
        status_bytes_max: of one answer: what a gRPC client takes unless it is told otherwise.
        rejoin_grace_s: how long a node that has left is still waited for. Envoy comes back after 14 s at most, unless
            its bootstrap says otherwise.
        stop_grace_s: how long streams may take to end when the server stops.
        keepalive_s: how often a silent connection is probed. One that does not answer for as long is closed.
    """

    streams_max: int = 10_000
    access_log_streams_max: int = 5_000
    request_bytes_max: int = 8 * 1024 * 1024
    requests_per_s: float = 500.0
    requests_burst: int = 2_000
    status_per_s: float = 2.0
    status_burst: int = 10
    status_bytes_max: int = 4 * 1024 * 1024
    rejoin_grace_s: float = 15.0
    stop_grace_s: float = 1.0
    keepalive_s: float = 20.0

    def channel_options(self) -> list[tuple[str, Any]]:
        """The same for gRPC itself."""
        keepalive_ms = round(self.keepalive_s * 1000)
        return [
            # Without these two, gRPC cancels streams when a thousand nodes connect at once. Spelled with dots; with
            # underscores they are silently ignored.
            ("grpc.server.max_pending_requests", self.streams_max),
            ("grpc.server.max_pending_requests_hard_limit", 2 * self.streams_max),
            ("grpc.max_receive_message_length", self.request_bytes_max),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
            ("grpc.keepalive_time_ms", keepalive_ms),
            ("grpc.keepalive_timeout_ms", keepalive_ms),
            ("grpc.keepalive_permit_without_calls", 1),
            # Subscribers probe the connection once a second, to notice a dead controller; by default it is an offence.
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 100),
            ("grpc.http2.max_ping_strikes", 0),
        ]
