"""A version of the demo's agent: good until its fault comes, and the same again for the same seed."""

from __future__ import annotations

from random import Random

from controller.demo.behaviour import BAD_RATIO, Behaviour


def answers(behaviour, number, gap_s):
    return [behaviour.answer(index * gap_s) for index in range(number)]


def test_a_good_version_never_answers_badly():
    assert all(answer.ok for answer in answers(Behaviour(Random(1)), 2_000, 0.001)), "act 1 would lose requests"


def test_some_tasks_fail_with_a_good_version_too():
    failed = sum(answer.task_failed for answer in answers(Behaviour(Random(1)), 5_000, 0.001))
    assert 20 <= failed <= 90, "the controller would be shown a world without any noise"


def test_a_fault_does_not_show_at_low_traffic():
    quiet = answers(Behaviour(Random(1), breaks_at=14), 500, 0.2)
    assert all(answer.ok for answer in quiet), "the candidate would fail before it has traffic"


def test_a_fault_begins_under_traffic_and_stays():
    behaviour = Behaviour(Random(1), breaks_at=14)
    before = answers(behaviour, 13, 0.01)
    assert all(answer.ok for answer in before)
    behaviour.answer(0.14)
    after = [behaviour.answer(100.0 + index) for index in range(2_000)]
    bad = [answer for answer in after if answer.status == 500]
    assert abs(len(bad) / 2_000 - BAD_RATIO) < 0.04, (
        "it should fail for a fifth of its answers, even when it is quiet again"
    )
    assert all(answer.task_failed for answer in bad), "the failed tasks would not rise with the errors"


def test_an_outage_spoils_its_part_of_the_answers_and_ends():
    behaviour = Behaviour(Random(1))
    behaviour.outage_ratio = 0.5
    during = answers(behaviour, 1_000, 0.01)
    assert 400 < sum(answer.status == 503 for answer in during) < 600, "the outage would not be felt as it is told"
    behaviour.outage_ratio = 0.0
    assert all(answer.ok for answer in answers(behaviour, 500, 0.01)), "the outage would not end"


def test_a_seed_repeats_a_version():
    first, second = (answers(Behaviour(Random("7 1.4.0"), breaks_at=2), 200, 0.1) for _ in range(2))
    assert first == second, "--seed would promise nothing"
