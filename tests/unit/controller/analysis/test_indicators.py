import pytest

from controller.analysis.indicators import Block, Counts, latency_over


def test_counts_add_up():
    assert Counts(10, 2) + Counts(5, 1) == Counts(15, 3), "events of two reporters would not be summed"
    assert Counts(10, 2).good == 8


@pytest.mark.parametrize(("valid", "bad"), [(-1, 0), (1, 2), (1, -1)])
def test_impossible_counts_are_refused(valid, bad):
    with pytest.raises(ValueError, match="cannot be bad"):
        Counts(valid, bad)


def test_no_events_have_no_fraction():
    assert Counts().bad_fraction is None, "absent data would read as 0 % bad: healthy"
    assert Counts(8, 2).bad_fraction == 0.25


def test_blocks_add_track_by_track():
    block = Block(Counts(1, 1), Counts(9, 0)) + Block(Counts(2, 0), Counts(8, 3))
    assert block == Block(Counts(3, 1), Counts(17, 3)), "one track's events would count for the other"


def test_a_latency_limit_has_one_name():
    assert latency_over(2) == latency_over(2.0) == "latency_over:2s", "two spellings would be two indicators"
    assert latency_over(0.25) == "latency_over:0.25s"
    with pytest.raises(ValueError, match="positive"):
        latency_over(0)
