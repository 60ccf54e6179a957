import pytest

from tests.unit.xds.playbook import CDS, EDS, World, agent, cluster, endpoints
from xds import client_status as client_status_module
from xds import wire_pb2 as wire
from xds.client_status import client_status
from xds.errors import AnswerTooLargeError, MalformedRequestError

BYTES_MAX = 1_000_000


@pytest.fixture
def client():
    world = World()
    world.serve(*agent("a"), endpoints("b", "bad"))
    client = world.client(node_id="one")
    client.asks(CDS)
    client.takes(CDS, "a")
    client.asks(EDS, "a")
    client.takes(EDS, "a")
    client.acks(EDS, "a", "b", "missing")
    client.hears(EDS, "b")
    return client


def ask(client, **request):
    data = client_status(wire.ClientStatusRequest(**request).SerializeToString(), [client.stream], BYTES_MAX)
    return list(wire.ClientStatusResponse.FromString(data).config)


def states(config):
    return {(c.type_url, c.name): (c.config_status, c.client_status) for c in config.generic_xds_configs}


def test_each_resource_is_told_with_what_the_client_did_with_it(client):
    [config] = ask(client)
    assert (config.node.id, config.node.cluster) == ("one", "edge")
    assert states(config) == {
        (CDS.url, "a"): (wire.SYNCED, wire.ACKED),
        (EDS.url, "a"): (wire.SYNCED, wire.ACKED),
        (EDS.url, "b"): (wire.STALE, wire.REQUESTED),
        (EDS.url, "missing"): (wire.NOT_SENT, wire.DOES_NOT_EXIST),
    }
    client.nacks(EDS, "a", "b", "missing", error="b is bad")
    [config] = ask(client)
    assert states(config)[EDS.url, "b"] == (wire.ERROR, wire.NACKED)
    [refused] = [c for c in config.generic_xds_configs if c.name == "b"]
    assert refused.error_state.details == "b is bad"


def test_contents_come_unless_they_are_not_wanted(client):
    [config] = ask(client)
    assert config.generic_xds_configs[0].xds_config.value == cluster("a").body
    [config] = ask(client, exclude_resource_contents=True)
    assert not config.generic_xds_configs[0].HasField("xds_config")


@pytest.mark.parametrize(
    ("matcher", "matches"),
    [
        ({"exact": "one"}, True),
        ({"exact": "two"}, False),
        ({"prefix": "on"}, True),
        ({"prefix": "tw"}, False),
        ({}, True),
    ],
)
def test_a_node_is_found_by_its_id(client, matcher, matches):
    matchers = [wire.NodeMatcher(node_id=wire.StringMatcher(**matcher))]
    assert bool(ask(client, node_matchers=matchers)) is matches


def test_garbage_is_malformed(client):
    with pytest.raises(MalformedRequestError):
        client_status(b"\xff", [client.stream], BYTES_MAX)


def fleet(count):
    world = World()
    names = [f"agent-{number}" for number in range(20)]
    world.serve(*(resource for name in names for resource in agent(name)))
    clients = [world.client(node_id=f"node-{number}") for number in range(count)]
    for each in clients:
        each.asks(CDS)
        each.takes(CDS, *names)
    return [each.stream for each in clients]


def test_what_nodes_in_the_same_state_have_in_common_is_encoded_once(monkeypatch):
    encoded = []
    real = client_status_module._encoded
    monkeypatch.setattr(
        client_status_module, "_encoded", lambda ledger, **options: encoded.append(1) or real(ledger, **options)
    )
    answer = wire.ClientStatusResponse.FromString(client_status(b"", fleet(50), BYTES_MAX))
    assert [(config.node.id, len(config.generic_xds_configs)) for config in answer.config] == [
        (f"node-{number}", 20) for number in range(50)
    ]
    assert len(encoded) == 1, "who asks about a thousand nodes would hold up their next push"


def test_an_answer_that_is_too_large_is_refused_and_says_how_to_ask_for_less():
    streams = fleet(50)
    with pytest.raises(AnswerTooLargeError, match="node_matchers"):
        client_status(b"", streams, 50_000)
    one = wire.ClientStatusRequest(node_matchers=[wire.NodeMatcher(node_id=wire.StringMatcher(exact="node-7"))])
    assert client_status(one.SerializeToString(), streams, 50_000)
