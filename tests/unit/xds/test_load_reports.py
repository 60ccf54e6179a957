import pytest

from xds import wire_pb2 as wire
from xds.envelope import after_node
from xds.errors import MalformedRequestError
from xds.load_reports import INTERVAL_S_MIN, ClusterLoad, LoadReport, LoadReportStream, OutcomeSum, VersionLoad

HELLO = wire.LoadStatsRequestNode(node=wire.Node(id="one", cluster="edge")).SerializeToString()


def interval_s(data):
    response = wire.LoadStatsResponse.FromString(data)
    assert response.send_all_clusters, "a cluster that is not asked for is not reported"
    return response.load_reporting_interval.ToNanoseconds() / 1e9


def test_the_first_request_introduces_and_the_answer_sets_the_interval_once():
    stream = LoadReportStream()
    assert stream.pull(1.0) is None, "something was said before the node introduced itself"
    assert stream.receive(HELLO) is None
    assert interval_s(stream.pull(1.0)) == 1.0
    assert stream.pull(1.0) is None
    assert interval_s(stream.pull(0.25)) == 0.25, "a changed interval was not told"
    assert stream.pull(0.25) is None


def test_an_interval_of_nothing_is_not_asked_for():
    stream = LoadReportStream()
    stream.receive(HELLO)
    assert interval_s(stream.pull(1e-9)) == INTERVAL_S_MIN


def test_a_report_says_all_that_decides_about_a_version():
    stats = wire.ClusterStats(cluster_name="a/candidate")
    stats.upstream_locality_stats.add(
        locality=wire.Locality(sub_zone="1.3.0"),
        total_successful_requests=10,
        total_error_requests=2,
        total_requests_in_progress=3,
        load_metric_stats=[
            wire.EndpointLoadMetricStats(
                metric_name="named_metrics.task_failed", num_requests_finished_with_metric=9, total_metric_value=2.0
            )
        ],
    )
    stream = LoadReportStream()
    stream.receive(HELLO)
    report = stream.receive(wire.LoadStatsRequest(cluster_stats=[stats]).SerializeToString())
    load = VersionLoad("1.3.0", 10, 2, 3, {"named_metrics.task_failed": OutcomeSum(9, 2.0)})
    assert report == LoadReport("one", "edge", (ClusterLoad("a/candidate", (load,)),))


def test_the_node_is_read_once_per_stream():
    stream = LoadReportStream()
    stream.receive(HELLO)
    other = wire.LoadStatsRequestNode(node=wire.Node(id="another", cluster="elsewhere")).SerializeToString()
    report = stream.receive(other + wire.LoadStatsRequest(cluster_stats=[wire.ClusterStats()]).SerializeToString())
    assert (report.node_id, report.group) == ("one", "edge")


@pytest.mark.parametrize("data", [b"\xff\xff", b"", wire.LoadStatsRequestNode(node=wire.Node()).SerializeToString()])
def test_garbage_and_strangers_are_malformed(data):
    with pytest.raises(MalformedRequestError):
        LoadReportStream().receive(data)


def test_a_node_of_any_length_is_passed_over_and_what_is_not_whole_is_malformed():
    report = wire.LoadStatsRequest(cluster_stats=[wire.ClusterStats(cluster_name="a/stable")]).SerializeToString()
    for length in (0, 100, 127, 128, 61_000, 3_000_000):
        node = wire.LoadStatsRequestNode(node=wire.Node(id="n" * length)).SerializeToString()
        assert after_node(node + report) == report
    assert after_node(report) == report
    for torn in (node[:1], node[:3], node[:-1], b"\x0a" + b"\xff" * 9):
        assert after_node(torn) == torn, "the parser does not see that the bytes are torn"
        stream = LoadReportStream()
        stream.receive(HELLO)
        with pytest.raises(MalformedRequestError):
            stream.receive(torn)
