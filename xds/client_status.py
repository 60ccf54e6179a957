"""Client status (CSDS): which node has which resource in which version, for tools like grpcdebug. Pure.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/status/v3/csds.proto
"""

from collections.abc import Iterable, Iterator

from google.protobuf.message import DecodeError

from xds import wire_pb2 as wire
from xds.acks import Ledger
from xds.errors import AnswerTooLargeError, MalformedRequestError
from xds.stream import AdsStream


def client_status(data: bytes, streams: Iterable[AdsStream], bytes_max: int) -> bytes:
    """Answer a client status request with every stream that it matches.

    What streams in the same state have in common is encoded once, and nothing is once the answer is too large: whoever
    asks holds up everybody who waits for a push.

    Raises:
        MalformedRequestError: the bytes are not a request.
        AnswerTooLargeError: the answer would have more than `bytes_max`.
    """
    try:
        request = wire.ClientStatusRequest.FromString(data)
    except DecodeError as error:
        raise MalformedRequestError(f"{len(data)} bytes are not a client status request.") from error
    response = wire.ClientStatusResponse()
    told: dict[tuple[object, ...], bytes] = {}
    size_bytes = 0
    for stream in streams:
        if stream.node is None or not _matches(request, stream.node.id):
            continue
        config = response.config.add()
        config.node.id = stream.node.id
        config.node.cluster = stream.node.cluster
        for ledger in stream.ledgers():
            # Streams in the same state share what they hold (`cache.Group`): an identity is a state.
            state = (ledger.type, *map(id, (ledger.subscription, ledger.held, ledger.accepted, ledger.refusal)))
            if state not in told:
                told[state] = _encoded(ledger, contents=not request.exclude_resource_contents)
            size_bytes += len(told[state])
            if size_bytes > bytes_max:
                raise AnswerTooLargeError(
                    f"The status of these nodes has more than {bytes_max} bytes. "
                    "Ask for one of them by node_matchers, or set exclude_resource_contents."
                )
            config.MergeFromString(told[state])
    encoded: bytes = response.SerializeToString()
    return encoded


def _encoded(ledger: Ledger, *, contents: bool) -> bytes:
    """What a stream in this state adds to its client's part of the answer."""
    part = wire.ClientConfig(generic_xds_configs=_resources(ledger, contents=contents))
    encoded: bytes = part.SerializeToString()
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
