import pytest
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.type.v3 import SemanticVersion

from tests.unit.xds.playbook import CDS, DELTA, SOTW, cluster
from xds import wire_pb2 as wire
from xds.envelope import (
    ERROR_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    PROGRAM_CHARACTERS_MAX,
    REQUEST_KEPT_BYTES_MAX,
    Node,
    decode_load_stats_node,
    decode_node,
    decode_request,
    encode_response,
)
from xds.errors import MalformedRequestError
from xds.subscription import Request

BUILD = core.BuildVersion(version=SemanticVersion(major_number=1, minor_number=38))


def test_a_request_of_each_variant_becomes_one_kind_of_value():
    error = wire.Status(code=3, message="bad")
    sotw = wire.DiscoveryRequest(
        type_url="t", resource_names=["a", "a", "b"], response_nonce="7", version_info="1", error_detail=error
    )
    assert decode_request(SOTW, sotw.SerializeToString()) == Request("t", nonce="7", error="bad", names=frozenset("ab"))
    delta = wire.DeltaDiscoveryRequest(
        type_url="t",
        resource_names_subscribe=["a"],
        resource_names_unsubscribe=["b"],
        initial_resource_versions={"c": "1"},
        response_nonce="7",
    )
    assert decode_request(DELTA, delta.SerializeToString()) == Request(
        "t", nonce="7", subscribe=frozenset("a"), unsubscribe=frozenset("b"), versions={"c": "1"}
    )


def test_equal_bytes_are_decoded_once():
    data = wire.DiscoveryRequest(type_url="t", response_nonce="7").SerializeToString()
    assert decode_request(SOTW, data) is decode_request(SOTW, bytes(bytearray(data)))


def test_large_requests_are_not_kept():
    data = wire.DiscoveryRequest(type_url="t", resource_names=["x" * REQUEST_KEPT_BYTES_MAX]).SerializeToString()
    assert decode_request(SOTW, data) is not decode_request(SOTW, data)


def test_an_error_without_words_is_still_an_error_and_a_long_one_is_cut():
    silent = wire.DiscoveryRequest(error_detail=wire.Status(code=13)).SerializeToString()
    assert decode_request(SOTW, silent).error == "status 13 without a message"
    long = wire.DiscoveryRequest(error_detail=wire.Status(message="x" * 100_000)).SerializeToString()
    assert decode_request(SOTW, long).error == "x" * ERROR_CHARACTERS_MAX


def test_the_node_is_read_where_each_message_has_it():
    node = wire.Node(id="one", cluster="edge")
    assert decode_node(SOTW, wire.DiscoveryRequestNode(node=node).SerializeToString()) == Node("one", "edge")
    assert decode_node(DELTA, wire.DeltaDiscoveryRequestNode(node=node).SerializeToString()) == Node("one", "edge")
    assert decode_load_stats_node(wire.LoadStatsRequestNode(node=node).SerializeToString()) == Node("one", "edge")
    assert decode_node(SOTW, b"") is None


@pytest.mark.parametrize(
    ("facts", "program"),
    [
        ({}, ""),
        ({"user_agent_name": "envoy"}, "Envoy"),
        ({"user_agent_name": "envoy", "user_agent_build_version": BUILD}, "Envoy 1.38.0"),
        ({"user_agent_name": "gRPC", "user_agent_version": "51.0.0"}, "gRPC 51.0.0"),
        ({"user_agent_name": "x" * 1_000_000}, "x" * PROGRAM_CHARACTERS_MAX),
        ({"user_agent_version": "1.0"}, ""),
    ],
)
def test_what_program_a_node_is_is_read_with_it(facts, program):
    theirs = bytes(core.Node(id="one", cluster="edge", **facts))
    hello = wire.DiscoveryRequestNode(node=wire.Node.FromString(theirs)).SerializeToString()
    assert decode_node(SOTW, hello) == Node("one", "edge", program), "nobody sees which Envoys are still to be upgraded"


def test_a_node_that_is_too_long_is_malformed():
    node = wire.Node(id="x" * (NAME_CHARACTERS_MAX + 1))
    with pytest.raises(MalformedRequestError):
        decode_node(SOTW, wire.DiscoveryRequestNode(node=node).SerializeToString())


def test_a_response_holds_the_resources_bytes_as_they_are():
    resource = cluster("a")
    sotw = wire.DiscoveryResponse.FromString(encode_response(SOTW, CDS, "v", "n", [resource], []))
    assert [(r.type_url, r.value) for r in sotw.resources] == [(CDS.url, resource.body)]
    assert (sotw.version_info, sotw.nonce, sotw.type_url) == ("v", "n", CDS.url)
    delta = wire.DeltaDiscoveryResponse.FromString(encode_response(DELTA, CDS, "v", "n", [resource], ["gone"]))
    [entry] = delta.resources
    assert (entry.name, entry.version, entry.resource.value) == ("a", resource.version, resource.body)
    assert list(delta.removed_resources) == ["gone"]
