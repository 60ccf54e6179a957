import pytest
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint

from xds.errors import ResourceError
from xds.resources import ClusterEndpoints, Endpoint, Health, VersionEndpoints


def decoded(value):
    return endpoint.ClusterLoadAssignment.parse(value.resource().body)


def test_each_version_is_a_locality_so_that_load_is_counted_by_version():
    old = VersionEndpoints("1.2.3", (Endpoint("10.0.0.1", 80), Endpoint("::1", 81)))
    new = VersionEndpoints("1.3.0", (Endpoint("10.0.0.2", 80, Health.DRAINING),))
    message = decoded(ClusterEndpoints("a/stable", (old, new)))
    assert message.cluster_name == "a/stable"
    assert [(locality.locality.sub_zone, locality.load_balancing_weight) for locality in message.endpoints] == [
        ("1.2.3", 1),
        ("1.3.0", 1),
    ]
    [first, second] = message.endpoints[0].lb_endpoints
    assert first.endpoint.address.socket_address.address == "10.0.0.1"
    assert second.endpoint.address.socket_address.port_value == 81
    assert message.endpoints[1].lb_endpoints[0].health_status == core.HealthStatus.DRAINING


def test_each_endpoint_names_its_version_for_access_logs():
    old, new = (VersionEndpoints(name, (Endpoint(f"10.0.0.{name}", 80),)) for name in "12")
    message = decoded(ClusterEndpoints("a/stable", (old, new)))
    named = [entry.metadata.filter_metadata["turnout"] for part in message.endpoints for entry in part.lb_endpoints]
    assert [value.fields["version"].string_value for value in named] == ["1", "2"]


def test_endpoints_go_stale_only_when_told_to():
    version = VersionEndpoints("1", (Endpoint("10.0.0.1", 80),))
    assert decoded(ClusterEndpoints("a", (version,))).policy is None
    assert decoded(ClusterEndpoints("a", (version,), 2.5)).policy.endpoint_stale_after.total_seconds() == 2.5


def test_a_version_without_endpoints_is_no_locality():
    assert decoded(ClusterEndpoints("a", (VersionEndpoints("1", ()),))).endpoints == []


def test_an_equal_value_is_encoded_once():
    assert ClusterEndpoints("same", ()).resource() is ClusterEndpoints("same", ()).resource()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Endpoint("agents.example.com", 80),
        lambda: Endpoint("10.0.0.1", 0),
        lambda: Endpoint("10.0.0.1", 65_536),
        lambda: ClusterEndpoints("a", (), 0).resource(),
    ],
)
def test_what_envoy_would_refuse_is_refused_here(make):
    with pytest.raises(ResourceError):
        make()
