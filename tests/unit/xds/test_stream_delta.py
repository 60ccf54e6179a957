"""Delta, line by line of facts/xds-protocol.md: the numbers in the names are its lines."""

import pytest

from tests.unit.xds.playbook import CDS, DELTA, EDS, LDS, RDS, World, agent, cluster, endpoints, listener, routes


@pytest.fixture
def world():
    return World()


@pytest.fixture
def client(world):
    return world.client(DELTA)


@pytest.mark.parametrize("names", [(), ("*",)])
@pytest.mark.parametrize(("type_", "make"), [(CDS, cluster), (LDS, listener)])
def test_23_without_names_everything_comes_with_name_and_version(world, client, type_, make, names):
    first, second = make("a"), make("b")
    world.serve(first, second, endpoints("a"), endpoints("b"), routes("table"))
    client.subscribes(type_, *names)
    heard = client.takes(type_, "a", "b")
    assert dict(heard.resources) == {"a": first.body, "b": second.body}
    client.hears_nothing()


@pytest.mark.parametrize(("type_", "make"), [(EDS, endpoints), (RDS, routes)])
def test_24_named_resources_come_change_go_and_come_again(world, client, type_, make):
    world.serve(make("a"), make("b"), make("c"))
    client.subscribes(type_, "a", "b")
    client.takes(type_, "a", "b")
    world.serve(make("a"), make("b", "2"), make("c", "2"))
    client.takes(type_, "b")
    world.serve(make("a"), make("c", "2"))
    assert client.takes(type_).removed == ("b",), "a removed resource was not said to be gone"
    client.hears_nothing()
    world.serve(make("a"), make("b", "2"))
    client.takes(type_, "b")
    client.hears_nothing()


def test_24_only_the_changed_cluster_is_sent_to_a_wildcard(world, client):
    world.serve(*agent("a"), *agent("b"))
    client.subscribes(CDS)
    client.takes(CDS, "a", "b")
    world.serve(*agent("a"), cluster("b", "2"), endpoints("b"))
    client.takes(CDS, "b")
    world.serve(cluster("b", "2"), endpoints("b"))
    assert client.takes(CDS).removed == ("a",)


def test_25_a_missing_name_is_sent_once_it_is_there(world, client):
    world.serve()
    client.subscribes(EDS, "later")
    client.hears_nothing()
    world.serve(endpoints("later"))
    client.takes(EDS, "later")
    client.hears_nothing()


def test_26_an_unsubscribed_name_is_not_updated_any_more(world, client):
    world.serve(endpoints("a"), endpoints("b"))
    client.subscribes(EDS, "a", "b")
    client.takes(EDS, "a", "b")
    client.subscribes(EDS, unsubscribe=["b"])
    client.hears_nothing()
    world.serve(endpoints("a"), endpoints("b", "2"))
    client.hears_nothing()
    world.serve(endpoints("a"))
    client.hears_nothing()


def test_27_without_the_wildcard_explicit_names_stay(world, client):
    world.serve(*agent("a"), *agent("b"))
    client.subscribes(CDS, "*", "a")
    client.takes(CDS, "a", "b")
    client.subscribes(CDS, unsubscribe=["*"])
    client.hears_nothing()
    world.serve(*agent("a", "2"), *agent("b", "2"))
    client.takes(CDS, "a")
    client.hears_nothing()


def test_a_name_given_up_under_the_wildcard_is_sent_again(world, client):
    world.serve(*agent("a"), *agent("b"))
    client.subscribes(CDS, "*", "a")
    client.takes(CDS, "a", "b")
    client.subscribes(CDS, unsubscribe=["a"])
    client.takes(CDS, "a")


def test_a_name_asked_for_again_is_sent_again(world, client):
    world.serve(endpoints("a"))
    client.subscribes(EDS, "a")
    client.takes(EDS, "a")
    client.subscribes(EDS, "a")
    client.takes(EDS, "a")


def test_28_what_the_client_has_from_before_is_not_sent_again(world, client):
    same, new = endpoints("same"), endpoints("old", "new")
    world.serve(same, new)
    versions = {"same": same.version, "old": "an old version", "gone": "any", "not asked for": "any"}
    client.subscribes(EDS, "same", "old", "gone", versions=versions)
    heard = client.takes(EDS, "old")
    assert heard.removed == ("gone",), "the client goes on with a resource that is gone"
    client.hears_nothing()


def test_28_a_wildcard_knows_its_versions_too(world, client):
    same = cluster("same")
    world.serve(same, endpoints("same"), *agent("b"))
    client.subscribes(CDS, versions={"same": same.version, "gone": "any"})
    assert client.takes(CDS, "b").removed == ("gone",)


def test_28_versions_told_before_there_is_a_snapshot_still_count(world, client):
    same = endpoints("same")
    client.subscribes(EDS, "same", versions={"same": same.version})
    world.serve(same)
    client.hears_nothing()


def test_29_an_ack_is_followed_by_silence_a_nack_by_silence_until_a_change(world, client):
    world.serve(endpoints("a"), endpoints("b", "bad"))
    client.subscribes(EDS, "a", "b")
    client.hears(EDS, "a", "b")
    refusal = client.nacks(EDS, error="b is bad")
    assert refusal is not None, "the NACK went unnoticed"
    assert (refusal.type, refusal.error, sorted(refusal.names)) == ("eds", "b is bad", ["a", "b"])
    client.hears_nothing()
    world.serve(endpoints("a"), endpoints("b", "good"))
    client.takes(EDS, "a", "b")
    client.hears_nothing()


def test_30_two_types_on_one_stream_are_independent(world, client):
    world.serve(*agent("a"), routes("table"))
    client.subscribes(RDS, "table")
    client.subscribes(EDS, "a")
    client.hears(EDS, "a")
    client.hears(RDS, "table")
    client.acks(RDS)
    client.nacks(EDS)
    world.serve(*agent("a"), routes("table", "2"))
    client.takes(RDS, "table")
    client.hears_nothing()


def test_names_may_be_added_while_a_response_is_unanswered(world, client):
    world.serve(endpoints("a"), endpoints("b"))
    client.subscribes(EDS, "a")
    client.hears(EDS, "a")
    client.subscribes(EDS, "b")
    client.acks(EDS)
    client.takes(EDS, "b")


def test_a_stale_nonce_still_changes_the_subscription(world, client):
    world.serve(endpoints("a"), endpoints("b"))
    client.subscribes(EDS, "a")
    client.takes(EDS, "a")
    client.subscribes(EDS, "b", nonce="long ago")
    client.takes(EDS, "b")


def test_a_name_given_up_and_asked_for_again_while_it_was_on_its_way_is_known_to_be_there(world, client):
    world.serve(endpoints("a"))
    client.subscribes(EDS, "a")
    client.hears(EDS, "a")
    client.subscribes(EDS, unsubscribe=["a"])
    client.subscribes(EDS, "a")
    world.serve()
    client.acks(EDS)
    assert client.takes(EDS).removed == ("a",), "the client goes on with a resource that is gone"
    client.hears_nothing()


def test_a_removal_that_was_refused_along_with_something_bad_is_told_once_more(world, client):
    world.serve(endpoints("a"), endpoints("b"))
    client.subscribes(EDS, "a", "b")
    client.takes(EDS, "a", "b")
    world.serve(endpoints("b", "bad"))
    assert client.hears(EDS, "b").removed == ("a",)
    client.nacks(EDS, error="b is bad")
    assert client.hears(EDS).removed == ("a",), "the client goes on with a resource that is gone"
    client.nacks(EDS, error="whatever")
    client.hears_nothing()


def test_29_what_was_refused_with_a_bad_one_comes_again_when_the_bad_one_is_given_up(world, client):
    world.serve(endpoints("a", "bad"), endpoints("b"))
    client.subscribes(EDS, "a", "b")
    client.hears(EDS, "a", "b")
    client.nacks(EDS)
    client.subscribes(EDS, unsubscribe=["a"])
    client.takes(EDS, "b")
    client.hears_nothing()
