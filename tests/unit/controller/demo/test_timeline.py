"""When which split was followed, as told by the controller's news."""

from __future__ import annotations

from controller.demo.timeline import Moment, Window, last, windows


def moment(at_s, what, percent=0.0, heard_late_s=0.01):
    return Moment(at_s, at_s + heard_late_s, what, "", percent)


def test_a_window_opens_when_a_split_is_known_to_be_confirmed_and_closes_with_the_next_decision():
    moments = [
        moment(1.0, "deploying"),
        moment(2.0, "step", 1),
        moment(3.0, "confirmed", 1),
        moment(6.0, "step", 10),
        moment(6.5, "confirmed", 10),
        moment(9.0, "rolling-back", 0),
    ]
    assert list(windows(moments, 20.0)) == [Window(1, 3.01, 6.0), Window(10, 6.51, 9.0)], (
        "requests of another split would count for this one"
    )


def test_a_pause_does_not_end_a_window():
    moments = [
        moment(1.0, "confirmed", 10),
        moment(2.0, "paused", 10),
        moment(5.0, "resumed", 10),
        moment(5.0, "confirmed", 10),
    ]
    assert list(windows(moments, 7.0)) == [Window(10, 1.01, 7.0)], "the share of a paused step would not be shown"


def test_a_confirmed_rollback_is_no_share():
    assert list(windows([moment(1.0, "confirmed", 0.0)], 7.0)) == []


def test_a_window_is_never_negative():
    assert list(windows([moment(5.0, "confirmed", 50), moment(5.0, "promoted")], 9.0)) == [Window(50, 5.01, 5.01)]


def test_the_last_of_a_name():
    moments = [moment(1.0, "step", 1), moment(2.0, "step", 10), moment(3.0, "confirmed", 10)]
    assert last(moments, "step") is moments[1]
    assert last(moments, "paused") is None
