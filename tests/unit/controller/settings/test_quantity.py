import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.settings.problem import RefusedError
from controller.settings.quantity import (
    duration,
    format_duration,
    format_ratio,
    format_weight,
    parse_duration,
    parse_ratio,
    parse_weight,
    ratio,
    weight,
)


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("2s", 2), ("1.5m", 90), ("1h", 3600), ("7d", 604_800), ("0s", 0)]
)
def test_a_duration_is_read_in_seconds(text, seconds):
    assert parse_duration(text) == seconds, f"{text} would last another time than was written"


@pytest.mark.parametrize("text", ["", "5", 5, "-1s", "1 s", "1w", "1h30m", "1e3s", "0.5ms", "٣s", None, "9" * 99 + "s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(RefusedError):
        parse_duration(text)


@given(st.integers(0, 400 * 86_400_000))
def test_every_duration_is_read_back_as_it_was_written(milliseconds):
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds, "a duration changes when settings are written back"


@given(st.integers(0, 10_000))
def test_every_weight_is_exact(basis_points):
    written = format_weight(basis_points)
    assert parse_weight(written) == basis_points, "the candidate would get another share than was written"
    assert parse_weight(f"{written}%") == basis_points


@pytest.mark.parametrize(
    ("value", "predicate"),
    [
        (150, "is more than 100 %"),
        (100.01, "is more than 100 %"),
        (-1, "is less than 0 %"),
        (33.333, "has more than two decimals"),
        (0.001, "has more than two decimals"),
        (float("nan"), "is not a percentage"),
        (float("inf"), "is not a percentage"),
        (True, "is not a percentage"),
        ("ten", "is not a percentage"),
        ((), "is not a percentage"),
    ],
)
def test_a_weight_that_no_gateway_can_give_is_refused_not_rounded(value, predicate):
    with pytest.raises(RefusedError) as refused:
        parse_weight(value)
    assert refused.value.predicate == predicate


@given(st.integers(0, 100_000_000))
def test_every_ratio_is_read_back_as_it_was_written(millionths_of_a_percent):
    written = format_ratio(millionths_of_a_percent / 1e8)
    assert parse_ratio(written) == millionths_of_a_percent / 1e8, f"{written} is judged by another limit"


def test_a_ratio_without_its_sign_is_refused():
    with pytest.raises(RefusedError, match="such as 5%"):
        parse_ratio(5)


@pytest.mark.parametrize(
    ("quantity", "value", "predicate"),
    [
        (duration("1s", "1h"), "999ms", "is shorter than 1s"),
        (duration("1s", "1h"), "61m", "is longer than 1h"),
        (weight(), 0, "gives the candidate no request to be judged by"),
        (ratio("1%", "20%"), "0.5%", "is less than 1%"),
        (ratio("1%", "20%"), "21%", "is more than 20%"),
        (ratio("1%", "20%"), "101%", "is more than 100 %"),
        (ratio("1%", "20%"), "1.1234567%", "has more than 6 decimals"),
    ],
)
def test_a_range_is_kept(quantity, value, predicate):
    with pytest.raises(RefusedError) as refused:
        quantity.read(value)
    assert refused.value.predicate == predicate
