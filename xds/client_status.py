"""Client status (CSDS): which node has which resource in which version, for tools like grpcdebug. Pure.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/status/v3/csds.proto
"""

from collections.abc import Iterable, Iterator

from google.protobuf.message import DecodeError

from xds import wire_pb2 as wire
from xds.acks import Ledger
from xds.errors import MalformedRequestError
from xds.stream import AdsStream


def client_status(data: bytes, streams: Iterable[AdsStream]) -> bytes:
    """Answer a client status request with every stream that it matches. Raises MalformedRequestError."""
    try:
        request = wire.ClientStatusRequest.FromString(data)
    except DecodeError as error:
        raise MalformedRequestError(f"{len(data)} bytes are not a client status request.") from error
    response = wire.ClientStatusResponse()
    for stream in streams:
        if stream.node is None or not _matches(request, stream.node.id):
            continue
        config = response.config.add()
        config.node.id = stream.node.id
        config.node.cluster = stream.node.cluster
        for ledger in stream.ledgers():
            config.generic_xds_configs.extend(_resources(ledger, contents=not request.exclude_resource_contents))
    encoded: bytes = response.SerializeToString()
    return encoded


def _matches(request: wire.ClientStatusRequest, node_id: str) -> bool:
    """Whether a node is asked about: no matcher asks about all, and one without an id does, too."""
    if not request.node_matchers:
        return True
    return any(_matches_one(entry.node_id, node_id) for entry in request.node_matchers)


def _matches_one(matcher: wire.StringMatcher, node_id: str) -> bool:
    if matcher.exact:
        return node_id == matcher.exact
    return node_id.startswith(matcher.prefix)


def _resources(ledger: Ledger, *, contents: bool) -> Iterator[wire.GenericXdsConfig]:
    missing = ledger.subscription.names - ledger.held.keys() if ledger.subscription else frozenset()
    for name in sorted(missing):
        yield wire.GenericXdsConfig(
            type_url=ledger.type.url,
            name=name,
            config_status=wire.NOT_SENT,
            client_status=wire.DOES_NOT_EXIST,
        )
    for name, resource in ledger.held.items():
        entry = wire.GenericXdsConfig(type_url=ledger.type.url, name=name, version_info=resource.version)
        if contents:
            entry.xds_config.type_url = ledger.type.url
            entry.xds_config.value = resource.body
        refusal = ledger.refusal
        if ledger.accepted.get(name) == resource:
            entry.config_status, entry.client_status = wire.SYNCED, wire.ACKED
        elif refusal is not None and name in refusal.names:
            entry.config_status, entry.client_status = wire.ERROR, wire.NACKED
            entry.error_state.details = refusal.error
            entry.error_state.version_info = refusal.version
        else:
            entry.config_status, entry.client_status = wire.STALE, wire.REQUESTED
        yield entry
