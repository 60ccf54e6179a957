import pytest

from controller.drain.decision import Drain, decide


@pytest.mark.parametrize(
    ("in_flight", "now_s", "expected"),
    [
        (3, 9.0, Drain.WAIT),
        (0, 9.0, Drain.DONE),
        (3, 10.0, Drain.FORCE),
        (0, 10.0, Drain.DONE),
        (None, 9.0, Drain.WAIT),
        (None, 11.0, Drain.FORCE),
    ],
)
def test_a_track_is_left_when_empty_or_late(in_flight, now_s, expected):
    assert decide(in_flight, now_s, deadline_s=10.0) is expected, "a stream would be cut early, or waited on for ever"
