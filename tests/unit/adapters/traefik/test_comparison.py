import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.traefik.comparison import difference, trouble, words

WRITTEN = {"weighted": {"services": [{"name": "a", "weight": 9000}, {"name": "b", "weight": 1000}]}}
SHOWN = {**WRITTEN, "status": "enabled", "usedBy": ["x@file"]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def weighted(*weights):
    return {"weighted": {"services": [{"name": name, "weight": weight} for name, weight in zip("abc", weights)]}}  # noqa: B905 - as many as there are


def test_what_traefik_adds_is_no_difference():
    assert difference(WRITTEN, SHOWN) == ""


@pytest.mark.parametrize(
    ("shown", "what"),
    [
        (weighted(5000, 5000), "weighted.services[0].weight is 5000, not 9000"),
        (weighted(9000), "weighted.services has not 2 entries"),
        (weighted(9000, 1000.0), "weighted.services[1].weight is 1000.0, not 1000"),
        ({"loadBalancer": {}}, "weighted is not there"),
        ([], "it is not there"),
        ({"weighted": {"services": [{"name": "a", "weight": 9000}, {"name": "b"}]}}, "weight is missing, not 1000"),
    ],
)
def test_a_difference_is_named(shown, what):
    assert what in difference(WRITTEN, shown), "nobody would know what somebody changed"


def test_a_reference_may_be_shown_with_its_provider():
    assert difference({"service": "turnout.bot"}, {"service": "turnout.bot@file"}) == ""
    assert difference({"service": "turnout.bot"}, {"service": "turnout.bot2@file"})
    assert difference({"rule": "x"}, {"rule": "y"})


def test_health_checks_are_shown_otherwise():
    written = {"loadBalancer": {"servers": [], "healthCheck": {"interval": "1000ms"}}}
    assert difference(written, {"loadBalancer": {"servers": [], "healthCheck": {"interval": "1s"}}}) == ""


def test_a_part_that_is_not_used_says_why():
    assert trouble({"status": "disabled", "error": ["no entry point", "twice"]}) == "no entry point; twice"
    assert trouble({"status": "disabled"}) == "it is disabled"
    assert trouble({"status": "warning", "error": ["one entry point of two"]}) == ""
    assert len(words({"error": ["x" * 10_000]})) <= 500


@given(JSON)
def test_nothing_else_is_taken_for_what_was_written(shown):
    assert difference(WRITTEN, shown) != "", "a split would be confirmed that is not there"
    assert isinstance(trouble(shown), str)


@given(JSON)
def test_everything_agrees_with_itself(value):
    assert difference({"a": value}, {"a": value}) == ""
