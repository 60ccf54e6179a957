"""Discovery requests and responses, between bytes and values. Pure.

Decoding is kept for requests that many streams send in the same bytes: a thousand identical ACKs are decoded once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from google.protobuf.message import DecodeError

from xds import wire_pb2 as wire
from xds.errors import MalformedRequestError
from xds.snapshot import Resource, ResourceType
from xds.subscription import Mode, Request

CONTROL_PLANE = "turnout"
REQUESTS_KEPT_MAX = 1_024
REQUEST_KEPT_BYTES_MAX = 8_192
NODE_TAG = b"\x0a"
LENGTH_BYTES_MAX = 5
NAME_CHARACTERS_MAX = 1_024
PROGRAM_CHARACTERS_MAX = 64
ERROR_CHARACTERS_MAX = 4_096


@dataclass(frozen=True, slots=True)
class Node:
    """Who a client says it is: its id, its cluster, which is its group's name, and its program, if it says that."""

    id: str
    cluster: str
    program: str = ""


def decode_node(mode: Mode, data: bytes) -> Node | None:
    """Read the node of a discovery request; None when it has none. Raises MalformedRequestError."""
    return _node(wire.DiscoveryRequestNode if mode is Mode.STATE_OF_THE_WORLD else wire.DeltaDiscoveryRequestNode, data)


def decode_load_stats_node(data: bytes) -> Node | None:
    """Read the node of a load report; None when it has none. Raises MalformedRequestError."""
    return _node(wire.LoadStatsRequestNode, data)


def after_node(data: bytes) -> bytes:
    """Return what follows the node of a load report, which has tens of kilobytes and nothing new after the first one.

    The parser would copy it. When the node does not come first, or is not whole, all of the data is returned.
    """
    if not data.startswith(NODE_TAG):
        return data
    length = shift = 0
    for at, byte in enumerate(data[1 : 1 + LENGTH_BYTES_MAX], start=2):
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # the last byte of a length is the one without the high bit
            return data[at + length :] if at + length <= len(data) else data
    return data


def _node(
    message: type[wire.DiscoveryRequestNode | wire.DeltaDiscoveryRequestNode | wire.LoadStatsRequestNode], data: bytes
) -> Node | None:
    try:
        parsed = message.FromString(data)
    except DecodeError as error:
        raise MalformedRequestError(f"{len(data)} bytes are not a {message.DESCRIPTOR.name}.") from error
    if not parsed.HasField("node"):
        return None
    if max(len(parsed.node.id), len(parsed.node.cluster)) > NAME_CHARACTERS_MAX:
        raise MalformedRequestError(f"The node's id or cluster is longer than {NAME_CHARACTERS_MAX} characters.")
    return Node(parsed.node.id, parsed.node.cluster, _program(parsed.node))


def _program(node: wire.Node) -> str:
    """``Envoy 1.38.0``. A build's metadata, which may be long, is not read."""
    if not node.user_agent_name:
        return ""
    version = node.user_agent_version
    if node.HasField("user_agent_build_version"):
        build = node.user_agent_build_version.version
        version = f"{build.major_number}.{build.minor_number}.{build.patch}"
    name = "Envoy" if node.user_agent_name == "envoy" else node.user_agent_name
    return f"{name} {version}".rstrip()[:PROGRAM_CHARACTERS_MAX]


def decode_request(mode: Mode, data: bytes) -> Request:
    """Read a discovery request without its node. Raises MalformedRequestError."""
    if len(data) > REQUEST_KEPT_BYTES_MAX:
        return _decode_request(mode, data)
    return _decode_request_once(mode, data)


def _decode_request(mode: Mode, data: bytes) -> Request:
    try:
        return _decode_sotw(data) if mode is Mode.STATE_OF_THE_WORLD else _decode_delta(data)
    except DecodeError as error:
        raise MalformedRequestError(f"{len(data)} bytes are not a {mode.value} discovery request.") from error


_decode_request_once = lru_cache(maxsize=REQUESTS_KEPT_MAX)(_decode_request)


def _decode_sotw(data: bytes) -> Request:
    message = wire.DiscoveryRequest.FromString(data)
    return Request(
        type_url=message.type_url,
        nonce=message.response_nonce,
        error=_error(message),
        names=frozenset(message.resource_names),
    )


def _decode_delta(data: bytes) -> Request:
    message = wire.DeltaDiscoveryRequest.FromString(data)
    return Request(
        type_url=message.type_url,
        nonce=message.response_nonce,
        error=_error(message),
        subscribe=frozenset(message.resource_names_subscribe),
        unsubscribe=frozenset(message.resource_names_unsubscribe),
        versions=dict(message.initial_resource_versions),
    )


def _error(message: wire.DiscoveryRequest | wire.DeltaDiscoveryRequest) -> str | None:
    if not message.HasField("error_detail"):
        return None
    text: str = message.error_detail.message[:ERROR_CHARACTERS_MAX]
    return text or f"status {message.error_detail.code} without a message"


def encode_response(
    mode: Mode, type_: ResourceType, version: str, nonce: str, resources: Iterable[Resource], removed: Iterable[str]
) -> bytes:
    """Write a discovery response; `removed` can only be said in delta."""
    if mode is Mode.DELTA:
        return _encode_delta(type_, version, nonce, resources, removed)
    message = wire.DiscoveryResponse(version_info=version, type_url=type_.url, nonce=nonce)
    message.control_plane.identifier = CONTROL_PLANE
    for resource in resources:
        message.resources.add(type_url=type_.url, value=resource.body)
    encoded: bytes = message.SerializeToString()
    return encoded


def _encode_delta(
    type_: ResourceType, version: str, nonce: str, resources: Iterable[Resource], removed: Iterable[str]
) -> bytes:
    message = wire.DeltaDiscoveryResponse(system_version_info=version, type_url=type_.url, nonce=nonce)
    message.control_plane.identifier = CONTROL_PLANE
    message.removed_resources.extend(removed)
    for resource in resources:
        entry = message.resources.add(name=resource.name, version=resource.version)
        entry.resource.type_url = type_.url
        entry.resource.value = resource.body
    encoded: bytes = message.SerializeToString()
    return encoded
