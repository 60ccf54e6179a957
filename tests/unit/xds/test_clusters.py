import pytest
from envoy_data_plane.envoy.config.cluster import v3 as cluster

from xds.errors import ResourceError
from xds.resources import Cluster, FallbackCluster, ResourceType


def decoded(value):
    return cluster.Cluster.parse(value.resource().body)


def options(value):
    [protocol] = decoded(value).typed_extension_protocol_options.values()
    return protocol.unpack().explicit_http_config


def test_a_cluster_discovers_its_endpoints_on_the_same_stream():
    message = decoded(Cluster("a/stable", connect_timeout_s=0.25))
    assert message.type == cluster.ClusterDiscoveryType.EDS
    assert message.eds_cluster_config.eds_config.ads is not None
    assert message.connect_timeout.total_seconds() == 0.25
    assert Cluster("a/stable").resource().references == {(ResourceType.ENDPOINTS, "a/stable")}


def test_a_drained_endpoint_is_not_used_for_want_of_others():
    threshold = decoded(Cluster("a")).common_lb_config.healthy_panic_threshold
    assert threshold is not None, "Envoy's default sends requests to draining endpoints"
    assert threshold.value == 0


def test_outcomes_are_reported_in_trailers_too():
    assert decoded(Cluster("a")).lrs_report_endpoint_metrics == ["named_metrics.*"]
    assert options(Cluster("a")).http_protocol_options.enable_trailers
    assert options(Cluster("a", http2=True)).http2_protocol_options is not None


def test_only_grpcs_own_client_is_asked_to_report_by_the_cluster():
    assert decoded(Cluster("a")).lrs_server is None
    assert decoded(Cluster("a", report_load=True)).lrs_server.self is not None


def test_a_fallback_cluster_names_its_members_in_order():
    value = FallbackCluster("slot", ("a/candidate", "a/stable"))
    message = decoded(value)
    assert message.cluster_type.name == "envoy.clusters.aggregate"
    assert message.cluster_type.typed_config.unpack().clusters == ["a/candidate", "a/stable"]
    assert message.lb_policy == cluster.ClusterLbPolicy.CLUSTER_PROVIDED
    assert value.resource().references == {
        (ResourceType.CLUSTER, "a/candidate"),
        (ResourceType.CLUSTER, "a/stable"),
    }


def test_an_equal_value_is_encoded_once():
    assert Cluster("same").resource() is Cluster("same").resource()


@pytest.mark.parametrize(
    "value", [Cluster("a", connect_timeout_s=0), FallbackCluster("a", ()), FallbackCluster("a", ("b",), -1.0)]
)
def test_what_envoy_would_refuse_is_refused_here(value):
    with pytest.raises(ResourceError):
        value.resource()
