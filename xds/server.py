"""The server: the only place that knows gRPC. It carries bytes between subscribers and the pure parts.

Each stream has a line of its own (`xds.line`). A subscriber that stalls delays nobody else.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import grpc
import grpc.aio

from xds.access_logs import AccessLog, AccessLogStream
from xds.acks import Refusal
from xds.cache import Cache, Group
from xds.client_status import client_status
from xds.counters import Counters
from xds.envelope import Node
from xds.errors import AnswerTooLargeError, ListenError, XdsError
from xds.limits import Limits
from xds.line import Line, Wave
from xds.load_reports import LoadReport, LoadReportStream
from xds.rate import TokenBucket
from xds.roster import Confirmation, Connected, NodeStatus, Roster
from xds.stream import AdsStream, Meter
from xds.subscription import Mode

logger = logging.getLogger(__name__)

WARNED_MAX = 1_024
LOAD_REPORT_INTERVAL_S = 1.0

LOAD_REPORTS, ACCESS_LOG, CLIENT_STATUS = "load report stream", "access log stream", "client status"
"""What the log calls streams that are not discovery's."""

Context = grpc.aio.ServicerContext[bytes, bytes]
EOF = getattr(grpc.aio, "EOF")  # noqa: B009 -- grpc-stubs leaves it out


class XdsServer:
    """Serves snapshots to the groups' nodes, and takes their load reports.

    Attributes:
        port: that it listens on, once started.
        cache: where a snapshot is set for a group. A group without one is not served: its streams are held.
    """

    def __init__(
        self,
        listen: str,
        *,
        limits: Limits | None = None,
        meter: Meter | None = None,
        on_load_report: Callable[[LoadReport], None] | None = None,
        on_access_log: Callable[[AccessLog], None] | None = None,
        credentials: grpc.ServerCredentials | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare a server; nothing is opened before `start`.

        Args:
            listen: `HOST:PORT`; port 0 takes a free one.
            limits: what subscribers may ask; None is the defaults.
            meter: told what happens; None counts into a `Counters`.
            on_load_report: called with each load report. It must not raise.
            on_access_log: called with each message of access logs. It must not raise.
            credentials: for TLS; None is plain text.
            now_s: a clock that never goes back.
        """
        self.port = 0
        self.cache = Cache()
        self._listen = listen
        self._limits = limits or Limits()
        self._meter = meter if meter is not None else Counters()
        self._on_load_report = on_load_report or _ignore
        self._on_access_log = on_access_log or _ignore
        self._credentials = credentials
        self._now_s = now_s
        self._roster = Roster(rejoin_grace_s=self._limits.rejoin_grace_s)
        self._server: grpc.aio.Server | None = None
        self._stopping = False
        self._lines: set[Line] = set()
        self._waves: dict[str, Wave] = {}
        self._streams: set[AdsStream] = set()
        self._warned: set[Node] = set()
        self._load_report_intervals_s: dict[str, float] = {}
        self._status_turns = TokenBucket(self._limits.status_per_s, self._limits.status_burst, now_s())

    async def start(self) -> None:
        """Listen and serve. Raises ListenError when the address cannot be had."""
        server = grpc.aio.server(options=self._limits.channel_options())
        server.add_generic_rpc_handlers(self._handlers())
        try:
            if self._credentials is None:
                self.port = server.add_insecure_port(self._listen)
            else:
                self.port = server.add_secure_port(self._listen, self._credentials)
        except RuntimeError as error:
            raise ListenError(f"Cannot listen on {self._listen} for xDS. Is another program there?") from error
        await server.start()
        self._server = server
        logger.info("xDS is served on port %d", self.port)

    async def stop(self) -> None:
        """End all streams with UNAVAILABLE, which makes subscribers come back later, and stop listening."""
        if self._server is None:
            return
        self._stopping = True
        for line in self._lines:
            line.end()
        server, self._server = self._server, None
        await server.stop(self._limits.stop_grace_s)

    async def confirmed(self, group: str, generation: int, timeout_s: float) -> Confirmation:
        """Wait until every node of a group has taken a generation, until one refuses it, or until the time is up.

        While no node is connected it waits for one. It does not raise on time-out: who is pending is in the answer.
        """
        changed = asyncio.Event()
        ends_s = self._now_s() + timeout_s
        with self._roster.watch(group, generation, changed.set):
            while True:
                now_s = self._now_s()
                confirmation = self._roster.confirmation(group, generation, now_s)
                if confirmation.is_final or now_s >= ends_s:
                    return confirmation
                grace_ends_s = self._roster.grace_ends_s(group, now_s)
                wait_s = (ends_s if grace_ends_s is None else min(ends_s, grace_ends_s)) - now_s
                changed.clear()
                try:
                    async with asyncio.timeout(max(wait_s, 0.0)):
                        await changed.wait()
                except TimeoutError:
                    continue

    def nodes(self, group: str) -> tuple[NodeStatus, ...]:
        """Return the nodes of a group, those that left a moment ago included."""
        return self._roster.nodes(group, self._now_s())

    def behind(self, group: str, generation: int) -> tuple[NodeStatus, ...]:
        """Return the nodes of a group that have not taken a generation or a later one, as `nodes` does."""
        return self._roster.behind(group, generation, self._now_s())

    def connected(self, group: str) -> Connected:
        """Return who of a group is connected: the same object until somebody comes or goes."""
        return self._roster.connected(group)

    def programs(self, group: str) -> tuple[str, ...]:
        """Return what programs of a group are connected, each once: `Envoy 1.38.0`."""
        return self._roster.programs(group)

    def has_left(self, group: str) -> bool:
        """Whether a node of a group has left less than the grace time ago, and may still be serving."""
        return self._roster.has_left(group, self._now_s())

    def held(self) -> tuple[NodeStatus, ...]:
        """Return the nodes that are connected and get nothing, because their group has no snapshot."""
        groups = (name for name in self._roster.groups() if self.cache.snapshot(name) is None)
        return tuple(node for name in groups for node in self.nodes(name) if node.streams)

    def set_load_report_interval(self, group: str, interval_s: float) -> None:
        """Have the nodes of a group report their load this often, from now on; those connected are told."""
        assert interval_s > 0, "an interval lasts"
        self._load_report_intervals_s[group] = interval_s
        for line in self._lines:
            line.wake()

    def _handlers(self) -> "tuple[grpc.GenericRpcHandler[bytes, bytes], ...]":
        # Without serializers gRPC hands over bytes as they are.
        discovery = {
            "StreamAggregatedResources": grpc.stream_stream_rpc_method_handler(
                partial(self._discovery, Mode.STATE_OF_THE_WORLD)
            ),
            "DeltaAggregatedResources": grpc.stream_stream_rpc_method_handler(partial(self._discovery, Mode.DELTA)),
        }
        load_reporting = {"StreamLoadStats": grpc.stream_stream_rpc_method_handler(self._stream_load_stats)}
        access_logs = {"StreamAccessLogs": grpc.stream_unary_rpc_method_handler(self._stream_access_logs)}
        status = {
            "StreamClientStatus": grpc.stream_stream_rpc_method_handler(self._stream_client_status),
            "FetchClientStatus": grpc.unary_unary_rpc_method_handler(self._fetch_client_status),
        }
        return (
            grpc.method_handlers_generic_handler("envoy.service.discovery.v3.AggregatedDiscoveryService", discovery),
            grpc.method_handlers_generic_handler("envoy.service.load_stats.v3.LoadReportingService", load_reporting),
            grpc.method_handlers_generic_handler("envoy.service.accesslog.v3.AccessLogService", access_logs),
            grpc.method_handlers_generic_handler("envoy.service.status.v3.ClientStatusDiscoveryService", status),
        )

    async def _discovery(self, mode: Mode, _requests: AsyncIterator[bytes], context: Context) -> None:
        stream = AdsStream(mode, self.cache, self._roster, self._meter)
        joined: list[Group] = []

        async with self._admitted(context, lambda: stream.node) as line:

            def receive(data: bytes, now_s: float) -> bool:
                refusal = stream.receive(data, now_s)
                if stream.group is not None and not joined:
                    joined.append(stream.group)
                    self._watch(stream.group, line)
                    self._opened(stream, mode, context)
                if refusal is not None:
                    _log_refusal(refusal)
                return not stream.rests()

            self._streams.add(stream)
            try:
                await line.carry(receive, lambda: stream.pull(self._now_s()))
            finally:
                self._streams.discard(stream)
                stream.close(self._now_s())
                for group in joined:
                    self._leave(group, line)

    def _watch(self, group: Group, line: Line) -> None:
        wave = self._waves.setdefault(group.name, Wave())
        wave.lines.add(line)
        group.watchers.add(wave.wake)

    def _leave(self, group: Group, line: Line) -> None:
        wave = self._waves[group.name]
        wave.lines.discard(line)
        if not wave.lines:
            del self._waves[group.name]
            group.watchers.discard(wave.wake)
            self.cache.release(group)

    def _opened(self, stream: AdsStream, mode: Mode, context: Context) -> None:
        node, group = stream.node, stream.group
        assert node is not None, "a stream that has joined has a node"
        assert group is not None, "a stream that has joined has a group"
        logger.info("stream opened %s mode=%s", _who(node, context), mode.value)
        if group.snapshot is None and node not in self._warned:
            if len(self._warned) >= WARNED_MAX:
                self._warned.clear()
            self._warned.add(node)
            logger.warning(
                "%s belongs to no gateway that is served: it is held. "
                "Set its node.cluster to the name of a gateway, or declare that gateway",
                _who(node, context),
            )

    async def _stream_load_stats(self, _requests: AsyncIterator[bytes], context: Context) -> None:
        stream = LoadReportStream()

        def receive(data: bytes, now_s: float) -> bool:
            del now_s
            introduces = stream.node is None
            report = stream.receive(data)
            if introduces:
                logger.info("%s opened %s", LOAD_REPORTS, _who(stream.node, context))
            if report is not None:
                self._on_load_report(report)
            return introduces

        def pull() -> bytes | None:
            group = stream.node.cluster if stream.node else ""
            return stream.pull(self._load_report_intervals_s.get(group, LOAD_REPORT_INTERVAL_S))

        async with self._admitted(context, lambda: stream.node, LOAD_REPORTS) as line:
            await line.carry(receive, pull)

    async def _stream_access_logs(self, _requests: AsyncIterator[bytes], context: Context) -> bytes:
        stream = AccessLogStream()

        def receive(data: bytes, now_s: float) -> bool:
            del now_s
            introduces = stream.node is None
            access_log = stream.receive(data)
            if introduces:
                logger.info("%s opened %s", ACCESS_LOG, _who(stream.node, context))
            self._on_access_log(access_log)
            return False

        streams_max = self._limits.access_log_streams_max
        async with self._admitted(context, lambda: stream.node, ACCESS_LOG, streams_max=streams_max) as line:
            await line.carry(receive, lambda: None)
        return b""

    async def _stream_client_status(self, _requests: AsyncIterator[bytes], context: Context) -> None:
        answers: list[bytes] = []

        def receive(data: bytes, now_s: float) -> bool:
            del now_s
            answers[:] = [self._client_status(data)]  # only the latest question needs an answer
            return True

        async with self._admitted(context, what=CLIENT_STATUS, turns=self._status_turns) as line:
            await line.carry(receive, lambda: answers.pop() if answers else None)

    async def _fetch_client_status(self, request: bytes, context: Context) -> bytes:
        answer = b""
        async with self._admitted(context, what=CLIENT_STATUS, turns=self._status_turns) as line:
            await line.turn()
            try:
                answer = self._client_status(request)
            except XdsError as error:
                line.fault = error
        return answer

    def _client_status(self, request: bytes) -> bytes:
        return client_status(request, self._streams, self._limits.status_bytes_max)

    @asynccontextmanager
    async def _admitted(
        self,
        context: Context,
        node: Callable[[], Node | None] = lambda: None,
        what: str = "stream",
        *,
        streams_max: int | None = None,
        turns: TokenBucket | None = None,
    ) -> AsyncIterator[Line]:
        """Let a stream in when there is room, end it when the server stops, and say why it was ended.

        Args:
            context: of the stream.
            node: who is at its other end, once that is known.
            what: it is called in the log.
            streams_max: with so many open it is not let in, if that is fewer than for others.
            turns: how fast its requests are taken; None is as any stream's.
        """
        await self._turn_away_when_stopping(context)
        if len(self._lines) >= min(self._limits.streams_max, streams_max or self._limits.streams_max):
            logger.warning(
                "%s refused %s: %d are open, which is the limit", what, _who(None, context), len(self._lines)
            )
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Too many streams are open.")
        turns = turns or TokenBucket(self._limits.requests_per_s, self._limits.requests_burst, self._now_s())
        line = Line(context.read, context.write, EOF, turns, self._now_s)
        self._lines.add(line)
        try:
            yield line
        finally:
            self._lines.discard(line)
            if line.fault is not None:
                logger.warning("%s closed %s: %s", what, _who(node(), context), line.fault)
            elif node() is not None:
                logger.info("%s closed %s", what, _who(node(), context))
        await self._turn_away_when_stopping(context)
        if line.fault is not None:
            is_too_large = isinstance(line.fault, AnswerTooLargeError)
            code = grpc.StatusCode.RESOURCE_EXHAUSTED if is_too_large else grpc.StatusCode.INVALID_ARGUMENT
            await context.abort(code, str(line.fault))

    async def _turn_away_when_stopping(self, context: Context) -> None:
        if self._stopping:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "The server is stopping.")


def _who(node: Node | None, context: Context) -> str:
    """For the log: who a subscriber says it is; where that is not known, where it is."""
    return f"node={node.id!r} cluster={node.cluster!r}" if node else f"peer={context.peer()!r}"


def _log_refusal(refusal: Refusal) -> None:
    logger.warning(
        "refused node=%r cluster=%r type=%s generation=%d version=%s: %s",
        refusal.node_id,
        refusal.group,
        refusal.type,
        refusal.generation,
        refusal.version,
        refusal.error,
    )


def _ignore(told: LoadReport | AccessLog) -> None:
    del told
