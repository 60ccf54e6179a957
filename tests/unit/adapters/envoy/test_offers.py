import pytest

from adapters.envoy.offers import Offer, concerns, gives_no_more, is_reducible, is_way_back, without_candidate
from adapters.envoy.translation import translate
from adapters.port import ALL_STABLE, Split
from tests.unit.adapters.envoy.nodes import BAD, CANDIDATE, wanted
from xds.acks import Refusal

ADDRESSES = {f"127.0.0.1:{port}": (("127.0.0.1", port),) for port in range(3000, 3003)}


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
