from hypothesis import given
from hypothesis import strategies as st

from adapters.haproxy.shares import WEIGHT_MAX, Weights, share_given, weights

SERVERS = st.integers(1, 16)


def share(given_weights, stable, candidate):
    heavy = given_weights.candidate * candidate
    return 10_000 * heavy / (heavy + given_weights.stable * stable)


@given(st.integers(1, 9_999), SERVERS, SERVERS)
def test_the_candidate_never_gets_more_than_was_consented_to(bp, stable, candidate):
    given_weights = weights(bp, stable, candidate)
    if given_weights is None:
        smallest = 10_000 * candidate / (candidate + WEIGHT_MAX * stable)
        assert smallest > bp - 1e-9, "a share was refused that could have been given"
        return
    assert all(1 <= weight <= WEIGHT_MAX for weight in given_weights), "a track was left without anybody, or refused"
    assert share(given_weights, stable, candidate) <= bp + 1e-9


@given(st.integers(0, 10_000), SERVERS, SERVERS)
def test_people_are_told_of_the_share_that_is_given(bp, stable, candidate):
    found = weights(bp, stable, candidate)
    assert share_given(bp, stable, candidate) == (share(found, stable, candidate) if found else 0)


@given(st.sampled_from([100, 500, 1_000, 2_500, 5_000, 9_000]))
def test_common_shares_are_exact_with_one_server_each(bp):
    assert share(weights(bp, 1, 1), 1, 1) == bp


@given(st.sampled_from([0, 10_000]), SERVERS, SERVERS)
def test_all_or_nothing_is_exact(bp, stable, candidate):
    assert weights(bp, stable, candidate) == (Weights(256, 0) if bp == 0 else Weights(0, 256))


def test_less_than_weights_can_give_is_not_rounded_up():
    assert weights(10, 1, 1) is None
    assert weights(39, 1, 1) == Weights(256, 1)
