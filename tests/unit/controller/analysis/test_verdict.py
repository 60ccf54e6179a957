import json
import math
import random

import pytest

from controller.analysis.evidence import SILENCE_S
from controller.analysis.indicators import Block, Counts
from controller.analysis.objectives import Objective
from controller.analysis.verdict import Judge, Verdict

ERRORS = Objective("errors", "error", max=0.05, margin=0.05)
UNSAFE = Objective("unsafe", "unsafe", max=0.01, guardrail=True)
TASKS = Objective("tasks", "task_failed", margin=0.1)


def judge(*objectives, alpha=0.01, deadline_s=60.0):
    return Judge(objectives, alpha, deadline_s)


def watched(a_judge, *reports, state=None, start_s=0.0, stable_serves=True):
    """The state and the time after one report a second; a report is a dict of blocks."""
    state = state or a_judge.start(start_s)
    for now_s, report in enumerate(reports, start=int(start_s) + 1):
        state = a_judge.update(state, report, float(now_s), stable_serves=stable_serves)
    return state, start_s + len(reports)


def block(candidate_bad, stable_bad, candidate=100, stable=100):
    return Block(Counts(candidate, candidate_bad), Counts(stable, stable_bad))


def verdict(a_judge, *reports, **fields):
    return a_judge.assess(*watched(a_judge, *reports, **fields)).verdict


def test_nothing_seen_is_no_data():
    assert verdict(judge(ERRORS)) is Verdict.NO_DATA, "undecided may mean advance: a silent candidate would pass"


def test_no_objectives_show_nothing():
    assert verdict(judge(), {"error": block(0, 0)}) is Verdict.UNDECIDED, "an unwatched candidate would be promoted"


def test_a_bad_candidate_is_a_breach_within_a_second():
    assessment = judge(ERRORS).assess(*watched(judge(ERRORS), {"error": block(50, 1)}))
    finding = assessment.findings[0]
    assert assessment.verdict is Verdict.BREACH
    assert finding.evidence_ratio >= 1.0
    assert finding.e_value >= 200.0, "its two tests halve alpha, so 1/0.005 is the least"
    assert (finding.candidate, finding.stable) == (Counts(100, 50), Counts(100, 1))


def test_a_breach_stays():
    reports = [{"error": block(50, 1)}] + [{"error": block(0, 0)}] * 50
    assert verdict(judge(ERRORS), *reports) is Verdict.BREACH, "a rollback would be taken back by later luck"


def test_the_test_that_was_breached_first_stays_the_reason():
    a_judge = judge(Objective("errors", "error", max=0.5, margin=0.05))
    reports = [{"error": block(30, 0)}] * 3 + [{"error": Block(Counts(100, 100))}] * 20
    finding = a_judge.assess(*watched(a_judge, *reports)).findings[0]
    assert finding.test == "relative", "the journal would give another reason than the one acted on"


@pytest.mark.parametrize(("objective", "tests"), [(ERRORS, 2), (TASKS, 1), (UNSAFE, 1)])
def test_the_evidence_ratio_is_measured_against_the_share_of_alpha(objective, tests):
    report = {objective.indicator: block(40, 3)}
    finding = judge(objective).assess(*watched(judge(objective), report)).findings[0]
    assert finding.evidence_ratio > 0.0
    assert finding.evidence_ratio == pytest.approx(finding.log_e / math.log(tests / 0.01)), "alpha would be spent twice"


def test_a_failure_that_begins_only_under_traffic_is_seen_at_once():
    reports = [{"error": block(0, 0)}] * 600 + [{"error": block(20, 0)}] * 2
    assert verdict(judge(ERRORS), *reports) is Verdict.BREACH, "ten good minutes would hide what comes after"


def test_a_good_candidate_is_healthy():
    assert verdict(judge(ERRORS), *[{"error": block(1, 1)}] * 20) is Verdict.HEALTHY


def test_healthy_needs_every_guardrail_and_no_more():
    report = {"unsafe": block(0, 0), "error": block(3, 1)}
    assert verdict(judge(ERRORS, UNSAFE), *[report] * 4) is Verdict.UNDECIDED
    assessment = judge(ERRORS, UNSAFE).assess(*watched(judge(ERRORS, UNSAFE), *[report] * 8))
    assert assessment.verdict is Verdict.HEALTHY
    assert [finding.non_inferior for finding in assessment.findings] == [False, True]


def test_without_guardrails_healthy_needs_every_objective():
    report = {"error": block(0, 0), "task_failed": block(9, 2, candidate=20, stable=20)}
    assert verdict(judge(ERRORS), *[report] * 8) is Verdict.HEALTHY
    assert verdict(judge(ERRORS, TASKS), *[report]) is Verdict.UNDECIDED


def test_a_margin_of_zero_does_not_forbid_promotion():
    unsafe = Objective("unsafe", "unsafe", max=0.05, margin=0.0, guardrail=True)
    assert verdict(judge(unsafe), *[{"unsafe": block(0, 0)}] * 10) is Verdict.HEALTHY
    assert verdict(judge(Objective("u", "unsafe", margin=0.0)), *[{"unsafe": block(0, 0)}] * 10) is Verdict.UNDECIDED


class TestWithoutStable:
    good, bad = {"error": Block(Counts(100, 1))}, {"error": Block(Counts(100, 40))}

    def test_that_gets_nothing_the_absolute_test_decides(self):
        assert verdict(judge(ERRORS), *[self.good] * 10, stable_serves=False) is Verdict.HEALTHY
        reports = [self.good] * 10 + [self.bad] * 3
        assert verdict(judge(ERRORS), *reports, stable_serves=False) is Verdict.BREACH, (
            "at 100 % a bad candidate would stay"
        )

    def test_that_is_not_known_to_count_the_indicator_nobody_waits(self):
        a_judge = judge(ERRORS)
        state = a_judge.start(0.0, counted=())
        assert verdict(a_judge, *[self.bad] * 3, state=state) is Verdict.BREACH, "outcomes that stable never reports"
        spoken, now_s = watched(a_judge, {"error": block(0, 0)}, state=state)
        assert verdict(a_judge, self.bad, state=spoken, start_s=now_s) is Verdict.UNDECIDED

    def test_that_never_counts_the_indicator_the_absolute_test_decides_after_a_silence(self):
        silence = int(SILENCE_S)
        assert verdict(judge(ERRORS), *[self.good] * (silence - 1)) is Verdict.UNDECIDED
        assert verdict(judge(ERRORS), *[self.good] * silence) is Verdict.HEALTHY, "each rollout would go back undecided"
        assert verdict(judge(ERRORS), *[self.good] * silence, self.bad, self.bad, self.bad) is Verdict.BREACH

    def test_that_has_left_a_bad_candidate_is_seen_within_a_minute(self):
        reports = [{"error": block(0, 0)}] * 30 + [self.bad] * int(SILENCE_S)
        assert verdict(judge(ERRORS), *reports[:-1]) is Verdict.UNDECIDED, "it may be an outage that stable shares"
        assert verdict(judge(ERRORS), *reports) is Verdict.BREACH, "a candidate would fail for ever beside it"

    def test_that_serves_again_it_is_waited_for_again(self):
        state, now_s = watched(judge(ERRORS), *[self.good] * 5, stable_serves=False)
        reports = [self.bad] * 10
        assert verdict(judge(ERRORS), *reports, state=state, start_s=now_s) is Verdict.UNDECIDED

    def test_a_rare_event_of_stable_is_no_reason_to_wait_for_long(self):
        """At 99 % of 10 requests a second stable has one in 10 s: what it may say would come far too late."""
        state, now_s = watched(judge(ERRORS), *[self.good] * 200, stable_serves=False)
        reports = [{"error": Block(Counts(10), Counts(int(second % 10 == 0)))} for second in range(180)]
        state, now_s = watched(judge(ERRORS), *reports, state=state, start_s=now_s)
        failing = [{"error": Block(Counts(10, 10), Counts(int(second % 10 == 0)))} for second in range(8)]
        assert verdict(judge(ERRORS), *failing, state=state, start_s=now_s) is Verdict.BREACH

    def test_a_pause_of_stable_does_not_waive_what_the_comparison_says(self):
        worse = {"error": Block(Counts(100, 3), Counts(100, 0))}
        a_judge = judge(Objective("errors", "error", max=0.08, margin=0.01))
        reports = [worse] * 3 + [{"error": Block(Counts(100, 3))}] * 200
        for length in range(4, len(reports), 7):
            assert verdict(a_judge, *reports[:length]) is not Verdict.HEALTHY, "a worse candidate would be promoted"

    def test_what_it_said_last_is_no_common_cause_for_ever(self):
        state, now_s = watched(judge(ERRORS), *[{"error": block(30, 30)}] * 5)
        assert judge(ERRORS).assess(state, now_s).verdict is Verdict.COMMON_CAUSE
        alone = {"error": Block(Counts(100, 12))}
        assert verdict(judge(ERRORS), alone, state=state, start_s=now_s, stable_serves=False) is Verdict.UNDECIDED

    def test_an_objective_of_never_waits_for_nobody(self):
        never = judge(Objective("unsafe", "unsafe", max=0.0, guardrail=True))
        one = {"unsafe": Block(Counts(1, 1))}
        assert verdict(never, one, {}, {}) is Verdict.BREACH, "an unsafe answer would wait for stable to answer"


def test_an_objective_with_only_a_margin_needs_stable():
    assert verdict(judge(TASKS), *[{"task_failed": Block(Counts(100, 90))}] * 9) is Verdict.UNDECIDED
    assert verdict(judge(TASKS), {"task_failed": block(90, 5)}) is Verdict.BREACH


def test_never_means_never():
    never = Objective("unsafe", "unsafe", max=0.0, guardrail=True)
    reports = [{"unsafe": block(0, 0)}] * 500
    assert verdict(judge(never), *reports) is not Verdict.BREACH
    assert verdict(judge(never), *reports, {"unsafe": block(1, 3)}) is Verdict.BREACH


class TestNoData:
    def test_no_candidate_events_for_the_deadline(self):
        a_judge = judge(ERRORS, deadline_s=10.0)
        one, silence = {"error": Block(Counts(1, 0))}, {"error": Block(stable=Counts(100, 0))}
        assert verdict(a_judge, one, *[silence] * 9) is Verdict.UNDECIDED
        assert verdict(a_judge, one, *[silence] * 10) is Verdict.NO_DATA, "a candidate that says nothing is promoted"

    def test_one_source_that_stopped_is_enough(self):
        a_judge = judge(ERRORS, TASKS, deadline_s=10.0)
        both = {"error": block(0, 0), "task_failed": block(0, 0)}
        assert verdict(a_judge, *[both] * 30) is Verdict.HEALTHY
        reports = [both] * 30 + [{"error": block(0, 0)}] * 10
        assessment = a_judge.assess(*watched(a_judge, *reports))
        assert assessment.verdict is Verdict.NO_DATA, "the agent stopped telling its outcomes, and goes on"
        assert [finding.verdict for finding in assessment.findings] == [Verdict.HEALTHY, Verdict.NO_DATA]

    def test_a_breach_is_graver(self):
        a_judge = judge(ERRORS, TASKS, deadline_s=10.0)
        assert verdict(a_judge, *[{"error": block(50, 0)}] * 10) is Verdict.BREACH

    def test_a_pause_does_not_count(self):
        a_judge = judge(ERRORS, deadline_s=10.0)
        state, now_s = watched(a_judge, {"error": block(0, 0)})
        state = a_judge.resume(state, now_s + 500)
        assert a_judge.assess(state, now_s + 501).verdict is Verdict.UNDECIDED


def outage(rate, seconds, share, rng, requests=200, per_s=2):
    """Reports of an outage that both tracks share, `per_s` a second."""
    for _ in range(seconds * per_s):
        total = requests // per_s
        candidate = sum(rng.random() < share for _ in range(total))
        counts = [Counts(n, sum(rng.random() < rate for _ in range(n))) for n in (candidate, total - candidate)]
        yield {"error": Block(*counts)}


@pytest.mark.parametrize("objective", [ERRORS, Objective("errors", "error", max=0.01)])
@pytest.mark.parametrize(("rate", "share"), [(0.3, 0.1), (0.6, 0.1), (0.45, 0.5), (0.3, 0.9)])
def test_an_outage_that_stable_shares_is_a_common_cause_and_no_breach(objective, rate, share):
    a_judge = judge(objective)
    blamed = 0
    for seed in range(15):
        rng = random.Random(seed)
        normal = list(outage(0.002, 10, share, rng))
        state, now_s = watched(a_judge, *normal)
        during = set()
        for report in outage(rate, 8, share, rng):
            now_s += 0.5
            state = a_judge.update(state, report, now_s)
            during.add(a_judge.assess(state, now_s).verdict)
        assert Verdict.COMMON_CAUSE in during, "nobody would be told why the rollout stands still"
        state, now_s = watched(a_judge, *outage(0.002, 15, share, rng), state=state, start_s=now_s)
        assert a_judge.assess(state, now_s).verdict is not Verdict.COMMON_CAUSE, "it would pause long after the outage"
        blamed += a_judge.assess(state, now_s).verdict is Verdict.BREACH
    assert blamed <= 1, "an innocent candidate would be rolled back for an outage upstream"


def test_a_failing_stable_does_not_hold_a_good_candidate_up():
    report = {"error": block(1, 40)}
    assert verdict(judge(ERRORS), *[report] * 10) is Verdict.HEALTHY, "the cure would be stopped by the disease"


def test_a_past_outage_excuses_nothing_later():
    rng = random.Random(1)
    reports = [*outage(0.002, 10, 0.3, rng), *outage(0.5, 8, 0.3, rng), *outage(0.002, 10, 0.3, rng)]
    bad = [{"error": block(30, 0)}] * 3
    assert verdict(judge(Objective("errors", "error", max=0.01)), *reports, *bad) is Verdict.BREACH


def test_a_candidate_worse_than_a_failing_stable_is_not_excused():
    assert verdict(judge(ERRORS), *[{"error": block(80, 30)}] * 3) is Verdict.BREACH


class TestRecord:
    a_judge = judge(ERRORS, UNSAFE)

    def test_a_restarted_controller_has_the_same_e_values(self):
        state, now_s = watched(self.a_judge, *[{"error": block(4, 1), "unsafe": block(0, 0)}] * 7)
        again = self.a_judge.from_record(json.loads(json.dumps(self.a_judge.to_record(state))), now_s)
        assert self.a_judge.assess(again, now_s) == self.a_judge.assess(state, now_s)
        assert again == self.a_judge.resume(state, now_s)

    def test_a_changed_objective_starts_without_evidence(self):
        state, now_s = watched(self.a_judge, {"error": block(50, 0), "unsafe": block(0, 0)})
        record = self.a_judge.to_record(state)
        changed = judge(Objective("errors", "error", max=0.6, margin=0.6), UNSAFE, TASKS)
        restored = changed.from_record(record, now_s)
        assert changed.assess(restored, now_s).verdict is Verdict.NO_DATA
        assert restored.evidence["unsafe"].candidate == Counts(100, 0), "what still holds would be thrown away"

    def test_an_assessment_is_json(self):
        record = self.a_judge.assess(*watched(self.a_judge, {"error": block(10**6, 0, candidate=10**6)})).to_record()
        text = json.dumps(record, allow_nan=False)
        assert json.loads(text)["findings"][0]["candidate"] == {"valid": 10**6, "bad_fraction": 1.0}
        assert math.isfinite(record["findings"][0]["e_value"])
        assert record["findings"][1]["candidate"]["bad_fraction"] is None


@pytest.mark.parametrize(
    ("objectives", "alpha", "deadline_s"),
    [((ERRORS, ERRORS), 0.01, 60.0), ((ERRORS,), 0.0, 60.0), ((ERRORS,), 1.0, 60.0), ((ERRORS,), 0.01, 0.0)],
)
def test_impossible_rules_are_refused(objectives, alpha, deadline_s):
    with pytest.raises(ValueError, match=r"share a name|alpha|deadline"):
        Judge(objectives, alpha, deadline_s)
