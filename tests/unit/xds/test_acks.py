"""The books of one type: sent, accepted and refused are three things."""

import pytest

from tests.unit.xds.playbook import EDS, SOTW, endpoints
from xds.acks import Ledger, Outstanding
from xds.cache import NOTHING, Cache
from xds.snapshot import Snapshot
from xds.subscription import Interpretation, Meaning, Subscription

AB = Subscription(frozenset("ab"))


@pytest.fixture
def cache():
    cache = Cache()
    cache.set("edge", Snapshot.of([endpoints("a"), endpoints("b")]))
    return cache


@pytest.fixture
def group(cache):
    return cache.group("edge")


@pytest.fixture
def ledger(group):
    ledger = Ledger(EDS)
    ledger.ask(Interpretation(Meaning.SUBSCRIBE, AB), group)
    return ledger


def send(ledger, group):
    delivery = group.deliver(SOTW, EDS, ledger.subscription, ledger.held, frozenset())
    ledger.sent(Outstanding(ledger.next_nonce(group.generation), group.generation, 0.0, delivery))
    return delivery


def test_sent_is_held_and_not_yet_accepted(ledger, group):
    send(ledger, group)
    assert set(ledger.held) == {"a", "b"}
    assert ledger.accepted is NOTHING
    assert ledger.ack() is not None
    assert ledger.accepted is ledger.held


def test_only_the_first_answer_counts(ledger, group):
    send(ledger, group)
    assert ledger.nack("one", "edge", "bad") is not None
    assert ledger.nack("one", "edge", "bad") is None
    assert ledger.ack() is None
    assert ledger.accepted is NOTHING, "a refused response was taken for accepted"


def test_refused_stays_refused_until_its_content_changes(ledger, group, cache):
    send(ledger, group)
    ledger.nack("one", "edge", "bad")
    target = group.snapshot.sets[EDS]
    assert ledger.reconsider(target) == {"a", "b"}
    assert ledger.refusal is not None
    cache.set("edge", Snapshot.of([endpoints("a", "2"), endpoints("b")]))
    assert ledger.reconsider(group.snapshot.sets[EDS]) == frozenset()
    assert ledger.refusal is None
    assert ledger.again == {"a", "b"}, "the good resources that were refused with the bad one are not sent again"


def test_giving_up_a_name_gives_up_its_refusal_and_has_the_others_sent_again(ledger, group):
    send(ledger, group)
    ledger.nack("one", "edge", "bad")
    ledger.ask(Interpretation(Meaning.SUBSCRIBE, Subscription(frozenset("a"))), group)
    assert ledger.refusal is None
    assert ledger.again == {"a"}, "it may have been refused for nothing but the one that was given up"
    ledger.ask(Interpretation(Meaning.SUBSCRIBE, Subscription()), group)
    assert ledger.again == set()


def test_an_accepted_part_leaves_the_refused_part_as_it_was(ledger, group, cache):
    send(ledger, group)
    ledger.ack()
    cache.set("edge", Snapshot.of([endpoints("a", "bad"), endpoints("b")]))
    send(ledger, group)
    ledger.nack("one", "edge", "bad")
    cache.set("edge", Snapshot.of([endpoints("a", "bad"), endpoints("b", "2")]))
    assert ledger.reconsider(group.snapshot.sets[EDS]) == {"a"}
    send(ledger, group)
    ledger.ack()
    assert ledger.accepted == {"a": endpoints("a"), "b": endpoints("b", "2")}


def test_nonces_name_the_generation_and_count_within_it(ledger):
    assert [ledger.next_nonce(g) for g in (1, 1, 2, 3)] == ["1.eds.0", "1.eds.1", "2.eds.0", "3.eds.0"]


def test_a_claim_holds_only_what_is_asked_for(ledger):
    ledger.claim({"a": "v1", "not asked for": "v1"})
    assert {name: resource.version for name, resource in ledger.held.items()} == {"a": "v1"}
    assert ledger.accepted is ledger.held
