import pytest
from envoy_data_plane.envoy.config.listener import v3 as listener

from xds.errors import ResourceError
from xds.resources import ApiListener, Listener, ResourceType


def decoded(value):
    return listener.Listener.parse(value.resource().body)


def manager(value):
    [chain] = decoded(value).filter_chains
    [only] = chain.filters
    return only.typed_config.unpack()


def test_a_listener_takes_its_table_from_the_same_stream():
    value = Listener("edge", "127.0.0.1", 10_000, "table")
    assert decoded(value).address.socket_address.port_value == 10_000
    assert manager(value).rds.route_config_name == "table"
    assert manager(value).rds.config_source.ads is not None
    names = [entry.name for entry in manager(value).http_filters]
    assert names == ["envoy.filters.http.header_mutation", "envoy.filters.http.router"], "the router stands last"
    assert value.resource().references == {(ResourceType.ROUTES, "table")}


def test_an_agent_that_thinks_for_long_is_not_cut_off():
    assert manager(Listener("edge", "127.0.0.1", 1, "t")).stream_idle_timeout.total_seconds() == 3600
    never = Listener("edge", "127.0.0.1", 1, "t", stream_idle_timeout_s=0)
    assert manager(never).stream_idle_timeout is not None, "Envoy's default of five minutes applies"


def test_an_edge_trusts_no_dots_and_no_forwarded_address():
    assert manager(Listener("edge", "127.0.0.1", 1, "t")).normalize_path
    assert manager(Listener("edge", "127.0.0.1", 1, "t")).use_remote_address


def test_an_api_listener_has_no_address():
    value = ApiListener("agents", "table")
    assert decoded(value).address is None
    assert decoded(value).api_listener.api_listener.unpack().rds.route_config_name == "table"
    assert value.resource().references == {(ResourceType.ROUTES, "table")}


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(ResourceError):
        Listener("edge", "127.0.0.1", port, "t")
