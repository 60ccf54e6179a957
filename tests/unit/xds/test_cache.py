import pytest

from tests.unit.xds.playbook import CDS, DELTA, EDS, SOTW, World, agent, cluster, endpoints, routes
from xds.cache import NOTHING, SHARED_MAX, Cache, deliver
from xds.errors import SnapshotError
from xds.snapshot import ResourceSet, Snapshot
from xds.subscription import Subscription

EVERYTHING = Subscription(wildcard=True)


@pytest.fixture
def cache():
    return Cache()


def test_a_new_content_is_a_new_generation_and_wakes_the_streams(cache):
    woken = []
    cache.group("edge").watchers.add(lambda: woken.append(1))
    assert [cache.set("edge", Snapshot.of(agent("a", content))) for content in "112"] == [1, 1, 2]
    assert len(woken) == 2, "the streams were woken for nothing, or not at all"


def test_an_inconsistent_snapshot_is_refused_and_what_is_served_goes_on(cache):
    cache.set("edge", Snapshot.of(agent("a")))
    served = cache.snapshot("edge")
    with pytest.raises(SnapshotError, match="cds 'missing'"):
        cache.set("edge", Snapshot.of([routes("table", to=["missing"])]))
    assert cache.snapshot("edge") is served


def test_groups_do_not_share_snapshots(cache):
    cache.set("edge", Snapshot.of(agent("a")))
    assert cache.snapshot("other") is None
    assert [group.name for group in cache] == ["edge"], "asking for a snapshot made a group"


def test_a_group_of_strangers_is_forgotten_when_they_leave(cache):
    cache.release(cache.group("strangers"))
    assert list(cache) == []
    cache.set("edge", Snapshot.of([]))
    cache.release(cache.group("edge"))
    assert [group.name for group in cache] == ["edge"], "a group that is served was forgotten"


def test_clients_in_the_same_state_get_the_same_delivery(cache):
    cache.set("edge", Snapshot.of([*agent("a"), *agent("b")]))
    group = cache.group("edge")
    asked = group.shared(Subscription(frozenset("a")))
    first = group.deliver(SOTW, EDS, asked, NOTHING, frozenset())
    assert first is group.deliver(SOTW, EDS, group.shared(Subscription(frozenset("a"))), NOTHING, frozenset())
    assert group.encode(first, "n") is group.encode(first, "n"), "a thousand nodes would be encoded for one by one"
    assert first is not group.deliver(SOTW, EDS, group.shared(Subscription(frozenset("ab"))), NOTHING, frozenset())
    cache.set("edge", Snapshot.of(agent("a")))
    assert group.shared(Subscription(frozenset("a"))) is asked, "who joins later would be served apart for ever"


def test_a_client_that_asks_for_the_same_again_and_again_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("xds.cache.ENCODED_BYTES_MAX", 50_000)
    world = World()
    world.serve(*agent("a", "a" * 1_000))
    client = world.client(DELTA)
    client.subscribes(CDS)
    client.takes(CDS, "a")
    for _ in range(200):
        client.subscribes(CDS, "a", nonce=client.last[CDS].nonce)
        client.hears(CDS, "a")
    kept = sum(len(data) for _, data in world.cache.group("edge")._encoded.values())
    assert 0 < kept <= 50_000


def test_what_is_shared_is_bounded(cache):
    cache.set("edge", Snapshot.of(agent("a")))
    group = cache.group("edge")
    for index in range(3 * SHARED_MAX):
        asked = group.shared(Subscription(frozenset(["a", str(index)])))
        group.deliver(SOTW, EDS, asked, NOTHING, frozenset())
    assert len(group._shared) <= SHARED_MAX
    assert len(group._subscriptions) <= SHARED_MAX


@pytest.mark.parametrize("mode", [SOTW, DELTA])
def test_withheld_names_stay_as_they_are(mode):
    held = {"kept": cluster("kept"), "blocked": cluster("blocked", "old")}
    target = ResourceSet.of(CDS, [cluster("new"), cluster("blocked", "new"), cluster("absent")])
    delivery = deliver(mode, target, EVERYTHING, held, frozenset({"kept", "blocked", "absent"}))
    assert delivery.after == {"new": cluster("new"), **held}
    assert delivery.removed == ()
    assert not delivery.complete
    assert delivery.version != target.version, "a part was given the version of the whole"


def test_a_wildcard_shares_the_snapshots_own_mapping():
    target = ResourceSet.of(CDS, [cluster("a")])
    assert deliver(SOTW, target, EVERYTHING, NOTHING, frozenset()).after is target.resources


def test_endpoints_of_many_clusters_are_sent_only_where_they_changed():
    held = {str(i): endpoints(str(i)) for i in range(100)}
    target = ResourceSet.of(EDS, [*held.values(), endpoints("x")])
    delivery = deliver(SOTW, target, Subscription(frozenset([*held, "x"])), held, frozenset())
    assert [resource.name for resource in delivery.resources] == ["x"]
