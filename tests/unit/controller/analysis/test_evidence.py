import dataclasses
import json

import pytest

from controller.analysis.evidence import BLOCK_EVENTS_MIN, PATIENCE_S, Evidence
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
    evidence = Evidence(0.0, 0.0).gathering(Block(Counts(few), Counts(50)), 1.0)
    assert not evidence.ripe(1.0)
    evidence = evidence.gathering(Block(Counts(1)), 1.5)
    assert evidence.ripe(1.5)
    assert evidence.pending == Block(Counts(few + 1), Counts(50)), "events would be judged twice, or lost"


def test_patience_ends():
    evidence = Evidence(0.0, 0.0).gathering(Block(Counts(1, 1)), 1.0)
    assert not evidence.ripe(1.0 + PATIENCE_S / 2)
    assert evidence.gathering(Block(), 1.0 + PATIENCE_S).ripe(1.0 + PATIENCE_S), "a lone failure would wait for ever"


def test_nothing_is_never_ripe():
    assert not Evidence(0.0, 0.0).gathering(Block(), 99.0).ripe(99.0)


def test_without_stable_the_candidate_is_judged_at_once():
    evidence = Evidence(0.0, 0.0).gathering(Block(Counts(50, 1)), PATIENCE_S)
    assert evidence.stable_idle(PATIENCE_S)
    assert evidence.ripe(PATIENCE_S), "at 100 % every report would wait for a stable that has no traffic"


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


def test_a_candidate_far_worse_than_a_failing_stable_is_still_seen():
    blocks = [Block(Counts(50, 45), Counts(50, 15))] * 20
    assert judged(Evidence(0.0, 0.0), Objective("a", "error", max=0.01), *blocks).log_e_absolute > 20


def test_a_record_brings_back_every_bit():
    evidence = judged(Evidence(0.0, 0.0), BOTH, FULL, Block(Counts(7, 7), Counts(3, 1))).gathering(FULL, 5.0)
    again = Evidence.from_record(json.loads(json.dumps(evidence.to_record(), allow_nan=False)), 5.0)
    assert again == dataclasses.replace(evidence, candidate_seen_s=5.0, stable_seen_s=5.0), "e-values would change"
