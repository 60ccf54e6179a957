"""The books of the load: nothing counted twice, nothing left out."""

from __future__ import annotations

from controller.demo.records import Records, Request, answered_by, failures, share_of

GOOD = Request(1.0, 1.1, "1.3.0")
BAD = Request(2.0, 2.1, "1.3.0", "answer 500")
LOST = Request(3.0, 8.0, None, "no answer in time")
OLD = Request(3.5, 3.6, "1.2.3")


def test_a_request_belongs_to_the_time_in_which_it_was_sent():
    records = Records()
    for request in (GOOD, BAD, LOST, OLD):
        records.add(request)
    assert list(records.between(2.0, 3.5)) == [BAD, LOST], "an act would count another one's requests"
    assert records.failed == 2


def test_a_bad_answer_is_its_versions_and_a_lost_request_nobodys():
    assert answered_by("1.3.0", [GOOD, BAD, LOST, OLD]) == [GOOD, BAD]


def test_a_share_is_one_of_the_answers():
    assert share_of("1.3.0", [GOOD, BAD, LOST, OLD]) == (2 / 3, 3), "lost requests would dilute the share"


def test_no_answers_have_no_share():
    assert share_of("1.3.0", [LOST]) == (None, 0), "nothing would pass for 0 %"


def test_failures_are_told_by_reason_the_most_frequent_first():
    assert list(failures([LOST, BAD, GOOD, BAD]).items()) == [("answer 500", 2), ("no answer in time", 1)]
