import json
from dataclasses import replace

import pytest

from adapters.port import Split
from controller.analysis.indicators import Block, Counts
from controller.analysis.objectives import Objective
from controller.analysis.verdict import Judge, Verdict
from controller.metrics.readings import reading
from controller.rollout.state import Phase
from controller.runtime.watch import Watch, Watched, blocks_of, serves_stable, watched
from tests.unit.controller.runtime.stage import ERRORS, NEW, OLD, STATE, observed

TASKS = Objective("tasks", "task_failed", max=0.2)
JUDGE = Judge((ERRORS,), 0.05, 10.0)
WHOM = Watched(NEW.name, OLD.name)


def look(candidate_bad=0, stable_bad=0, events=100):
    return {"error": Block(Counts(events, candidate_bad), Counts(events, stable_bad))}


def begun(*looks, judge=JUDGE, now_s=0.0):
    watch = Watch(judge)
    watch.count(reading(observed(old=(0, 0))))
    watch.begin(now_s, WHOM)
    for at_s, found, *stable_serves in looks:
        watch.weigh(found, at_s, stable_serves=all(stable_serves))
    return watch


class TestWatched:
    def test_a_candidate_with_traffic(self):
        assert watched(replace(STATE, candidate=NEW, split=Split(1))) == Watched(NEW.name, OLD.name)
        assert watched(replace(STATE, candidate=NEW, split=Split(0, 500))) == Watched(NEW.name, OLD.name)

    def test_nobody_without_traffic(self):
        assert watched(replace(STATE, candidate=NEW)) is None

    @pytest.mark.parametrize("phase", [Phase.PROMOTED, Phase.IDLE, Phase.EXPIRED])
    def test_the_new_stable_while_the_old_one_is_kept(self, phase):
        state = replace(STATE, stable=NEW, previous=OLD, phase=phase)
        assert watched(state) == Watched(NEW.name, OLD.name), "the next proposal would end the watch over the last"


@pytest.mark.parametrize(
    ("state", "serves"),
    [
        (replace(STATE, candidate=NEW, split=Split(9_999)), True),
        (replace(STATE, candidate=NEW, split=Split(10_000)), False),
        (replace(STATE, candidate=NEW, split=Split(0, 10_000)), True),
        (replace(STATE, stable=NEW, previous=OLD, phase=Phase.PROMOTED), False),
        (replace(STATE, stable=NEW, previous=OLD, candidate=OLD, split=Split(500)), True),
    ],
)
def test_whom_the_judged_version_can_be_compared_with(state, serves):
    assert serves_stable(state) is serves, "a failure at 100 % would wait for a stable that gets nothing"


def test_only_what_is_new_is_counted():
    watch = Watch(JUDGE)
    before = watch.count(reading(observed(old=(100, 1), new=(10, 0))))
    assert before == {}, "what happened before nobody looked is nobody's"
    new = watch.count(reading(observed(old=(150, 1), new=(30, 4))))
    assert blocks_of(new, Watched(NEW.name, OLD.name)) == {"error": Block(Counts(20, 4), Counts(50, 0))}
    assert blocks_of(new, None) == {}


def test_a_watch_begins_with_nothing_and_ends():
    watch = begun((1.0, look(60)))
    assert watch.assessment.verdict is Verdict.BREACH
    watch.begin(2.0, WHOM)
    assert watch.weigh({}, 3.0).verdict is Verdict.NO_DATA, "a candidate would be blamed for the one before it"
    watch.end()
    assert watch.weigh(look(60), 4.0) is None
    assert watch.assessment.verdict is Verdict.NO_DATA, "who asks what happened finds nothing"


def test_stable_is_waited_for_where_it_is_known_to_count():
    watch = Watch(Judge((ERRORS, TASKS), 0.05, 10.0))
    watch.count(reading(observed(old=(100, 1))))
    watch.begin(7.0, WHOM)
    until_s = {name: evidence.stable_until_s for name, evidence in watch.judged.evidence.items()}
    assert until_s["errors"] > 60.0
    assert until_s["tasks"] == 7.0, "the first unsafe answers would wait for a version that reports none"


def test_without_objectives_nobody_is_judged():
    watch = begun(judge=None)
    assert watch.weigh(look(60), 1.0) is None
    assert not watch.moves(look(60), 1.0)


def test_a_silent_look_moves_what_waited_to_be_judged():
    watch = begun((1.0, look(1, events=2)))
    assert not watch.moves({}, 1.5)
    assert watch.moves({}, 3.5), "the look would not be written down, and a replay would judge another block"
    assert watch.moves({}, 1.5, stable_serves=False), "a replay would wait for a stable that got nothing"
    assert watch.moves(look(), 1.5)


class TestRestart:
    LOOKS = (
        (1.0, look(3, 1), True),
        (2.0, look(1, events=2), True),
        (4.5, {}, True),
        (5.0, look(2, events=3), True),
        (5.5, look(9, 2), True),
        (6.0, {"error": Block(Counts(30, 1))}, True),
        (6.5, {}, False),
        (7.0, {"error": Block(Counts(3, 1))}, False),
        (8.0, {"error": Block(Counts(3, 1))}, True),
    )

    @pytest.mark.parametrize("checkpoint", range(len(LOOKS) + 1))
    def test_e_values_are_the_same_to_the_bit(self, checkpoint):
        before = begun(*self.LOOKS)
        record = json.loads(json.dumps(begun(*self.LOOKS[:checkpoint]).to_record()))
        after = Watch(JUDGE)
        after.restore(record, self.LOOKS[checkpoint:], now_s=1000.0)
        assert after.to_record()["objectives"] == before.to_record()["objectives"]
        assert after.judged == before.judged

    def test_one_that_had_seen_nothing_yet_is_restored_to_its_own_time(self):
        looks = tuple((float(at_s), {"error": Block(Counts(20, 1))}, True) for at_s in range(1, 99))
        after = Watch(JUDGE)
        after.restore(begun().to_record(), looks, now_s=1000.0)
        assert after.judged == begun(*looks).judged, "stable's silence was measured from the restart"

    def test_a_record_from_before_stable_was_waited_for_goes_on(self):
        """Such a record has no `stable_serves`, and for a clock of stable's when it was last seen."""
        before = begun(*self.LOOKS[:5])
        record = before.to_record()
        del record["stable_serves"]
        record["clocks"]["errors"][1] = 5.5
        after = Watch(JUDGE)
        after.restore(json.loads(json.dumps(record)), (), now_s=6.0)
        assert JUDGE.to_record(after.judged) == JUDGE.to_record(before.judged), "an update would change the e-values"
        after.weigh(look(), 7.0)
        assert after.judged.evidence["errors"].stable_until_s > 60.0, "stable was heard, and would count as gone"

    def test_a_long_absence_is_no_data(self):
        watch = Watch(JUDGE)
        record = begun(*((float(at_s), look()) for at_s in range(1, 40))).to_record()
        watch.restore(record, (), now_s=41.0)
        assert watch.assessment.verdict is Verdict.HEALTHY
        watch.restore(record, (), now_s=400.0)
        assert watch.assessment.verdict is Verdict.NO_DATA, "a step would be left on what was true before the crash"

    def test_a_breach_is_known_at_once(self):
        watch = Watch(JUDGE)
        watch.restore(begun((1.0, look(60))).to_record(), (), now_s=2.0)
        assert watch.assessment.verdict is Verdict.BREACH

    def test_under_other_rules_what_still_holds_is_kept(self):
        watch = Watch(Judge((TASKS, ERRORS), 0.05, 10.0))
        watch.restore(begun((1.0, look(2))).to_record(), ((2.0, look(1), True),), now_s=3.0)
        assert watch.judged.evidence["errors"].candidate == Counts(200, 3)
        assert watch.judged.evidence["tasks"].candidate == Counts()

    def test_without_rules_there_is_nothing_to_restore(self):
        watch = Watch(None)
        watch.restore(begun((1.0, look(2))).to_record(), (), now_s=3.0)
        assert watch.judged is None


def test_other_rules_keep_the_evidence_that_they_share():
    watch = begun((1.0, look(2)))
    watch.adopt(Judge((ERRORS, TASKS), 0.05, 10.0), 2.0)
    assert watch.judged.evidence["errors"].candidate == Counts(100, 2)
    watch.adopt(Judge((replace(ERRORS, max=0.5),), 0.05, 10.0), 3.0)
    assert watch.judged.evidence["errors"].candidate == Counts(), "judged by a rule that its evidence is not about"
    watch.adopt(None, 4.0)
    assert watch.judged is None
