"""State of the world, line by line of facts/xds-protocol.md: the numbers in the names are its lines."""

import pytest

from tests.unit.xds.playbook import (
    CDS,
    EDS,
    LDS,
    RDS,
    World,
    agent,
    cluster,
    endpoints,
    listener,
    routes,
)
from xds.snapshot import ResourceType


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize("names", [(), ("*",)])
@pytest.mark.parametrize(("type_", "make"), [(CDS, cluster), (LDS, listener)])
def test_01_without_names_all_clusters_or_listeners_come_in_one_response(world, type_, make, names):
    world.serve(make("a"), make("b"), endpoints("a"), endpoints("b"), routes("table"))
    client = world.client()
    client.asks(type_, *names)
    heard = client.hears(type_, "a", "b")
    assert heard.version, "the response has no version"
    assert heard.nonce, "the response has no nonce"
    client.hears_nothing()


@pytest.mark.parametrize(("type_", "make"), [(EDS, endpoints), (RDS, routes)])
def test_02_named_routes_or_endpoints_are_exactly_those_that_exist(world, type_, make):
    world.serve(make("a"), make("b"), make("c"))
    client = world.client()
    client.asks(type_, "a", "c", "missing")
    client.hears(type_, "a", "c")
    client.hears_nothing()


def test_03_an_ack_is_followed_by_silence(world):
    world.serve(*agent("a"))
    client = world.client()
    client.asks(CDS)
    client.hears(CDS, "a")
    client.acks(CDS)
    client.hears_nothing()


@pytest.mark.parametrize(
    ("type_", "make", "asked"),
    [(CDS, cluster, ()), (LDS, listener, ()), (EDS, endpoints, ("a",)), (RDS, routes, ("a",))],
)
def test_04_a_refused_version_is_not_sent_again_and_a_different_one_is_sent_once(world, type_, make, asked):
    world.serve(make("a", "bad"), endpoints("a") if type_ is CDS else routes("table"))
    client = world.client()
    client.asks(type_, *asked)
    client.hears(type_, "a")
    refusal = client.nacks(type_, *asked, error="a is bad")
    assert refusal is not None, "the NACK went unnoticed"
    assert (refusal.node_id, refusal.type, refusal.error, refusal.names) == ("envoy-1", type_.label, "a is bad", ("a",))
    client.hears_nothing()
    client.hears_nothing()

    world.serve(make("a", "good"), endpoints("a") if type_ is CDS else routes("table"))
    client.takes(type_, "a")
    client.hears_nothing()


def test_05_a_further_name_is_answered_although_nothing_changed(world):
    world.serve(endpoints("a"), endpoints("b"))
    client = world.client()
    client.asks(EDS, "a")
    client.takes(EDS, "a")
    client.hears_nothing()
    client.acks(EDS, "a", "b")
    client.takes(EDS, "b")
    client.hears_nothing()


def test_06_a_name_dropped_and_added_again_is_sent_again(world):
    world.serve(endpoints("a"), endpoints("b"))
    client = world.client()
    client.asks(EDS, "a", "b")
    client.takes(EDS, "a", "b")
    client.acks(EDS, "a")
    client.hears_nothing()
    client.acks(EDS, "a", "b")
    client.takes(EDS, "b")


def test_06_a_dropped_name_that_changes_is_not_sent(world):
    world.serve(endpoints("a"), endpoints("b"))
    client = world.client()
    client.asks(EDS, "a", "b")
    client.takes(EDS, "a", "b")
    client.acks(EDS, "a")
    world.serve(endpoints("a"), endpoints("b", "2"))
    client.hears_nothing()


@pytest.mark.parametrize(("type_", "make"), [(CDS, cluster), (LDS, listener), (EDS, endpoints), (RDS, routes)])
def test_07_no_names_after_some_names_is_the_end_of_the_subscription(world, type_, make):
    others = [routes("table"), endpoints("b")] if type_ in {CDS, LDS} else []
    world.serve(make("b"), *others)
    client = world.client()
    client.asks(type_, "b")
    client.takes(type_, "b")
    client.acks(type_)
    client.hears_nothing()
    world.serve(make("b", "2"), *others)
    client.hears_nothing()


@pytest.mark.parametrize(("type_", "make"), [(CDS, cluster), (LDS, listener)])
def test_08_one_changed_cluster_or_listener_brings_the_full_set(world, type_, make):
    needed = [endpoints("a"), endpoints("b"), routes("table")]
    world.serve(make("a"), make("b"), *needed)
    client = world.client()
    client.asks(type_)
    client.takes(type_, "a", "b")
    world.serve(make("a"), make("b", "2"), *needed)
    client.takes(type_, "a", "b")
    world.serve(make("b", "2"), *needed)
    client.takes(type_, "b")
    client.hears_nothing()


@pytest.mark.parametrize(("type_", "make"), [(EDS, endpoints), (RDS, routes)])
def test_08_one_changed_table_or_endpoint_set_brings_a_response_with_it(world, type_, make):
    world.serve(make("a"), make("b"))
    client = world.client()
    client.asks(type_, "a", "b")
    client.takes(type_, "a", "b")
    world.serve(make("a"), make("b", "2"))
    client.takes(type_, "b")
    client.hears_nothing()


@pytest.mark.parametrize(("type_", "make"), [(EDS, endpoints), (RDS, routes)])
def test_09_a_removed_name_is_silent_and_is_sent_once_it_is_there_again(world, type_, make):
    world.serve(make("a"), make("b"))
    client = world.client()
    client.asks(type_, "a", "b", "later")
    client.takes(type_, "a", "b")
    world.serve(make("a"))
    client.hears_nothing()
    world.serve(make("a"), make("b"), make("later"))
    client.takes(type_, "b", "later")
    client.hears_nothing()


def test_10_a_request_before_there_is_a_snapshot_is_held(world):
    client = world.client()
    client.asks(CDS)
    client.asks(EDS, "a")
    client.hears_nothing()
    world.serve(*agent("a"))
    client.takes(CDS, "a")
    client.takes(EDS, "a")


def test_10_the_snapshot_of_another_group_is_not_served(world):
    world.serve(*agent("a"), group="other")
    client = world.client()
    client.asks(CDS)
    client.hears_nothing()


def test_11_a_changed_table_says_nothing_about_the_other_types(world):
    rest = [*agent("a"), listener("l")]
    world.serve(*rest, routes("table"))
    client = world.client()
    subscribe_to_all(client)
    world.serve(*rest, routes("table", "2"))
    client.takes(RDS, "table")
    client.hears_nothing()


def test_11_the_same_content_again_is_silence_and_the_same_generation(world):
    first = world.serve(*agent("a"), listener("l"), routes("table"))
    client = world.client()
    subscribe_to_all(client)
    assert world.serve(listener("l"), routes("table"), *agent("a")) == first, "the same content made a new generation"
    client.hears_nothing()


def test_12_no_nonce_comes_twice_although_content_goes_back_and_forth(world):
    client = world.client()
    client.asks(EDS, "a")
    for turn in range(20):
        world.serve(endpoints("a", str(turn % 2)))
        client.takes(EDS, "a")
    client.acks(EDS)
    client.acks(EDS, "a")
    client.takes(EDS, "a")
    assert len(set(client.nonces)) == 21


@pytest.mark.parametrize(("type_", "make"), [(EDS, endpoints), (RDS, routes)])
def test_13_a_client_that_reconnects_with_the_current_version_gets_the_resources(world, type_, make):
    world.serve(make("a"))
    before = world.client()
    before.asks(type_, "a")
    heard = before.takes(type_, "a")
    after = world.client()
    after.asks(type_, "a", version=heard.version)
    after.takes(type_, "a")


def test_13_a_nonce_of_the_stream_before_does_not_matter(world):
    world.serve(endpoints("a"))
    client = world.client()
    client.asks(EDS, "a", version="old", nonce="of another stream")
    client.takes(EDS, "a")
    client.hears_nothing()


def test_15_an_unknown_type_leaves_the_others_served(world):
    world.serve(*agent("a"))
    client = world.client()
    client.asks(CDS)
    client.takes(CDS, "a")
    client.stream.receive(b"\x22\x0ctype.of/mars", 0.0)
    client.hears_nothing()
    assert client.stream.unknown_types == {"type.of/mars"}
    world.serve(*agent("b"))
    client.takes(CDS, "b")


def test_16_of_several_requests_only_the_latest_is_answered(world):
    world.serve(endpoints("a"), endpoints("b"), endpoints("c"))
    client = world.client()
    client.asks(EDS, "a")
    client.asks(EDS, "a", "b")
    client.asks(EDS, "c", "b")
    client.hears(EDS, "b", "c")
    client.hears_nothing()


def test_16_a_stale_nonce_is_ignored_and_its_names_too(world):
    world.serve(endpoints("a"), endpoints("b"))
    client = world.client()
    client.asks(EDS, "a")
    old = client.takes(EDS, "a")
    world.serve(endpoints("a", "2"), endpoints("b"))
    client.hears(EDS, "a")
    client.asks(EDS, "b", nonce=old.nonce)
    client.hears_nothing()
    client.acks(EDS, "a", "b")
    client.takes(EDS, "b")


def test_17_a_name_given_twice_comes_once(world):
    world.serve(endpoints("a"), endpoints("b"))
    client = world.client()
    client.asks(EDS, "a", "a", "b")
    heard = client.hears(EDS, "a", "b")
    assert len(heard.resources) == 2, "a resource stands twice in a response"


def test_22_a_client_that_does_not_answer_gets_the_newest_state_and_no_backlog(world):
    world.serve(routes("table", "0"))
    client = world.client()
    client.asks(RDS, "table")
    client.hears(RDS, "table")
    for turn in range(1, 10_000):
        world.serve(routes("table", str(turn)))
        client.hears_nothing()
    client.acks(RDS, "table")
    heard = client.takes(RDS, "table")
    assert heard.resources[0][1] == b"routes table 9999 []", "it got something older than the newest"
    client.hears_nothing()


def test_an_empty_set_is_never_the_first_thing_that_is_heard(world):
    world.serve()
    client = world.client()
    client.asks(CDS)
    client.asks(LDS)
    client.hears_nothing()


def test_the_last_cluster_can_be_removed(world):
    world.serve(*agent("a"))
    client = world.client()
    client.asks(CDS)
    client.takes(CDS, "a")
    world.serve()
    client.takes(CDS)
    client.hears_nothing()


def test_a_popular_server_answers_a_nack_with_the_same_thousands_of_times(world):
    world.serve(*agent("a"))
    client = world.client()
    client.asks(CDS)
    client.hears(CDS, "a")
    for _ in range(1_000):
        client.nacks(CDS)
        client.hears_nothing()
    assert world.counters.pushes["cds"] == 1, "a refused response was sent again"
    assert world.counters.nacks["cds"] == 1, "one refusal was counted more than once"


def test_a_thousand_acks_of_one_response_are_one(world):
    world.serve(*agent("a"))
    client = world.client()
    client.asks(CDS)
    client.hears(CDS, "a")
    for _ in range(1_000):
        client.acks(CDS)
    client.hears_nothing()
    assert world.counters.acks["cds"] == 1


def subscribe_to_all(client) -> None:
    """Bring a client of one cluster `a`, one listener `l` and one table to rest."""
    client.asks(CDS)
    client.takes(CDS, "a")
    client.asks(EDS, "a")
    client.takes(EDS, "a")
    client.asks(LDS)
    client.takes(LDS, "l")
    client.asks(RDS, "table")
    client.takes(RDS, "table")
    client.hears_nothing()


def test_all_types_have_a_fixed_order():
    assert [type_.label for type_ in ResourceType] == ["cds", "eds", "lds", "rds"]
