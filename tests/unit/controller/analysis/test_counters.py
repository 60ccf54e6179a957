import json

import pytest

from controller.analysis import counters
from controller.analysis.counters import Cumulative, Ledger, Reading, Series, blocks
from controller.analysis.indicators import Block, Counts

BAD = Series("2.0.0", "error")
GOOD = Series("1.0.0", "error")


def reading(valid, bad=0, *, reporter="edge/envoy-1", epoch="a", series=BAD):
    return Reading(reporter, epoch, {series: Cumulative(valid, bad)})


def taken(*readings):
    """The new events of BAD at the last of several looks."""
    ledger, new = Ledger(), {}
    for each in readings:
        ledger, new = ledger.take([each])
    return new.get(BAD)


def test_what_happened_before_the_watch_is_nobodys():
    assert taken(reading(1_000, 400)) is None, "a new candidate would inherit the errors of an earlier try"


def test_the_difference_is_counted_once():
    assert taken(reading(1_000, 400), reading(1_010, 401)) == Counts(10, 1)
    assert taken(reading(1_000, 400), reading(1_010, 401), reading(1_010, 401)) is None


def test_a_counter_that_appears_at_a_known_reporter_began_at_zero():
    ledger, _ = Ledger().take([reading(50, series=GOOD)])
    _, new = ledger.take([reading(7, 3)])
    assert new == {BAD: Counts(7, 3)}, "a candidate's first errors would be taken for history"


def test_a_counter_left_out_has_not_moved():
    ledger, _ = Ledger().take([reading(100, 10)])
    ledger, new = ledger.take([Reading("edge/envoy-1", "a", {})])
    assert new == {}, "a quiet locality would read as events"
    _, new = ledger.take([reading(103, 11)])
    assert new == {BAD: Counts(3, 1)}, "a quiet locality would read as a reset"


@pytest.mark.parametrize("after", [reading(5, 1), reading(5, 1, epoch="b"), reading(100, 1)])
def test_a_reset_begins_again_at_zero(after):
    new = taken(reading(100, 10), after)
    assert new == Counts(after.counters[BAD].valid, 1), "a restarted gateway would make counts negative, or lose them"


def test_a_new_epoch_is_a_reset_even_when_counters_have_grown():
    assert taken(reading(100, 10), reading(120, 11, epoch="b")) == Counts(120, 11)


def test_reporters_are_summed():
    first = [reading(0, reporter="edge/envoy-1"), reading(10, reporter="edge/envoy-2")]
    ledger, _ = Ledger().take(first)
    _, new = ledger.take([reading(5, 1, reporter="edge/envoy-1"), reading(12, 2, reporter="edge/envoy-2")])
    assert new == {BAD: Counts(7, 3)}


def test_bad_events_that_outrun_their_valid_ones_wait():
    ledger, _ = Ledger().take([reading(0)])
    ledger, new = ledger.take([reading(1, 3)])
    assert new == {BAD: Counts(1, 1)}
    ledger, new = ledger.take([reading(6, 3)])
    assert new == {BAD: Counts(5, 2)}, "two counters read one after the other would lose a failure"


def test_a_negative_counter_is_refused():
    with pytest.raises(ValueError, match="negative"):
        Cumulative(-1, 0)


def test_the_ledger_is_bounded(monkeypatch):
    monkeypatch.setattr(counters, "REPORTERS_MAX", 3)
    ledger = Ledger()
    for name in "abcda":
        ledger, _ = ledger.take([reading(10, reporter=name)])
    assert list(ledger.reporters) == ["c", "d", "a"], "pods that come and go would fill the memory"


def test_a_restart_counts_on_where_it_was():
    ledger, _ = Ledger().take([reading(100, 10)])
    again = Ledger.from_record(json.loads(json.dumps(ledger.to_record())))
    assert again == ledger
    assert again.take([reading(101, 11)])[1] == {BAD: Counts(1, 1)}


def test_blocks_put_both_tracks_side_by_side():
    new = {BAD: Counts(5, 1), Series("1.0.0", "unsafe"): Counts(9, 0), Series("0.9.0", "slow"): Counts(3, 3)}
    assert blocks(new, candidate="2.0.0", stable="1.0.0") == {
        "error": Block(candidate=Counts(5, 1)),
        "unsafe": Block(stable=Counts(9, 0)),
    }, "a version that plays no part would be judged"


def test_what_is_counted_of_a_version_is_known_before_it_has_moved():
    quiet = Series("1.0.0", "unsafe")
    ledger, _ = Ledger().take([reading(50, series=GOOD), reading(0, series=quiet, reporter="edge/envoy-2")])
    assert ledger.indicators("1.0.0") == {"error", "unsafe"}
    assert ledger.indicators("2.0.0") == frozenset()
