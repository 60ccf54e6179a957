import json

from controller.journal.backlog import DROPPED_KIND, Backlog, late
from controller.journal.records import draft


def entry(number):
    return draft("bot", "rolled-back", {"number": number}, actor="controller", at_s=float(number))


def bodies(backlog):
    return [json.loads(waiting.text) for waiting in backlog.drafts()]


def test_a_late_record_keeps_its_time_and_says_that_it_is_late():
    marked = late(entry(7))
    assert marked.at_s == 7.0, "the trail would tell the wrong time of a rollback"
    assert json.loads(marked.text) == {"late": True, "number": 7}
    assert late(marked) == marked


def test_the_oldest_are_kept_and_the_rest_is_counted():
    backlog = Backlog(2)
    for number in range(5):
        backlog.add(entry(number))
    assert (len(backlog), backlog.dropped) == (2, 3)
    assert bodies(backlog) == [
        {"late": True, "number": 0},
        {"late": True, "number": 1},
        {"dropped": 3, "late": True},
    ]
    last = backlog.drafts()[-1]
    assert (last.kind, last.at_s) == (DROPPED_KIND, 4.0)


def test_nothing_is_forgotten_until_it_is_written():
    backlog = Backlog(1)
    backlog.add(entry(1))
    backlog.add(entry(2))
    assert backlog.drafts() == backlog.drafts()
    backlog.clear()
    assert backlog.drafts() == ()
    assert (len(backlog), backlog.dropped) == (0, 0)
