"""Request in, meaning out: the table of what a request can mean, for both variants."""

import pytest

from xds.subscription import Meaning, Request, Subscription, interpret

ALL_BY_DEFAULT = Subscription(wildcard=True, by_default=True)
A, AB = Subscription(frozenset("a")), Subscription(frozenset("ab"))


@pytest.mark.parametrize(
    ("nonce", "error", "meaning"),
    [
        ("", None, Meaning.SUBSCRIBE),
        ("", "words without a nonce refuse nothing", Meaning.SUBSCRIBE),
        ("7", None, Meaning.ACK),
        ("7", "bad", Meaning.NACK),
        ("6", None, Meaning.STALE),
        ("6", "bad", Meaning.STALE),
    ],
)
@pytest.mark.parametrize("names", [None, frozenset("a")])
def test_the_nonce_and_the_error_decide_never_the_version(nonce, error, meaning, names):
    request = Request("t", nonce=nonce, error=error, names=names)
    assert interpret(A, "7", request, full_state=False).meaning is meaning


def test_any_nonce_is_a_subscription_where_nothing_was_sent():
    request = Request("t", nonce="of the stream before", names=frozenset("a"))
    assert interpret(None, "", request, full_state=False).meaning is Meaning.SUBSCRIBE


@pytest.mark.parametrize(
    ("before", "names", "full_state", "after"),
    [
        (None, "", True, ALL_BY_DEFAULT),
        (None, "", False, Subscription()),
        (None, "*", False, Subscription(wildcard=True)),
        (None, "a", True, A),
        (None, "*a", True, Subscription(frozenset("a"), wildcard=True)),
        (ALL_BY_DEFAULT, "", True, ALL_BY_DEFAULT),
        (ALL_BY_DEFAULT, "a", True, A),
        (A, "", True, Subscription()),
        (Subscription(), "", True, Subscription()),
        (A, "ab", False, AB),
        (AB, "a", False, A),
        (Subscription(wildcard=True), "a", True, A),
        (Subscription(wildcard=True), "", False, Subscription()),
    ],
)
def test_state_of_the_world_names_the_whole_set(before, names, full_state, after):
    assert interpret(before, "", Request("t", names=frozenset(names)), full_state=full_state).subscription == after


@pytest.mark.parametrize(
    ("before", "subscribe", "unsubscribe", "full_state", "after", "forgotten"),
    [
        (None, "", "", True, Subscription(wildcard=True), ""),
        (None, "", "", False, Subscription(), ""),
        (None, "a", "", True, A, "a"),
        (A, "b", "", False, AB, "b"),
        (AB, "", "b", False, A, "b"),
        (A, "a", "", False, A, "a"),
        (Subscription(frozenset("a"), wildcard=True), "", "*", True, A, ""),
        (Subscription(wildcard=True), "", "a", True, Subscription(wildcard=True), "a"),
        (A, "*", "", True, Subscription(frozenset("a"), wildcard=True), ""),
        (A, "", "", True, A, ""),
    ],
)
def test_delta_names_what_comes_and_goes(before, subscribe, unsubscribe, full_state, after, forgotten):
    request = Request("t", subscribe=frozenset(subscribe), unsubscribe=frozenset(unsubscribe))
    understood = interpret(before, "", request, full_state=full_state)
    assert (understood.subscription, understood.forgotten) == (after, frozenset(forgotten))


def test_an_unchanged_subscription_is_the_same_object_so_that_an_ack_costs_nothing():
    assert interpret(A, "7", Request("t", nonce="7", names=frozenset("a")), full_state=False).subscription is A
    assert interpret(A, "7", Request("t", nonce="7"), full_state=False).subscription is A


def test_a_stale_request_in_state_of_the_world_changes_nothing():
    assert interpret(A, "7", Request("t", nonce="6", names=frozenset("ab")), full_state=False).subscription is A
