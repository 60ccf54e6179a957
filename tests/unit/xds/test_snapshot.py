import pytest

from tests.unit.xds.playbook import CDS, EDS, LDS, RDS, agent, aggregate, cluster, endpoints, listener, routes
from xds.errors import SnapshotError
from xds.snapshot import RESOURCE_BYTES_MAX, Resource, ResourceSet, Snapshot


def test_a_version_is_a_hash_of_the_content():
    assert cluster("a", "1") == cluster("a", "1")
    assert cluster("a", "1").version != cluster("a", "2").version


def test_refreshed_is_another_version_of_the_same_content():
    fresh, fresher = endpoints("a").refreshed(1), endpoints("a").refreshed(1).refreshed(2)
    assert fresh.body == fresher.body == endpoints("a").body
    assert len({endpoints("a").version, fresh.version, fresher.version}) == 3
    assert fresher == endpoints("a").refreshed(2), "the version grows with each refresh"


def test_a_sets_version_does_not_depend_on_the_order():
    first, second = ResourceSet.of(CDS, [cluster("a"), cluster("b")]), ResourceSet.of(CDS, [cluster("b"), cluster("a")])
    assert first.version == second.version
    assert first.version != ResourceSet.of(CDS, [cluster("a")]).version


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Resource.of(CDS, "", b""), "no name"),
        (lambda: Resource.of(CDS, "a", bytes(RESOURCE_BYTES_MAX + 1)), "limit"),
        (lambda: Snapshot.of([cluster("a"), cluster("a", "2")]), "Names are unique"),
    ],
)
def test_what_cannot_be_served_is_refused_with_its_name(make, words):
    with pytest.raises(SnapshotError, match=words):
        make()


def test_one_changed_resource_shares_all_other_sets():
    before = Snapshot.of([*agent("a"), *agent("b"), listener("l"), routes("table")])
    after = before.replace(routes("table", "2"))
    assert after.sets[RDS] is not before.sets[RDS]
    assert all(after.sets[t] is before.sets[t] for t in (CDS, EDS, LDS)), "what did not change was copied"
    assert after.replace(routes("table", "2")).sets[RDS] is after.sets[RDS]


def test_resources_can_be_removed():
    before = Snapshot.of([*agent("a"), *agent("b")])
    after = before.replace(remove=[(CDS, "b"), (EDS, "b"), (RDS, "never there")])
    assert list(after.sets[CDS].resources) == list(after.sets[EDS].resources) == ["a"]
    assert after.sets[RDS] is before.sets[RDS]


def test_equal_content_is_shared_with_the_snapshot_before():
    before = Snapshot.of([*agent("a"), routes("table")])
    assert Snapshot.of([routes("table"), *agent("a")]).sharing(before) is before
    after = Snapshot.of([routes("table", "2"), *agent("a")]).sharing(before)
    assert after.sets[CDS] is before.sets[CDS]
    assert after.sets[RDS] is not before.sets[RDS]


@pytest.mark.parametrize(
    ("resources", "problem"),
    [
        ([cluster("a")], "cds 'a' refers to eds 'a'"),
        ([routes("table", to=["a"])], "rds 'table' refers to cds 'a'"),
        ([listener("l")], "lds 'l' refers to rds 'table'"),
        ([aggregate("slot", "a")], "cds 'slot' refers to cds 'a'"),
    ],
)
def test_what_is_referred_to_and_missing_is_a_problem(resources, problem):
    [found] = Snapshot.of(resources).problems()
    assert problem in found


def test_a_consistent_snapshot_has_no_problems():
    resources = [*agent("a"), aggregate("slot", "a"), listener("l"), routes("table", to=["slot"])]
    assert Snapshot.of(resources).problems() == ()
