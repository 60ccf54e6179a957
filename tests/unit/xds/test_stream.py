"""A stream as a member of its group: who it is, what it confirms, what it costs."""

import pytest

from tests.unit.xds.playbook import (
    CDS,
    DELTA,
    EDS,
    GROUP,
    LDS,
    RDS,
    SOTW,
    World,
    agent,
    cluster,
    endpoints,
    listener,
    routes,
)
from xds import wire_pb2 as wire
from xds.errors import MalformedRequestError
from xds.stream import NAMES_MAX, AdsStream


@pytest.fixture
def world():
    return World()


def test_14_the_node_is_told_once(world):
    client = world.client(node_id="envoy-7")
    client.asks(CDS)
    client.asks(LDS)
    assert client.stream.node.id == "envoy-7"
    assert client.stream.group.name == GROUP


@pytest.mark.parametrize("mode", [SOTW, DELTA])
def test_a_first_request_without_a_node_is_malformed(world, mode):
    stream = AdsStream(mode, world.cache, world.roster, world.counters)
    with pytest.raises(MalformedRequestError, match=r"node\.id"):
        stream.receive(wire.DiscoveryRequest(version_info="1").SerializeToString() if mode is SOTW else b"", 0.0)
    assert world.roster.groups() == ()


@pytest.mark.parametrize("mode", [SOTW, DELTA])
@pytest.mark.parametrize("data", [b"\xff", b"GET / HTTP/1.1\r\n", b"\x22\xff\xff\xff\x0f", bytes(range(256))])
def test_garbage_is_malformed_and_changes_nothing(world, mode, data):
    stream = AdsStream(mode, world.cache, world.roster, world.counters)
    with pytest.raises(MalformedRequestError):
        stream.receive(data, 0.0)
    assert world.roster.groups() == ()


def test_asking_for_too_much_is_malformed(world):
    client = world.client(DELTA)
    client.subscribes(EDS, *(f"a{i}" for i in range(NAMES_MAX)))
    with pytest.raises(MalformedRequestError, match="names of eds"):
        client.subscribes(EDS, "one more")
    boaster = world.client(DELTA)
    with pytest.raises(MalformedRequestError, match="eds resources are claimed"):
        boaster.subscribes(EDS, "*", versions={f"a{i}": "1" for i in range(NAMES_MAX + 1)})


def test_20_two_streams_of_one_node_are_both_served_and_do_not_touch_each_other(world):
    world.serve(*agent("a"))
    first, second = world.client(), world.client()
    for client in (first, second):
        client.asks(CDS)
        client.takes(CDS, "a")
    first.stream.close(1.0)
    world.serve(*agent("b"))
    second.takes(CDS, "b")
    [node] = world.roster.nodes(GROUP, 1.0)
    assert (node.id, node.streams) == ("envoy-1", 1)


def test_a_response_is_encoded_once_for_all_streams_in_the_same_state(world):
    world.serve(*agent("a"))
    clients = [world.client(node_id=f"envoy-{i}") for i in range(5)]
    for client in clients:
        client.asks(CDS)
    responses = {id(client.stream.pull(0.0)) for client in clients}
    assert len(responses) == 1, "the same response was encoded more than once"


def test_streams_that_took_the_same_steps_stay_one_case(world):
    world.serve(*agent("a"), *agent("b"), routes("table", to=["a"]))
    clients = [world.client(node_id=f"envoy-{i}") for i in range(3)]
    for client in clients:
        client.asks(CDS)
        client.takes(CDS, "a", "b")
        client.asks(EDS, "a", "b")
        client.takes(EDS, "a", "b")
    world.serve(cluster("a", "2"), endpoints("a"), *agent("b"), routes("table", to=["a"]))
    assert len({id(client.stream.pull(0.0)) for client in clients}) == 1
    assert len({id(client.stream.pull(0.0)) for client in clients}) == 1, "endpoints that follow were encoded apart"


def test_a_node_has_confirmed_when_it_took_all_that_it_cannot_do_without(world):
    generation = world.serve(*agent("a"), listener("l"), routes("table", to=["a"]))
    client = world.client()

    def confirmed():
        client.hears_nothing()
        return world.roster.confirmation(GROUP, generation, 0.0).is_confirmed

    client.asks(CDS)
    client.takes(CDS, "a")
    assert not confirmed(), "a cluster without endpoints was taken for confirmed"
    client.asks(EDS, "a")
    client.hears(EDS, "a")
    assert not confirmed(), "sent was taken for confirmed"
    client.acks(EDS, "a")
    client.asks(LDS)
    client.takes(LDS, "l")
    assert not confirmed(), "a listener without its table was taken for confirmed"
    client.asks(RDS, "table")
    client.hears(RDS, "table")
    assert not confirmed(), "sent was taken for confirmed"
    client.acks(RDS, "table")
    assert confirmed()


def test_a_refusal_stands_until_what_was_refused_is_replaced(world):
    client = world.client()
    client.asks(EDS, "a", "b")
    generation = world.serve(endpoints("a", "bad"), endpoints("b"))
    client.hears(EDS, "a", "b")
    client.nacks(EDS, "a", "b", error="a is bad")
    client.hears_nothing()
    [refusal] = world.roster.confirmation(GROUP, generation, 0.0).refusals
    assert refusal.error == "a is bad"

    generation = world.serve(endpoints("a", "good"), endpoints("b"))
    assert world.roster.confirmation(GROUP, generation, 0.0).refusals == (), "an old refusal was held against a cure"
    client.takes(EDS, "a", "b")
    client.hears_nothing()
    assert world.roster.confirmation(GROUP, generation, 0.0).is_confirmed


def test_the_time_to_an_ack_is_measured(world):
    world.serve(*agent("a"))
    client = world.client()
    client.asks(CDS)
    client.hears(CDS, "a")
    client.now_s = 0.25
    client.acks(CDS)
    assert world.counters.ack_seconds == {"cds": 0.25}


def test_a_stream_that_never_said_who_it_is_closes_without_a_trace(world):
    AdsStream(SOTW, world.cache, world.roster, world.counters).close(0.0)
    assert not world.counters.streams
