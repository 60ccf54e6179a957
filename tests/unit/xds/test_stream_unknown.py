"""Endpoints that nobody knows yet: who has some keeps them, who has none waits, and nobody else is held up."""

import pytest

from tests.unit.xds.playbook import CDS, DELTA, EDS, GROUP, LDS, RDS, SOTW, World, agent, cluster, endpoints, routes
from xds.snapshot import Resource

UNKNOWN = Resource.unknown(EDS, "b")


@pytest.fixture
def world():
    return World()


@pytest.fixture(params=[SOTW, DELTA])
def mode(request):
    return request.param


def ask(client, type_, *names):
    if client.mode is SOTW:
        client.asks(type_, *names)
    else:
        client.subscribes(type_, *names)


def is_confirmed(world, generation) -> bool:
    return world.roster.confirmation(GROUP, generation, 0.0).is_confirmed


def test_they_are_not_sent_and_the_rest_is_confirmed(world, mode):
    generation = world.serve(*agent("a"), cluster("b"), UNKNOWN, routes("table", to=["a", "b"]))
    client = world.client(mode)
    ask(client, CDS)
    client.takes(CDS, "a", "b")
    ask(client, EDS, "a", "b")
    client.takes(EDS, "a")
    ask(client, RDS, "table")
    client.takes(RDS, "table")
    client.hears_nothing()
    assert is_confirmed(world, generation), "everybody waits for one agent's endpoints"


def test_they_are_sent_once_they_are_known(world, mode):
    world.serve(*agent("a"), cluster("b"), UNKNOWN)
    client = world.client(mode)
    ask(client, EDS, "a", "b")
    client.takes(EDS, "a")
    generation = world.serve(*agent("a"), *agent("b"))
    client.takes(EDS, "b")
    client.hears_nothing()
    assert is_confirmed(world, generation)


def test_who_has_some_keeps_them(world, mode):
    world.serve(*agent("a"), *agent("b"))
    client = world.client(mode)
    ask(client, CDS)
    client.takes(CDS, "a", "b")
    ask(client, EDS, "a", "b")
    client.takes(EDS, "a", "b")
    generation = world.serve(cluster("a"), endpoints("a", "2"), cluster("b", "2"), UNKNOWN)
    client.takes(CDS, *(["a", "b"] if mode is SOTW else ["b"]))
    assert client.takes(EDS, "a").removed == ()
    client.hears_nothing()
    assert is_confirmed(world, generation)


def test_who_brings_some_from_an_earlier_controller_keeps_them(world):
    generation = world.serve(*agent("a"), cluster("b"), UNKNOWN)
    client = world.client(DELTA)
    client.subscribes(CDS, versions={"a": cluster("a").version, "b": cluster("b").version})
    client.subscribes(EDS, "a", "b", versions={"a": endpoints("a").version, "b": "of an earlier controller"})
    client.hears_nothing()
    assert is_confirmed(world, generation)
    world.serve(*agent("a"), *agent("b"))
    client.takes(EDS, "b")


def test_a_wildcard_does_not_get_them_either(world):
    world.serve(endpoints("a"), UNKNOWN)
    client = world.client(DELTA)
    client.subscribes(EDS, "*")
    client.takes(EDS, "a")
    client.hears_nothing()


@pytest.mark.parametrize("type_", [CDS, LDS])
def test_what_a_client_would_drop_cannot_be_unknown(type_):
    with pytest.raises(AssertionError, match="would drop"):
        Resource.unknown(type_, "a")
