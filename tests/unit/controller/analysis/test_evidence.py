import dataclasses
import itertools
import json
import math

import pytest
from scipy import stats

from controller.analysis.evidence import BLOCK_EVENTS_MIN, EVENT_WORTH_S, PATIENCE_S, SILENCE_S, Evidence
from controller.analysis.indicators import Block, Counts
from controller.analysis.objectives import Objective

BOTH = Objective("errors", "error", max=0.05, margin=0.01)
FULL = Block(Counts(10, 1), Counts(90, 2))


def judged(evidence, objective, *given):
    for block in given:
        evidence = evidence.gathering(block, 0.0).judged(objective)
    return evidence


def test_sparse_reports_are_gathered_until_both_tracks_speak():
    few = BLOCK_EVENTS_MIN - 1
    evidence = Evidence(0.0, 60.0).gathering(Block(Counts(few), Counts(50)), 1.0)
    assert not evidence.ripe(1.0, waits=True)
    evidence = evidence.gathering(Block(Counts(1)), 1.5)
    assert evidence.ripe(1.5, waits=True)
    assert evidence.pending == Block(Counts(few + 1), Counts(50)), "events would be judged twice, or lost"


@pytest.mark.parametrize("lone", [Block(Counts(1, 1), Counts(1)), Block(stable=Counts(1))])
def test_patience_ends(lone):
    evidence = Evidence(0.0, 60.0).gathering(lone, 1.0)
    assert not evidence.ripe(1.0 + PATIENCE_S / 2, waits=True)
    assert evidence.gathering(Block(), 1.0 + PATIENCE_S).ripe(1.0 + PATIENCE_S, waits=True), "it would wait for ever"


def test_nothing_is_never_ripe():
    assert not Evidence(0.0, 60.0).gathering(Block(), 99.0).ripe(99.0, waits=False)


def test_without_stable_nothing_is_compared_until_it_speaks_and_the_candidates_own_tests_go_on():
    before = Evidence(0.0, 60.0).gathering(Block(Counts(500, 400)), 1.0)
    assert not before.ripe(1.5, waits=True)
    assert before.ripe(3.0, waits=True)
    waiting = before.judged(BOTH, waits=True)
    assert waiting.log_e_absolute == waiting.log_e_relative == pytest.approx(0.0), (
        "a gap in stable's traffic would blame a candidate for what hits both"
    )
    assert waiting.candidate_alarm.up
    assert waiting.shown_absolute.log_e < 0.0, "a step would end on what was true before the gap"
    assert waiting.judged(BOTH, waits=True) == waiting, "each look would show the same events again"
    spoken = waiting.gathering(Block(Counts(10, 8), Counts(5)), 9.0).judged(BOTH, waits=True)
    at_once = Evidence(0.0, 60.0).gathering(Block(Counts(510, 408), Counts(5)), 9.0).judged(BOTH, waits=True)
    for name in ("against_absolute", "guard", "against_relative", "shown_relative", "pending", "alone"):
        assert getattr(spoken, name) == getattr(at_once, name), "events would be compared twice, or lost"
    assert spoken.shown_absolute.blocks == 2


def test_without_stable_the_candidate_is_judged_at_once():
    evidence = Evidence(0.0, 0.0).gathering(Block(Counts(50, 1)), 1.0)
    assert evidence.ripe(1.0, waits=False), "at 100 % every report would wait for a stable that has no traffic"
    lone = Evidence(0.0, 0.0).gathering(Block(Counts(1, 1)), 1.0)
    assert not lone.ripe(1.5, waits=False)
    assert lone.ripe(1.0 + PATIENCE_S, waits=False), "a lone failure would wait for ever"


def test_stable_is_waited_for_as_long_as_it_was_heard():
    def until_s(evidence, *events):
        for at_s, valid in events:
            evidence = evidence.gathering(Block(Counts(1), Counts(valid)), at_s)
        return evidence.stable_until_s

    gone = Evidence(0.0, 0.0)
    assert until_s(gone, (10.0, 0)) == 0.0
    assert until_s(gone, (10.0, 1)) == 10.0 + EVENT_WORTH_S
    assert until_s(gone, (10.0, 1), (12.0, 2), (13.0, 0)) == 10.0 + 3 * EVENT_WORTH_S
    assert until_s(gone, (10.0, 1), (99.0, 1)) == 99.0 + EVENT_WORTH_S, "an hour's credit would outlive the traffic"
    assert until_s(gone, (10.0, 10**6)) == 10.0 + SILENCE_S, "a candidate would fail for ever beside a stable that left"


def test_a_guess_is_fixed_before_its_block_is_seen():
    one = judged(Evidence(0.0, 0.0), BOTH, Block(Counts(10, 1), Counts(90, 45)))
    other = judged(Evidence(0.0, 0.0), BOTH, Block(Counts(10, 1), Counts(90, 45)))
    assert one == other
    assert one.stable_rate.guess > 0.2
    assert Evidence(0.0, 0.0).stable_rate.guess == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("objective", "moves", "stays"),
    [
        (Objective("a", "error", max=0.05), "against_absolute guard shown_absolute", "against_relative shown_relative"),
        (Objective("a", "error", margin=0.05), "against_relative shown_relative", "against_absolute guard"),
    ],
)
def test_only_what_is_asked_for_is_tested(objective, moves, stays):
    before, after = Evidence(0.0, 0.0), judged(Evidence(0.0, 0.0), objective, FULL)
    assert all(getattr(after, each) != getattr(before, each) for each in moves.split())
    assert all(getattr(after, each) == getattr(before, each) for each in stays.split())


def test_stable_alone_moves_no_evidence_of_the_candidate():
    before = Evidence(0.0, 0.0)
    after = judged(before, BOTH, Block(stable=Counts(100, 90)))
    assert after.against_absolute == before.against_absolute
    assert after.log_e_absolute == after.log_e_relative == pytest.approx(0.0)
    assert after.stable_alarm.up


def test_during_stables_alarm_only_what_remains_beside_stable_counts():
    outage = Block(Counts(50, 25), Counts(50, 25))
    evidence = judged(Evidence(0.0, 0.0), Objective("a", "error", max=0.01), *[outage] * 20)
    assert evidence.stable_alarm.up
    assert evidence.against_absolute.log_e < 1.0, "after the outage the candidate would still pay for it"


def test_within_its_margin_of_a_failing_stable_a_candidate_is_excused():
    objective = Objective("a", "error", max=0.1, margin=0.05)
    outage = [Block(Counts(2_000, 670), Counts(2_000, 600))] * 20
    assert judged(Evidence(0.0, 0.0), objective, *outage).log_e_absolute < 2.0, (
        "its own 3.5 % are within its objectives"
    )
    beyond = [Block(Counts(2_000, 1_000), Counts(2_000, 600))] * 20
    assert judged(Evidence(0.0, 0.0), objective, *beyond).log_e_absolute > 20.0


def test_waiting_for_stable_leaves_every_mean_at_one_or_below():
    """Over all outcomes of five reports, of which two have an event of stable; both tracks suffer alike."""
    reports = [(2, 0), (2, 0), (1, 1), (2, 0), (2, 2)]
    rates = [0.9, 0.9, 0.9, 0.2, 0.2]
    mean = dict.fromkeys(("guard", "against_relative", "log_e_absolute"), 0.0)
    for bad in itertools.product(*(range(n + 1) for report in reports for n in report)):
        evidence, chance = Evidence(0.0, 60.0), 1.0
        for report, rate, bad_c, bad_s in zip(range(5), rates, bad[::2], bad[1::2], strict=True):
            n_c, n_s = reports[report]
            chance *= stats.binom.pmf(bad_c, n_c, rate) * stats.binom.pmf(bad_s, n_s, rate)
            evidence = evidence.gathering(Block(Counts(n_c, bad_c), Counts(n_s, bad_s)), 3.0 * report)
            if evidence.ripe(3.0 * report, waits=True):
                evidence = evidence.judged(BOTH, waits=True)
        assert evidence.guard.blocks == 2
        for name in mean:
            found = getattr(evidence, name)
            mean[name] += chance * math.exp(found if isinstance(found, float) else found.log_e)
    assert max(mean.values()) <= 1 + 1e-9, f"a candidate would be blamed for an outage that stable shares: {mean}"


def test_no_test_wins_beforehand_what_the_other_still_lacks():
    """A candidate that is worse than stable, within its max, is none the nearer to a breach when an outage comes."""
    quiet = judged(
        Evidence(0.0, 0.0), Objective("a", "error", max=0.05), *[Block(Counts(500, 15), Counts(500, 1))] * 50
    )
    assert quiet.guard.backed_by(quiet.against_absolute) == quiet.guard, "the first seconds of an outage would decide"
    assert quiet.log_e_absolute < 0.0


def test_a_candidate_far_worse_than_a_failing_stable_is_still_seen():
    blocks = [Block(Counts(50, 45), Counts(50, 15))] * 20
    assert judged(Evidence(0.0, 0.0), Objective("a", "error", max=0.01), *blocks).log_e_absolute > 20


def test_a_record_brings_back_every_bit():
    evidence = judged(Evidence(0.0, 0.0), BOTH, FULL, Block(Counts(7, 7), Counts(3, 1))).gathering(FULL, 5.0)
    again = Evidence.from_record(json.loads(json.dumps(evidence.to_record(), allow_nan=False)), 5.0)
    expected = dataclasses.replace(evidence, candidate_seen_s=5.0, stable_until_s=5.0 + SILENCE_S)
    assert again == expected, "e-values would change"
