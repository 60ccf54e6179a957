"""Load reports (LRS): what a node says of the requests it has guided, without a transport. Pure.

Counts are deltas since the node's last report; in flight is the number at this moment. A locality with nothing to say
is left out, so absent is 0. Each report repeats the whole node, tens of kilobytes, which is read once per stream.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/load_stats/v3/lrs.proto
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from google.protobuf.message import DecodeError

from xds import wire_pb2 as wire
from xds.envelope import Node, after_node, decode_load_stats_node
from xds.errors import MalformedRequestError

INTERVAL_S_MIN = 0.01


class OutcomeSum(NamedTuple):
    """One ORCA metric: how many requests told it, and the sum of what they told."""

    requests: int
    total: float


NO_OUTCOMES: Mapping[str, OutcomeSum] = MappingProxyType({})


class VersionLoad(NamedTuple):
    """What one version of an agent did, in one cluster, since the node's last report.

    Attributes:
        version: the name of the locality, see `endpoints.VersionEndpoints`.
        successes: answered with 2xx, 3xx, 4xx: at the headers, so a stream that breaks later is one too.
        errors: 5xx, reset before headers, time-outs, refused connections. Each retry counts.
        in_flight: not answered yet, at the moment of the report; streams included.
        outcomes: what the agent itself said, by metric name (`named_metrics.task_failed`).
    """

    version: str
    successes: int
    errors: int
    in_flight: int
    outcomes: Mapping[str, OutcomeSum] = NO_OUTCOMES


class ClusterLoad(NamedTuple):
    """One cluster, and each version that has something to say."""

    cluster: str
    versions: tuple[VersionLoad, ...]


class LoadReport(NamedTuple):
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
            message = wire.LoadStatsRequest.FromString(after_node(data))
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
    return ClusterLoad(stats.cluster_name, tuple([_version(locality) for locality in stats.upstream_locality_stats]))


def _version(stats: wire.UpstreamLocalityStats) -> VersionLoad:
    metrics = stats.load_metric_stats
    return VersionLoad(
        stats.locality.sub_zone,
        stats.total_successful_requests,
        stats.total_error_requests,
        stats.total_requests_in_progress,
        MappingProxyType({metric.metric_name: _outcome(metric) for metric in metrics}) if metrics else NO_OUTCOMES,
    )


def _outcome(metric: wire.EndpointLoadMetricStats) -> OutcomeSum:
    return OutcomeSum(metric.num_requests_finished_with_metric, metric.total_metric_value)
