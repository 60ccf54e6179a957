"""Load reports (LRS): what a node says of the requests it has guided, without a transport. Pure.

Counts are deltas since the node's last report; in flight is the number at this moment. A locality with nothing to say
is left out, so absent is 0. Each report repeats the whole node, tens of kilobytes, which is read once per stream.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/load_stats/v3/lrs.proto
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from google.protobuf.message import DecodeError

from xds import wire_pb2 as wire
from xds.envelope import Node, decode_load_stats_node
from xds.errors import MalformedRequestError

INTERVAL_S_MIN = 0.01


@dataclass(frozen=True, slots=True)
class OutcomeSum:
    """One ORCA metric: how many requests told it, and the sum of what they told."""

    requests: int
    total: float


@dataclass(frozen=True, slots=True)
class VersionLoad:
    """What one version of an agent did, in one cluster, since the node's last report.

    Attributes:
        version: the name of the locality, see `endpoints.VersionEndpoints`.
        successes: answered with 2xx, 3xx, 4xx: at the headers, so a stream that breaks later is one too.
        errors: 5xx, reset before headers, time-outs, refused connections. Each retry counts.
        issued: sent; a refused connection is an error that was not issued.
        in_flight: not answered yet, at the moment of the report; streams included.
        outcomes: what the agent itself said, by metric name (`named_metrics.task_failed`).
    """

    version: str
    successes: int
    errors: int
    issued: int
    in_flight: int
    outcomes: Mapping[str, OutcomeSum] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClusterLoad:
    """One cluster: how long the report covers, what was dropped, and each version that has something to say."""

    cluster: str
    interval_s: float
    dropped: int
    versions: tuple[VersionLoad, ...]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """One report of one node."""

    node_id: str
    group: str
    clusters: tuple[ClusterLoad, ...]


class LoadReportStream:
    """One node's stream of load reports.

    The first request introduces the node and reports nothing; the answer says how often to report. When the wanted
    interval changes, `pull` says so in mid-stream.
    """

    def __init__(self) -> None:
        self.node: Node | None = None
        self._interval_told_s: float | None = None

    def receive(self, data: bytes) -> LoadReport | None:
        """Take a request; return its report, None when it has nothing to report.

        Raises:
            MalformedRequestError: the bytes are not a request, or the first one has no node.
        """
        try:
            message = wire.LoadStatsRequest.FromString(data)
        except DecodeError as error:
            raise MalformedRequestError(f"{len(data)} bytes are not a load report.") from error
        if self.node is None:
            self.node = decode_load_stats_node(data)
            if self.node is None or not self.node.id:
                raise MalformedRequestError("The first load report has no node id. Set `node.id` in the bootstrap.")
        if not message.cluster_stats:
            return None
        return LoadReport(self.node.id, self.node.cluster, tuple(_cluster(stats) for stats in message.cluster_stats))

    def pull(self, interval_s: float) -> bytes | None:
        """Return what to tell the node when it does not know yet that it should report this often; else None."""
        if self.node is None or interval_s == self._interval_told_s:
            return None
        self._interval_told_s = interval_s
        message = wire.LoadStatsResponse(send_all_clusters=True)
        message.load_reporting_interval.FromNanoseconds(round(max(interval_s, INTERVAL_S_MIN) * 1e9))
        data: bytes = message.SerializeToString()
        return data


def _cluster(stats: wire.ClusterStats) -> ClusterLoad:
    interval = stats.load_report_interval
    return ClusterLoad(
        cluster=stats.cluster_name,
        interval_s=interval.seconds + interval.nanos / 1e9,
        dropped=stats.total_dropped_requests,
        versions=tuple(_version(locality) for locality in stats.upstream_locality_stats),
    )


def _version(stats: wire.UpstreamLocalityStats) -> VersionLoad:
    outcomes = {
        metric.metric_name: OutcomeSum(metric.num_requests_finished_with_metric, metric.total_metric_value)
        for metric in stats.load_metric_stats
    }
    return VersionLoad(
        version=stats.locality.sub_zone,
        successes=stats.total_successful_requests,
        errors=stats.total_error_requests,
        issued=stats.total_issued_requests,
        in_flight=stats.total_requests_in_progress,
        outcomes=MappingProxyType(outcomes),
    )
