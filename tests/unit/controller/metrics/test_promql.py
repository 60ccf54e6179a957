"""What a query asks for whom, what an answer may be, and how counters become events."""

import json
from dataclasses import replace

import pytest

from adapters.port import Track
from controller.analysis.counters import Cumulative
from controller.metrics.promql import SERIES_MAX, Query, Tallied, samples_of, templates
from controller.metrics.sources import SourceError

QUERY = Query(
    "tasks",
    "http://127.0.0.1:9090",
    'failed_total{agent="{{agent}}",version="{{version}}",track="{{ track }}"}',
    'tasks_total{version="{{version}}"}',
    15.0,
)


def answer(*samples, kind="vector", **more):
    result = [{"metric": labels, "value": [1.0, value]} for labels, value in samples]
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more}).encode()


def test_a_query_is_asked_for_one_version():
    bad, total = QUERY.rendered("mail", "1.3.0", Track.CANDIDATE)
    assert bad == 'failed_total{agent="mail",version="1.3.0",track="candidate"}'
    assert total == 'tasks_total{version="1.3.0"}'
    assert 'track="none"' in QUERY.rendered("mail", "1.2.3", None)[0]
    assert templates(QUERY.bad) == {"agent", "version", "track"}


def test_a_window_is_written_as_prometheus_reads_it():
    query = replace(QUERY, total='increase(tasks_total{version="{{version}}"}[{{window}}])', window_s=60.0)
    assert query.rendered("mail", "1", None)[1].endswith("[60000ms])")


def test_another_question_is_another_indicator():
    assert QUERY.indicator.startswith("prometheus:tasks@")
    for changed in ({"url": "http://127.0.0.1:9091"}, {"bad": "x"}, {"total": "x"}, {"window_s": 60.0}):
        assert replace(QUERY, **changed).indicator != QUERY.indicator, "old evidence would speak for a new question"
    assert replace(QUERY, every_s=30.0).indicator == QUERY.indicator


def test_a_number_per_series():
    body = answer(({"pod": "a"}, "12"), ({"pod": "b"}, "3.5"))
    assert samples_of("p", body) == {(("pod", "a"),): 12.0, (("pod", "b"),): 3.5}
    scalar = json.dumps({"status": "success", "data": {"resultType": "scalar", "result": [1.0, "7"]}}).encode()
    assert samples_of("p", scalar) == {(): 7.0}


@pytest.mark.parametrize(
    "body",
    [answer(), answer(({}, "NaN")), answer(({}, "+Inf")), answer(({}, "-1")), answer(({"a": "1"}, "1"), ({}, "NaN"))],
    ids=["nothing", "NaN", "infinite", "negative", "one NaN among others"],
)
def test_what_is_no_number_of_events_is_no_data(body):
    with pytest.raises(SourceError) as caught:
        samples_of("p", body)
    assert caught.value.code == "no-data", "absent would be taken for zero"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b"<html>",
        b'{"status": "success"}',
        answer(kind="matrix"),
        b'{"status": "success", "data": {"resultType": "scalar", "result": [1, "x"]}}',
        b'{"status": "error", "errorType": "bad_data", "error": "parse error"}',
        answer(*(({"pod": str(index)}, "1") for index in range(SERIES_MAX + 1))),
    ],
)
def test_what_is_no_answer_is_invalid(body):
    with pytest.raises(SourceError) as caught:
        samples_of("p", body)
    assert caught.value.code == "invalid"


def pods(**values):
    return {(("pod", name),): float(value) for name, value in values.items()}


def test_what_was_before_the_first_look_is_nobodys():
    tallied = Tallied(("bad", "total"), windowed=False)
    assert tallied.take(pods(a=5), pods(a=1000)) == Cumulative(0, 0)
    assert tallied.take(pods(a=6), pods(a=1010)) == Cumulative(10, 1)


def test_a_process_that_began_again_counts_from_zero():
    tallied = Tallied(("bad", "total"), windowed=False)
    tallied.take(pods(a=5, b=0), pods(a=1000, b=1000))
    assert tallied.take(pods(a=2, b=0), pods(a=20, b=1000)) == Cumulative(20, 2)


def test_a_process_that_is_not_scraped_has_not_moved_and_one_that_is_new_began_at_zero():
    tallied = Tallied(("bad", "total"), windowed=False)
    tallied.take(pods(a=0), pods(a=1000, b=1000))
    assert tallied.take(pods(a=0), pods(a=1000)) == Cumulative(0, 0)
    assert tallied.take(pods(a=0), pods(a=1000, b=1001)) == Cumulative(1, 0), "its whole past would be counted as new"
    assert tallied.take(pods(a=0, c=1), pods(a=1000, b=1001, c=1)) == Cumulative(2, 1), "the first failure is lost"


def test_of_a_sum_nobody_can_say_why_it_fell():
    tallied = Tallied(("bad", "total"), windowed=False)
    tallied.take({(): 50.0}, {(): 1000.0})
    assert tallied.take({(): 45.0}, {(): 900.0}) == Cumulative(0, 0), "a pod that ends would blame the past"
    assert tallied.take({(): 46.0}, {(): 910.0}) == Cumulative(10, 1)


def test_windows_add_up():
    tallied = Tallied(("bad", "total"), windowed=True)
    assert tallied.take({(): 0.4}, {(): 10.6}) == Cumulative(10, 0)
    assert tallied.take({(): 0.6}, {(): 10.6}) == Cumulative(21, 1), "fractions of events are lost or invented"


def test_series_that_come_and_go_have_a_limit():
    tallied = Tallied(("bad", "total"), windowed=False)
    for start in range(0, 4 * SERIES_MAX, SERIES_MAX):
        names = {(("pod", str(index)),): 1.0 for index in range(start, start + SERIES_MAX)}
        tallied.take(names, names)
    assert len(tallied._total.last) == 2 * SERIES_MAX
