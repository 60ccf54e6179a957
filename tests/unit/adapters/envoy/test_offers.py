import pytest

from adapters.envoy.offers import (
    Offer,
    asks_no_less,
    concerns,
    gives_no_more,
    is_reducible,
    is_way_back,
    may_get_requests,
    without_candidate,
)
from adapters.envoy.translation import translate
from adapters.port import ALL_STABLE, Split
from tests.unit.adapters.envoy.nodes import BAD, CANDIDATE, wanted
from xds.acks import Refusal

ADDRESSES = {f"127.0.0.1:{port}": (f"127.0.0.1:{port}",) for port in range(3000, 3003)}


def test_the_least_of_an_agent_is_its_stable_version():
    whole = wanted(1_000, draining=(BAD,), retries=2)
    least = without_candidate(whole)
    assert (least.candidate, least.draining, least.split) == (None, (), ALL_STABLE)
    assert (least.stable, least.retries, least.route) == (whole.stable, 2, whole.route)
    assert is_reducible(whole)
    assert not is_reducible(least)


@pytest.mark.parametrize(
    ("earlier", "later", "safe"),
    [
        (wanted(1_000), wanted(3_000), True),
        (wanted(3_000), wanted(1_000), False),
        (wanted(1_000), wanted(0), False),
        (wanted(0), wanted(1_000), True),
        (wanted(1_000), wanted(3_000, candidate=BAD), False),
        (wanted(0), wanted(3_000, candidate=BAD), True),
        (wanted(split=Split(mirror_bp=500)), wanted(split=Split(mirror_bp=100)), False),
        (wanted(split=Split(mirror_bp=100)), wanted(split=Split(mirror_bp=500)), True),
        (wanted(10_000), wanted(candidate=None, stable=CANDIDATE), False),
        (wanted(candidate=None, stable=CANDIDATE), wanted(0), False),
    ],
)
def test_going_back_never_gives_a_candidate_more(earlier, later, safe):
    assert gives_no_more(earlier, later) is safe


def refusal(type_: str, names: tuple[str, ...], error: str) -> Refusal:
    return Refusal("one", "edge", type_, 1, "v", names, error)


def made(assignment) -> Offer:
    return Offer(assignment, translate(assignment, ADDRESSES))


@pytest.mark.parametrize(
    ("later", "again"),
    [
        (wanted(1_000), True),
        (wanted(3_000), True),
        (wanted(0), False),
        (wanted(3_000, candidate=BAD), False),
        (wanted(3_000, retries=2), False),
        (wanted(candidate=None), False),
    ],
)
def test_a_step_of_what_was_refused_is_refused_and_a_way_back_is_tried(later, again):
    assert asks_no_less(made(later), made(wanted(1_000))) is again


def test_a_candidate_gets_requests_when_it_has_a_share_or_copies():
    assert may_get_requests(wanted(1)) == may_get_requests(wanted(split=Split(mirror_bp=1))) == {"1.0", "1.1"}
    assert may_get_requests(wanted(0)) == may_get_requests(wanted(candidate=None)) == {"1.0"}


def test_a_refusal_concerns_those_that_envoy_names_or_all_that_came_together():
    offer = Offer(wanted(1_000), translate(wanted(1_000), ADDRESSES))
    names = ("bot/candidate", "bot/stable", "other/candidate")
    assert concerns(refusal("rds", ("edge",), "bad regex"), offer)
    assert concerns(refusal("cds", names, "Error adding bot/candidate: no"), offer)
    assert not concerns(refusal("cds", names, "Error adding other/candidate: no"), offer)
    assert concerns(refusal("eds", names, "malformed IP address"), offer)
    assert not concerns(refusal("eds", ("other/stable",), "malformed IP address"), offer)
    assert not concerns(refusal("lds", ("edge",), "address in use"), offer)


def test_a_way_back_guides_nothing_to_a_candidate_not_even_copies():
    assert is_way_back(wanted(0))
    assert not is_way_back(wanted(1))
    assert not is_way_back(wanted(split=Split(mirror_bp=100)))
