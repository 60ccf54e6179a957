import math
from dataclasses import replace

import pytest

from adapters.port import Split, Track
from controller.analysis.counters import Series
from controller.analysis.indicators import ERROR, TASK_FAILED, Counts
from controller.runtime.traffic import Traffic, track_of
from tests.unit.controller.runtime.stage import NEW, OLD, STATE, observed

GUIDED = replace(STATE, candidate=NEW, split=Split(1000))


@pytest.fixture
def traffic():
    return Traffic()


def test_the_role_of_a_version():
    assert track_of(OLD.name, GUIDED) is Track.STABLE
    assert track_of(NEW.name, GUIDED) is Track.CANDIDATE
    assert track_of(NEW.name, STATE) is None, "requests of a version that only drains would be a track's"


def test_requests_are_summed_per_gateway_and_track(traffic):
    new = {
        Series(OLD.name, ERROR): Counts(90, 1),
        Series(NEW.name, ERROR): Counts(10, 2),
        Series(NEW.name, TASK_FAILED): Counts(10, 5),
        Series("1.0.0", ERROR): Counts(3, 3),
    }
    traffic.take(observed(), new, GUIDED, 1.0)
    traffic.take(observed(), new, GUIDED, 2.0)
    assert traffic.requests == {("edge", Track.STABLE): Counts(180, 2), ("edge", Track.CANDIDATE): Counts(20, 4)}


def test_a_share_is_counted_from_the_first_figures_after_its_confirmation(traffic):
    traffic.confirmed("edge", Split(1000), 10.0)
    traffic.take(observed(age_s=2.0, old=(100, 0), new=(0, 0)), {}, GUIDED, 11.0)
    assert traffic.share_requests("edge") == {}, "figures from before the confirmation speak of another split"
    traffic.take(observed(old=(200, 0), new=(5, 0)), {}, GUIDED, 12.0)
    traffic.take(observed(old=(290, 0), new=(15, 0)), {}, GUIDED, 13.0)
    assert traffic.share_requests("edge") == {OLD.name: 90, NEW.name: 10}


def test_the_same_split_confirmed_again_goes_on_counting(traffic):
    traffic.confirmed("edge", Split(1000), 10.0)
    traffic.take(observed(old=(100, 0)), {}, GUIDED, 11.0)
    traffic.confirmed("edge", Split(1000), 12.0)
    traffic.take(observed(old=(150, 0)), {}, GUIDED, 13.0)
    assert traffic.share_requests("edge") == {OLD.name: 50}
    traffic.confirmed("edge", Split(2000), 14.0)
    assert traffic.share_requests("edge") == {}


def test_a_gateway_that_restarted_does_not_count_backwards(traffic):
    traffic.confirmed("edge", Split(1000), 10.0)
    traffic.take(observed(old=(100, 0)), {}, GUIDED, 11.0)
    traffic.take(observed(epoch="2", old=(3, 0)), {}, GUIDED, 12.0)
    assert traffic.share_requests("edge") == {}, "a negative number of requests"


def test_in_flight_is_the_sum_over_gateways(traffic):
    for gateway, open_now in (("edge", 2), ("inner", 3)):
        traffic.take(observed(gateway, in_flight={OLD.name: open_now}), {}, STATE, 10.0)
    assert traffic.in_flight(OLD.name, ("edge", "inner"), 10.0) == 5
    assert traffic.in_flight(OLD.name, ("edge",), 10.0) == 2


def test_in_flight_is_unknown_unless_every_gateway_has_said_it_since(traffic):
    traffic.take(observed("edge", in_flight={OLD.name: 0}), {}, STATE, 10.0)
    assert traffic.in_flight(OLD.name, ("edge", "inner"), 10.0) is None, "a gateway that says nothing is not idle"
    assert traffic.in_flight(NEW.name, ("edge",), 10.0) is None, "a version that is not reported is not idle"
    assert traffic.in_flight(OLD.name, ("edge",), 10.5) is None, "old figures say nothing of now"
    traffic.take(observed("edge", in_flight={OLD.name: 0}, age_s=3.0), {}, STATE, 12.0)
    assert traffic.in_flight(OLD.name, ("edge",), 10.5) is None, "figures that came late are old"
    assert traffic.in_flight(OLD.name, ("edge",), -math.inf) == 0


def test_a_gateway_that_is_gone_is_forgotten(traffic):
    traffic.confirmed("edge", Split(1000), 10.0)
    traffic.take(observed(old=(1, 0)), {Series(OLD.name, ERROR): Counts(1, 0)}, GUIDED, 11.0)
    traffic.forget(["edge"])
    assert (traffic.newest, dict(traffic.requests), traffic.share_requests("edge")) == ({}, {}, {})
