import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kong.weights import (
    RING_TARGETS_MAX,
    SUM_MAX,
    NotPossibleError,
    Wanted,
    changes,
    fits_ring,
    ring_points,
    share_given,
    share_kept,
    target_name,
    wanted_of,
)
from adapters.port import Assignment, Route, Split, Stickiness, Version
from tests.unit.adapters.kong.kongs import A, at

STABLE = Version("1", ("10.0.0.1:80", "10.0.0.2:80"))
CANDIDATE = Version("2", ("10.0.0.3:80",))


def assignment(candidate_bp=0, stable=STABLE, candidate=CANDIDATE, **more):
    return Assignment("bot", Route(), stable, candidate, split=Split(candidate_bp), **more)


def share(weights, candidate):
    total = sum(weights.values())
    return sum(weights.get(target, 0) for target in candidate) / total if total else None


@given(st.integers(10, 10_000), st.integers(1, 30), st.integers(1, 30))
def test_a_share_is_never_more_than_was_agreed_to_and_exact_to_a_tenth_of_a_percent(bp, stables, candidates):
    stable = Version("1", tuple(f"10.0.0.{index}:80" for index in range(stables)))
    candidate = Version("2", tuple(f"10.0.1.{index}:80" for index in range(candidates)))
    wanted = wanted_of(assignment(bp, stable, candidate))
    got = share(wanted.all, wanted.candidate)
    assert got <= bp / 10_000 + 1e-12
    assert got > bp / 10_000 - 0.001
    assert sum(wanted.all.values()) <= SUM_MAX, "every worker would build a longer wheel at each change"
    if bp % 10 == 0:
        assert got == pytest.approx(bp / 10_000, abs=1e-12)
    assert got == pytest.approx(share_given(bp, stables, candidates) / 10_000, abs=1e-12), "people are told of another"


def test_shares_that_a_short_wheel_says_exactly_are_exact():
    assert share(wanted_of(assignment(25)).all, CANDIDATE.endpoints) == 0.0025
    assert wanted_of(assignment(0)).all == {"10.0.0.1:80": 100, "10.0.0.2:80": 100, "10.0.0.3:80": 0}
    assert wanted_of(assignment(10_000)).all == {"10.0.0.1:80": 0, "10.0.0.2:80": 0, "10.0.0.3:80": 100}


def test_instances_of_one_version_share_evenly():
    wanted = wanted_of(assignment(5_000))
    assert len(set(wanted.stable.values())) == 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (assignment(9), "less than weights can give"),
        (Assignment("bot", Route(), STABLE, CANDIDATE, split=Split(mirror_bp=100)), "cannot copy"),
        (assignment(100, candidate=Version("2", ("10.0.0.1:80",))), "share 10.0.0.1:80"),
    ],
)
def test_what_weights_cannot_do_is_refused(asked, words):
    with pytest.raises(NotPossibleError, match=words):
        wanted_of(asked)


def test_people_are_told_of_what_is_refused():
    assert (share_given(9, 1, 1), share_given(10, 1, 1)) == (0, 10)


def test_people_are_told_of_what_a_ring_makes_of_a_share():
    assert [share_kept(bp, 1, 1) for bp in (9, 10, 31, 32, 10_000)] == [0, 31.25, 31.25, 32, 10_000], (
        "any weight gets one point of a ring of 160 per target"
    )
    assert share_kept(10, 9, 1) == 10


def test_a_way_back_is_always_possible():
    same = wanted_of(assignment(0, candidate=Version("2", STABLE.endpoints)))
    assert same.all == {"10.0.0.1:80": 100, "10.0.0.2:80": 100}


WEIGHT = st.integers(0, 1_000)
TARGETS = [f"t{index}:80" for index in range(6)]


@given(st.dictionaries(st.sampled_from(TARGETS), WEIGHT), st.lists(WEIGHT, min_size=4, max_size=4))
def test_no_step_between_gives_the_candidate_more_or_everybody_nothing(now, weights):
    """The candidate of now and the candidate that is wanted are the same here: its targets may move."""
    wanted = Wanted(dict(zip(TARGETS[:2], weights[:2], strict=True)), dict(zip(TARGETS[2:4], weights[2:], strict=True)))
    if not sum(wanted.all.values()) or not sum(now.values()):
        return
    bounds = [share(now, wanted.candidate), share(wanted.all, wanted.candidate)]
    present = dict(now)
    for target, weight in changes(now, wanted):
        present[target] = weight
        assert sum(present.values()) > 0, "every request would get 503"
        assert share(present, wanted.candidate) <= max(bounds) + 1e-9, "the candidate has more than was agreed to"
    assert {target: weight for target, weight in present.items() if weight} == {
        target: weight for target, weight in wanted.all.items() if weight
    }


def test_what_stands_is_not_changed():
    wanted = wanted_of(assignment(5_000))
    assert changes(wanted.all, wanted) == []


def test_what_drains_stays_and_strangers_get_nothing():
    draining = Version("0", ("10.0.0.9:80",))
    wanted = wanted_of(assignment(0, candidate=None, draining=(draining,)))
    assert "10.0.0.9:80" in wanted.known
    assert changes({**wanted.all, "10.0.0.9:80": 5, "10.0.0.8:80": 3}, wanted) == [
        ("10.0.0.8:80", 0),
        ("10.0.0.9:80", 0),
    ]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Agent.Internal:80", "agent.internal:80"),
        ("[::1]:80", "[::1]:80"),
        ("[0000:0000:0000:0000:0000:0000:0000:0001]:80", "[::1]:80"),
        ("10.0.0.1:080", "10.0.0.1:80"),
    ],
)
def test_targets_have_one_spelling(written, name):
    assert target_name(written) == name


@pytest.mark.parametrize(
    ("candidate_bp", "stable", "points"),
    [(1_000, (A,), (288, 32)), (100, (A,), (316, 3)), (10, (A,), (319, 1)), (1_000, (A, "10.0.0.3:80"), (432, 48))],
)
def test_the_ring_has_as_many_points_as_kong_gives_it(candidate_bp, stable, points):
    assert ring_points(wanted_of(at(candidate_bp, stable=stable))) == points, "an honest ring is taken for another"


def test_a_target_without_weight_has_no_point():
    assert ring_points(wanted_of(at(0))) == (320, 0)


def test_sessions_are_refused_where_kong_could_not_build_its_ring():
    many = tuple(f"10.0.1.{number}:80" for number in range(RING_TARGETS_MAX))
    sticky = {"stickiness": Stickiness(header="x-session"), "stable": many}
    assert fits_ring(at(1_000, stable=many[1:]))
    with pytest.raises(NotPossibleError, match="do not fit its ring"):
        wanted_of(at(1_000, **sticky))
    for way_out in (0, 10_000):
        assert wanted_of(at(way_out, **sticky)).all, "a way back is refused for its sessions"
    assert wanted_of(at(1_000, stable=many)).all
