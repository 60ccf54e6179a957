"""The requests that the benchmarks' subscribers send, encoded once."""

from __future__ import annotations

from xds import wire_pb2 as wire
from xds.snapshot import ResourceType

GROUP = "bench"
NODE_BYTES = 61_000
"""What an Envoy repeats in each of its load reports, the second and later ones of a stream too (docs/benchmarks.md)."""


def subscribe(node_id: str) -> bytes:
    """The first request of a stream: the route table, by name."""
    request = wire.DiscoveryRequest(resource_names=[GROUP], type_url=ResourceType.ROUTES.url)
    return _node(2, node_id) + request.SerializeToString()


def acknowledge(response: bytes) -> bytes:
    """The ACK of a response."""
    got = wire.DiscoveryResponse.FromString(response)
    ack = wire.DiscoveryRequest(
        version_info=got.version_info,
        resource_names=[GROUP],
        type_url=got.type_url,
        response_nonce=got.nonce,
    )
    data: bytes = ack.SerializeToString()
    return data


def introduction(node_id: str) -> bytes:
    """The first request of a stream of load reports: a node that says as much about itself as a real Envoy."""
    return _node(1, node_id, padding_bytes=NODE_BYTES)


def load_report(node_id: str, *, requests: int) -> bytes:
    """A load report: the same node again, and what it did for both versions of an agent."""
    report = wire.LoadStatsRequest()
    for track, version in (("stable", "1.0.0"), ("candidate", "1.1.0")):
        stats = report.cluster_stats.add(cluster_name=f"agent-0/{track}")
        locality = stats.upstream_locality_stats.add(total_successful_requests=requests, total_requests_in_progress=3)
        locality.locality.sub_zone = version
    return introduction(node_id) + report.SerializeToString()


def _node(number: int, node_id: str, *, padding_bytes: int = 0) -> bytes:
    """A node as field ``number`` of a request; the padding is a field that our own subset skips."""
    padding = _field(12, b"x" * padding_bytes) if padding_bytes else b""
    node = _field(1, node_id.encode()) + _field(2, GROUP.encode()) + padding
    return _field(number, node)


def _field(number: int, payload: bytes) -> bytes:
    return bytes(_varint(number << 3 | 2)) + bytes(_varint(len(payload))) + payload


def _varint(value: int) -> list[int]:
    out = []
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return [*out, value]
