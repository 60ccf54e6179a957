"""From records and news to what an act came to: every figure is counted, every promise is checked."""

from __future__ import annotations

import dataclasses

import pytest

from controller.demo.measure import COMMON_CAUSE, PROMOTE, ROLLBACK, Played, Share, measure
from controller.demo.records import Records, Request
from controller.demo.timeline import Moment


def moment(at_s, what, percent=0.0, text=""):
    return Moment(at_s, at_s, what, text, percent)


def traffic(begin_s, end_s, candidate, every=2, failure=""):
    """Ten requests a second; each ``every``-th is the candidate's."""
    for index in range(round((end_s - begin_s) * 10)):
        at_s = begin_s + index / 10
        mine = index % every == 0
        yield Request(at_s, at_s + 0.05, candidate if mine else "1.2.3", failure if mine else "")


def records_of(*parts):
    records = Records()
    for part in parts:
        for request in part:
            records.add(request)
    return records


PROMOTION = Played(
    PROMOTE,
    "1.3.0",
    0.0,
    20.0,
    (
        moment(1.0, "step", 50),
        moment(2.0, "confirmed", 50),
        moment(12.0, "step", 100),
        moment(12.0, "confirmed", 100),
        moment(18.0, "promoted", text="1.3.0 is stable"),
    ),
)


def test_a_good_promotion():
    records = records_of(traffic(2.0, 12.0, "1.3.0"), traffic(12.0, 18.0, "1.3.0", every=1))
    act = measure(PROMOTION, records)
    assert act.faults == ()
    assert (act.outcome, act.requests, act.failed_requests, act.candidate_requests) == ("promoted", 160, 0, 110)
    assert act.seconds_to_rollback is None
    assert act.shares == (Share(0.5, 0.5, 100), Share(1.0, 1.0, 60))
    assert "1.3.0 is stable" in act.story


def test_a_gateway_whose_share_is_off_spoils_an_act_that_looks_right_over_all():
    def at(gateway, candidate_everys):
        for every, part in zip(candidate_everys, ((2.0, 12.0), (12.0, 18.0)), strict=True):
            yield from (dataclasses.replace(each, gateway=gateway) for each in traffic(*part, "1.3.0", every=every))

    fair = measure(PROMOTION, records_of(at("envoy", (2, 1)), at("haproxy", (2, 1))))
    assert fair.faults == ()
    assert fair.shares[:3] == (
        Share(0.5, 0.5, 200),
        Share(0.5, 0.5, 100, "envoy"),
        Share(0.5, 0.5, 100, "haproxy"),
    )
    off = measure(PROMOTION, records_of(at("envoy", (1, 1)), at("haproxy", (1_000, 1))))
    assert len(off.faults) == 2, "half and half would be taken for a split that both gateways follow"
    assert "envoy's 100 answers 100.00%" in off.faults[0]


def test_one_failed_request_spoils_a_promotion():
    lost = Request(5.0, 10.0, None, "no answer in time")
    records = records_of(traffic(2.0, 12.0, "1.3.0"), [lost], traffic(12.0, 18.0, "1.3.0", every=1))
    (fault,) = measure(PROMOTION, records).faults
    assert "no answer in time (1)" in fault, "the demo would pass although a client lost a request"


def test_a_share_that_chance_does_not_explain_spoils_an_act():
    records = records_of(traffic(2.0, 12.0, "1.3.0", every=5), traffic(12.0, 18.0, "1.3.0", every=1))
    (fault,) = measure(PROMOTION, records).faults
    assert "20.00%" in fault, "a split that was not followed would pass"


def test_a_rollout_that_does_not_end_went_wrong():
    played = dataclasses.replace(PROMOTION, moments=PROMOTION.moments[:2])
    act = measure(played, records_of(traffic(2.0, 20.0, "1.3.0")))
    assert act.outcome == "under-way"
    assert act.faults


def test_an_act_without_a_share_went_wrong():
    act = measure(dataclasses.replace(PROMOTION, moments=(moment(1.0, "rejected", text="score"),)), Records())
    assert len(act.faults) == 2
    assert "rejected: score" in act.faults[0], "nobody would hear why nothing happened"


BREACH = Played(
    ROLLBACK,
    "1.4.0",
    0.0,
    20.0,
    (
        moment(1.0, "step", 50),
        moment(2.0, "confirmed", 50),
        moment(12.0, "rolling-back", text="breach: errors"),
        moment(13.0, "rolled-back"),
    ),
    back_s=12.5,
)


def test_a_good_rollback():
    records = records_of(
        traffic(2.0, 10.0, "1.4.0"), traffic(10.0, 12.0, "1.4.0", failure="answer 500"), traffic(12.5, 20.0, "1.2.3")
    )
    act = measure(BREACH, records)
    assert act.faults == ()
    assert (act.outcome, act.failed_requests, act.bad_answers, act.candidate_requests) == ("rolled-back", 10, 10, 50)
    assert act.seconds_to_rollback == pytest.approx(12.5 - 10.05), "it must begin with the first bad answer"
    assert "breach: errors" in act.story


def test_a_request_that_reaches_the_candidate_after_the_rollback_spoils_it():
    records = records_of(traffic(2.0, 12.0, "1.4.0", failure="answer 500"), traffic(14.0, 14.1, "1.4.0"))
    faults = measure(BREACH, records).faults
    assert any("after the rollback" in fault for fault in faults), "a confirmation that proves nothing would pass"


def test_a_rollback_nobody_confirmed_spoils_the_act():
    records = records_of(traffic(2.0, 12.0, "1.4.0", failure="answer 500"))
    act = measure(dataclasses.replace(BREACH, back_s=None), records)
    assert act.seconds_to_rollback is None
    assert any("No gateway confirmed" in fault for fault in act.faults)


def test_a_slow_rollback_spoils_the_act():
    records = records_of(traffic(2.0, 12.0, "1.4.0", failure="answer 500"))
    act = measure(dataclasses.replace(BREACH, back_s=17.9), records)
    assert any("after the first bad answer" in fault for fault in act.faults)


def test_a_rollback_of_a_version_that_never_failed_shows_nothing():
    faults = measure(BREACH, records_of(traffic(2.0, 12.0, "1.4.0"))).faults
    assert any("never failed" in fault for fault in faults)


def test_a_stable_version_that_fails_spoils_the_rollback():
    other = Request(5.0, 5.1, "1.2.3", "answer 500")
    records = records_of(traffic(2.0, 12.0, "1.4.0", failure="answer 500"), [other])
    assert any("did not answer" in fault for fault in measure(BREACH, records).faults)


OUTAGE = Played(
    COMMON_CAUSE,
    "1.5.0",
    0.0,
    30.0,
    (
        moment(1.0, "confirmed", 50),
        moment(6.0, "paused", 50, "both versions suffer"),
        moment(10.0, "resumed", 50),
        moment(20.0, "promoted"),
    ),
    outage=(5.0, 9.0),
)


def test_an_outage_blames_nobody():
    records = records_of(
        traffic(1.0, 5.0, "1.5.0"), traffic(5.0, 9.0, "1.5.0", failure="answer 503"), traffic(9.0, 20.0, "1.5.0")
    )
    act = measure(OUTAGE, records)
    assert act.faults == ()
    assert act.outcome == "not-blamed"
    assert act.bad_answers == act.failed_requests == 20, "the candidate's part of the outage must be shown"
    assert "both versions suffer" in act.story


@pytest.mark.parametrize(
    ("whats", "outcome"),
    [(("paused", "rolling-back"), "rolled-back"), (("promoted",), "promoted"), (("paused",), "under-way")],
)
def test_an_outage_that_was_not_seen_or_not_over_went_wrong(whats, outcome):
    moments = (moment(1.0, "confirmed", 50), *(moment(6.0 + at_s, what) for at_s, what in enumerate(whats)))
    records = records_of(traffic(1.0, 5.0, "1.5.0"), traffic(5.0, 6.0, "1.5.0", failure="answer 503"))
    act = measure(dataclasses.replace(OUTAGE, moments=moments), records)
    assert act.outcome == outcome
    assert any("had to end not-blamed" in fault for fault in act.faults)


def test_an_outage_that_nobody_felt_shows_nothing():
    act = measure(OUTAGE, records_of(traffic(1.0, 20.0, "1.5.0")))
    assert any("No outage was felt" in fault for fault in act.faults)


def test_failures_outside_the_outage_are_not_excused_by_it():
    records = records_of(
        traffic(1.0, 5.0, "1.5.0"),
        traffic(5.0, 9.0, "1.5.0", failure="answer 503"),
        traffic(9.0, 20.0, "1.5.0"),
        [Request(15.0, 15.1, "1.2.3", "answer 503")],
    )
    assert any("outside the outage" in fault for fault in measure(OUTAGE, records).faults)
