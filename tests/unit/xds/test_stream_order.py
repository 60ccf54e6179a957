"""Make before break: at no moment does a client have something that refers to what it does not have."""

import pytest

from tests.unit.xds.playbook import (
    CDS,
    DELTA,
    EDS,
    LDS,
    RDS,
    SOTW,
    World,
    agent,
    aggregate,
    cluster,
    endpoints,
    listener,
    routes,
)


@pytest.fixture
def world():
    return World()


@pytest.fixture(params=[SOTW, DELTA])
def mode(request):
    return request.param


def settled(world, mode, *clusters):
    """A client at rest with these clusters, a listener and a table that guides to all of them."""
    world.serve(*(r for name in clusters for r in agent(name)), listener("l"), routes("table", to=clusters))
    client = world.client(mode)
    ask(client, CDS)
    client.takes(CDS, *clusters)
    ask(client, EDS, *clusters)
    client.takes(EDS, *clusters)
    ask(client, LDS)
    client.takes(LDS, "l")
    ask(client, RDS, "table")
    client.takes(RDS, "table")
    client.hears_nothing()
    return client


def ask(client, type_, *names):
    if client.mode is SOTW:
        client.asks(type_, *names)
    else:
        client.subscribes(type_, *names)


def ask_more(client, type_, *names):
    """Ask for all of these, some of which were asked for before."""
    if client.mode is SOTW:
        client.acks(type_, *names)
    else:
        asked = next(ledger for ledger in client.stream.ledgers() if ledger.type is type_).subscription.names
        client.subscribes(type_, *(name for name in names if name not in asked))


def test_18_one_change_of_everything_goes_clusters_endpoints_listeners_routes(world):
    client = settled(world, SOTW, "a")
    world.serve(cluster("a", "2"), endpoints("a", "2"), listener("l", "2"), routes("table", "2", to=["a"]))
    client.hears(CDS, "a")
    client.hears(EDS, "a")
    client.hears(LDS, "l")
    client.hears(RDS, "table")
    client.hears_nothing()


def test_19_a_changed_cluster_gets_its_unchanged_endpoints_again(world, mode):
    client = settled(world, mode, "a", "b")
    world.serve(cluster("a", "2"), endpoints("a"), *agent("b"), listener("l"), routes("table", to=["a", "b"]))
    client.takes(CDS, *(["a", "b"] if mode is SOTW else ["a"]))
    client.takes(EDS, "a")
    client.hears_nothing()


def test_19_envoy_asks_again_with_the_same_nonce_and_gets_its_endpoints(world):
    client = settled(world, SOTW, "a")
    world.serve(cluster("a", "2"), endpoints("a"), listener("l"), routes("table", to=["a"]))
    client.hears(CDS, "a")
    # What it asks again looks like an ACK of the endpoints that it has.
    client.acks(EDS, "a")
    client.hears(EDS, "a")


def test_19_a_changed_listener_gets_its_unchanged_table_again(world, mode):
    client = settled(world, mode, "a")
    world.serve(*agent("a"), listener("l", "2"), routes("table", to=["a"]))
    client.takes(LDS, "l")
    client.takes(RDS, "table")
    client.hears_nothing()


def test_a_table_waits_until_its_new_cluster_was_taken(world, mode):
    client = settled(world, mode, "a")
    world.serve(*agent("a"), *agent("b"), listener("l"), routes("table", to=["a", "b"]))
    client.hears(CDS, *(["a", "b"] if mode is SOTW else ["b"]))
    client.hears_nothing()
    ask_more(client, EDS, "a", "b")
    client.takes(EDS, "b")
    client.hears_nothing()
    client.acks(CDS)
    client.takes(RDS, "table")
    client.hears_nothing()


def test_a_rollback_does_not_wait_for_a_cluster_that_is_still_warming(world, mode):
    client = settled(world, mode, "a")
    world.serve(*agent("a"), *agent("b"), listener("l"), routes("table", "split", to=["a", "b"]))
    client.hears(CDS, *(["a", "b"] if mode is SOTW else ["b"]))
    client.hears_nothing()
    world.serve(*agent("a"), *agent("b"), listener("l"), routes("table", "back", to=["a"]))
    client.takes(RDS, "table")


def test_a_table_that_refers_to_a_refused_cluster_is_not_sent(world, mode):
    client = settled(world, mode, "a")
    world.serve(*agent("a"), *agent("b"), listener("l"), routes("table", to=["a", "b"]))
    client.hears(CDS, *(["a", "b"] if mode is SOTW else ["b"]))
    client.nacks(CDS, error="b is bad")
    client.hears_nothing()
    world.serve(*agent("a"), *agent("c"), listener("l"), routes("table", to=["a", "c"]))
    client.takes(CDS, *(["a", "c"] if mode is SOTW else ["c"]))
    ask_more(client, EDS, "a", "c")
    client.takes(EDS, *(["a", "c"] if mode is SOTW else ["c"]))
    client.takes(RDS, "table")


def test_a_table_waits_for_a_cluster_that_is_being_taken_away_and_comes_back(world, mode):
    world.serve(*agent("c"), routes("table", to=["c"]))
    client = world.client(mode)
    ask(client, CDS)
    client.takes(CDS, "c")
    world.serve(*agent("a"), routes("table", to=["a"]))
    client.hears(CDS, "a")
    world.serve(*agent("c"), routes("table", to=["c"]))
    ask(client, RDS, "table")
    client.hears_nothing()
    client.acks(CDS)
    client.takes(CDS, "c")
    client.takes(RDS, "table")


def test_a_table_that_is_to_be_sent_again_is_still_in_use_until_then(world, mode):
    client = settled(world, mode, "b")
    # The changed listener has the table supplied again, and the table has to wait for its new cluster.
    world.serve(*agent("a"), listener("l", "2"), routes("table", "2", to=["a"]))
    heard = client.hears(CDS, *(["a", "b"] if mode is SOTW else ["a"]))
    assert not heard.removed
    client.takes(LDS, "l")
    client.hears_nothing()
    client.acks(CDS)
    ask_more(client, EDS, "a")
    client.takes(EDS, "a")
    client.takes(RDS, "table")
    heard = client.takes(CDS, *(["a"] if mode is SOTW else []))
    assert mode is SOTW or heard.removed == ("b",), "the table in use lost its cluster before its successor came"


def test_a_cluster_goes_only_after_the_table_that_used_it(world, mode):
    client = settled(world, mode, "a", "b")
    world.serve(*agent("a"), listener("l"), routes("table", to=["a"]))
    client.hears(RDS, "table")
    client.hears_nothing()
    client.acks(RDS, "table")
    heard = client.takes(CDS, *(["a"] if mode is SOTW else []))
    assert mode is SOTW or heard.removed == ("b",)
    if mode is DELTA:
        assert client.takes(EDS).removed == ("b",), "endpoints of a removed cluster were left behind"
    client.hears_nothing()


def test_one_cluster_replaces_another_without_a_gap(world, mode):
    client = settled(world, mode, "a", "old")
    world.serve(*agent("a"), *agent("new"), listener("l"), routes("table", to=["a", "new"]))
    heard = client.takes(CDS, *(["a", "old", "new"] if mode is SOTW else ["new"]))
    assert not heard.removed, "the old cluster was removed while the table still guides to it"
    both = heard.version
    ask_more(client, EDS, "a", "old", "new")
    client.takes(EDS, "new")
    client.takes(RDS, "table")
    heard = client.takes(CDS, *(["a", "new"] if mode is SOTW else []))
    assert mode is SOTW or heard.removed == ("old",)
    assert heard.version != both, "two different sets were given one version"


def test_a_cluster_stays_when_the_table_that_no_longer_uses_it_is_refused(world, mode):
    client = settled(world, mode, "a", "b")
    world.serve(*agent("a"), listener("l"), routes("table", to=["a"]))
    client.hears(RDS, "table")
    client.nacks(RDS, "table", error="bad regex")
    client.hears_nothing()


def test_a_cluster_made_of_others_keeps_them(world, mode):
    slot = aggregate("slot", "a", "b")
    world.serve(slot, *agent("a"), *agent("b"), *agent("c"), routes("table", to=["slot", "c"]))
    client = world.client(mode)
    ask(client, CDS)
    client.takes(CDS, "a", "b", "c", "slot")
    ask(client, RDS, "table")
    client.takes(RDS, "table")
    world.serve(*agent("c"), routes("table", to=["c"]))
    client.takes(RDS, "table")
    heard = client.takes(CDS, *(["c"] if mode is SOTW else []))
    assert mode is SOTW or sorted(heard.removed) == ["a", "b", "slot"]


def test_grpc_that_asks_for_clusters_by_name_gets_its_table_first(world):
    world.serve(*agent("a"), listener("agents"), routes("table", to=["a"]))
    client = world.client()
    client.asks(LDS, "agents")
    client.takes(LDS, "agents")
    client.asks(RDS, "table")
    client.takes(RDS, "table")
    client.asks(CDS, "a")
    client.takes(CDS, "a")
    client.asks(EDS, "a")
    client.takes(EDS, "a")
    client.hears_nothing()


def test_refreshed_endpoints_are_sent_again_unless_they_were_refused(world, mode):
    world.serve(endpoints("a"), endpoints("b"))
    client = world.client(mode)
    ask(client, EDS, "a", "b")
    client.takes(EDS, "a", "b")
    world.serve(endpoints("a").refreshed(1), endpoints("b"))
    client.takes(EDS, "a")
    world.serve(endpoints("a", "bad"), endpoints("b"))
    client.hears(EDS, "a")
    client.nacks(EDS, "a", "b")
    world.serve(endpoints("a", "bad").refreshed(2), endpoints("b").refreshed(2))
    client.takes(EDS, "b")
    client.hears_nothing()


def test_what_was_refused_along_with_something_bad_comes_again_with_the_cure(world, mode):
    world.serve(endpoints("a"), endpoints("b"), endpoints("c"))
    client = world.client(mode)
    ask(client, EDS, "a", "b", "c")
    client.takes(EDS, "a", "b", "c")
    world.serve(endpoints("a", "good"), endpoints("b", "bad"), endpoints("c"))
    client.hears(EDS, "a", "b")
    client.nacks(EDS, "a", "b", "c")
    world.serve(endpoints("a", "good"), endpoints("b", "bad"), endpoints("c", "2"))
    client.takes(EDS, "c")
    client.hears_nothing()
    world.serve(endpoints("a", "good"), endpoints("b", "mended"), endpoints("c", "2"))
    client.takes(EDS, "a", "b")
    client.hears_nothing()


def test_a_cluster_goes_as_soon_as_its_table_is_given_up_and_nothing_else_happens(world):
    world.serve(*agent("a"), *agent("b"), listener("l", routes="x"), listener("m", routes="y"), *tables("x", "y"))
    client = world.client(DELTA)
    for type_, names in ((CDS, ("a", "b")), (EDS, ("a", "b")), (LDS, ("l", "m")), (RDS, ("x", "y"))):
        client.subscribes(type_, *(() if type_ in {CDS, LDS} else names))
        client.takes(type_, *names)
    world.serve(*agent("a"), listener("l", routes="x"), routes("x", "2", to=["a"]))
    assert client.hears(LDS).removed == ("m",)
    client.hears(RDS, "x")
    client.acks(LDS)
    client.subscribes(RDS, unsubscribe=["y"])
    client.acks(RDS)
    assert client.hears(CDS).removed == ("b",), "the cluster of a table that is gone stayed for good"


def tables(*names):
    """Tables that guide to a cluster each: `x` to `a`, `y` to `b`."""
    return [routes(name, to=[chr(ord(name) - 23)]) for name in names]
