from hypothesis import given
from hypothesis import strategies as st

from adapters.envoy.publication import Publication
from adapters.envoy.translation import translate
from tests.unit.adapters.envoy.nodes import BAD, wanted
from xds.resources import Listener, ResourceType

LISTENER = Listener("edge", "127.0.0.1", 10_000, routes="edge").resource()
ADDRESSES = {f"127.0.0.1:{port}": (f"127.0.0.1:{port}",) for port in range(3000, 3003)}


def resources(*arguments, **facts):
    return translate(wanted(*arguments, **facts), ADDRESSES)


def versions(snapshot):
    return {type_: of_type.version for type_, of_type in snapshot.sets.items()}


def test_a_changed_share_changes_the_table_and_nothing_else():
    publication = Publication("edge", [LISTENER])
    publication.put("bot", resources(0))
    before = publication.snapshot()
    publication.put("bot", resources(1_000))
    after = publication.snapshot()
    changed = [type_ for type_ in ResourceType if after.sets[type_] is not before.sets[type_]]
    assert changed == [ResourceType.ROUTES]


def test_the_same_again_changes_nothing():
    publication = Publication("edge", [LISTENER])
    publication.put("bot", resources(1_000, dead_man_s=2))
    before = publication.snapshot()
    publication.put("bot", resources(1_000, dead_man_s=2))
    after = publication.snapshot()
    assert all(after.sets[type_] is before.sets[type_] for type_ in ResourceType)


def test_only_what_goes_stale_is_refreshed():
    publication = Publication("edge", [LISTENER])
    publication.put("mortal", resources(1_000, agent="mortal", dead_man_s=2))
    publication.put("bot", resources(1_000))
    before = publication.snapshot()
    publication.refresh(1)
    after = publication.snapshot()
    held = ResourceType.ENDPOINTS
    fresh = {
        name
        for name, each in after.sets[held].resources.items()
        if each.version != before.sets[held].resources[name].version
    }
    assert fresh == {"mortal/candidate"}
    publication.put("mortal", resources(0, agent="mortal"))
    publication.snapshot()
    publication.refresh(2)
    assert publication.snapshot().sets[held].resources["mortal/candidate"].version.endswith("+2") is False


STEP = st.tuples(st.sampled_from("abc"), st.sampled_from([None, 0, 100, 10_000, -1]), st.booleans())


@given(st.lists(STEP, max_size=12))
def test_whatever_the_way_a_snapshot_is_what_its_agents_make_it(steps):
    publication, now = Publication("edge", [LISTENER]), {}
    for agent, candidate_bp, bad in steps:
        if candidate_bp is None:
            publication.remove(agent)
            now.pop(agent, None)
        else:
            facts = {"candidate": None} if candidate_bp < 0 else {"candidate": BAD} if bad else {}
            now[agent] = resources(max(candidate_bp, 0), agent=agent, dead_man_s=2 if bad else None, **facts)
            publication.put(agent, now[agent])
        if bad:
            publication.snapshot()
    at_once = Publication("edge", [LISTENER])
    for agent, made in now.items():
        at_once.put(agent, made)
    assert versions(publication.snapshot()) == versions(at_once.snapshot())
    assert publication.snapshot().problems() == ()
