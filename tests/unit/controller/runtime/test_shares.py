"""A gateway that sends the candidate another share than it was told is named; one that does as it was told is not."""

import random
from dataclasses import replace

import pytest

from adapters.port import SessionTally, Split
from controller.runtime.shares import SETTLE_BLIND_S, SETTLE_S, Shares
from tests.sim.clock import until
from tests.unit.controller.runtime.stage import NEW, OLD, STATE, guided, guided_profile, observed

IDLE = {OLD.name: 0, NEW.name: 0}


def state(candidate_bp, **changes):
    return replace(STATE, candidate=NEW, split=Split(candidate_bp), confirmed=frozenset({"edge"}), **changes)


def told(candidate_bp, **changes):
    shares = Shares(**changes)
    shares.confirmed("edge", state(candidate_bp), 0.0)
    return shares


def seen(old, new, in_flight=IDLE, epoch="1"):
    return observed("edge", epoch=epoch, in_flight=in_flight, old=(old, 0), new=(new, 0))


@pytest.mark.parametrize(("told_bp", "sent_bp"), [(1000, 2000), (1000, 0), (5000, 4000), (100, 1000), (10_000, 9000)])
def test_a_gateway_whose_share_is_off_is_named_once(told_bp, sent_bp):
    shares, named = told(told_bp), []
    for look in range(30):
        new = sent_bp * look // 100
        named.append(shares.take(seen(100 * look - new, new), SETTLE_S + look))
    words = [text for text in named if text]
    assert len(words) == 1, "nobody is told, or everybody again and again"
    assert words[0].startswith(f"edge was told {told_bp / 100:g} %")
    assert "edge" in shares.off


@pytest.mark.parametrize("share_bp", [0, 100, 1000, 5000, 9900, 10_000])
def test_one_that_does_as_it_was_told_is_not(share_bp):
    chance = random.Random(share_bp)
    for _ in range(5):
        shares, new = told(share_bp), 0
        for look in range(200):
            assert not shares.take(seen(50 * look - new, new), SETTLE_S + look), "an honest gateway is accused"
            new += sum(chance.random() * 10_000 < share_bp for _ in range(50))


def test_what_was_in_flight_when_the_split_came_is_not_held_against_it():
    shares = told(0)
    shares.take(seen(1000, 500, {OLD.name: 5, NEW.name: 40}), SETTLE_S)
    assert not shares.take(seen(2000, 540), 10.0), "requests that a rollback let end would accuse the gateway"
    assert shares.take(seen(2000, 545), 11.0), "a gateway that goes on sending after a rollback would not be named"


def test_late_requests_to_stable_excuse_too_small_a_share():
    shares = told(10_000)
    shares.take(seen(1000, 0, {OLD.name: 30, NEW.name: 0}), SETTLE_S)
    assert not shares.take(seen(1030, 100), 10.0)
    assert shares.take(seen(1040, 100), 11.0)


def test_nothing_counts_before_it_has_settled():
    shares = told(0)
    for read_at_s in (0.0, SETTLE_S - 0.1):
        assert not shares.take(seen(10, 100 + int(10 * read_at_s)), read_at_s)
    shares.take(seen(10, 200), SETTLE_S)
    assert not shares.take(seen(100, 200), 5.0), "the moment in which workers change over would accuse the gateway"


def test_one_that_cannot_see_what_is_in_flight_gets_longer():
    shares = told(0)
    assert not shares.take(seen(0, 0, {}), SETTLE_S)
    assert not shares.take(seen(0, 100, {}), SETTLE_BLIND_S - 1)
    assert not shares.take(seen(0, 100, {}), SETTLE_BLIND_S)
    assert shares.take(seen(0, 110, {}), SETTLE_BLIND_S + 1)


def test_one_that_cannot_see_gets_as_long_as_requests_may_go_on():
    shares = told(0, late_s=300.0)
    assert not shares.take(seen(0, 0, {}), SETTLE_BLIND_S + 1)
    assert not shares.take(seen(0, 100, {}), 299.0), "streams that a rollback let end would accuse the gateway"
    assert not shares.take(seen(0, 100, {}), 300.0)
    assert shares.take(seen(0, 110, {}), 301.0)


def test_a_new_split_begins_anew():
    shares = told(1000)
    shares.take(seen(0, 0), SETTLE_S)
    assert shares.take(seen(0, 100), 2.0)
    shares.confirmed("edge", state(1000), 3.0)
    assert "edge" in shares.off, "the same split, confirmed again, is no absolution"
    shares.confirmed("edge", state(2000), 4.0)
    assert not shares.off
    shares.take(seen(0, 100), 4.0 + SETTLE_S)
    assert not shares.take(seen(80, 120), 6.0)


def test_another_stable_version_is_another_division():
    shares = told(0)
    shares.take(seen(0, 0), SETTLE_S)
    shares.confirmed("edge", state(0, stable=replace(NEW)), 2.0)
    shares.take(seen(0, 0), 2.0 + SETTLE_S)
    assert not shares.take(seen(0, 100), 5.0), "after a promotion every request would be held against the gateway"


def test_a_gateway_that_restarted_is_counted_from_its_new_beginning():
    shares = told(1000)
    shares.take(seen(10_000, 0), SETTLE_S)
    assert not shares.take(seen(0, 50, epoch="2"), 3.0)
    assert not shares.take(seen(90, 60, epoch="2"), 4.0)


def test_copies_are_not_drawn_one_by_one():
    shares = Shares()
    shares.confirmed("edge", replace(state(0), split=Split(0, 5000)), 0.0)
    shares.take(seen(0, 0), SETTLE_S)
    assert not shares.take(seen(0, 1000), 5.0)


@pytest.mark.parametrize(("told_bp", "old", "new"), [(0, 1000, 10), (10_000, 10, 1000)])
def test_what_has_no_share_has_no_session_either(told_bp, old, new):
    shares = told(told_bp, sticky=True)
    shares.take(seen(0, 0), SETTLE_S)
    assert shares.take(seen(old, new), 5.0), "a gateway that ignores a rollback would not be named for its sessions"


def test_one_session_may_make_most_of_the_requests():
    shares = told(1000, sticky=True)
    shares.take(seen(0, 0), SETTLE_S)
    assert not shares.take(seen(5_000, 105_000), 5.0), "an honest gateway is accused of what one session does"


def by_session(old, new, old_sessions, new_sessions):
    sessions = {OLD.name: old_sessions, NEW.name: new_sessions}
    return replace(seen(old, new, {}), sessions=SessionTally(sessions, 288, 32))


def test_sessions_are_judged_where_they_are_counted():
    shares = told(1000, sticky=True, late_s=300.0)
    shares.take(by_session(0, 0, 0, 0), SETTLE_S)
    assert not shares.take(by_session(5_000, 105_000, 880, 120), 5.0), "one heavy session accuses an honest gateway"
    words = shares.take(by_session(5_000, 205_000, 700, 300), 6.0)
    assert words == "edge was told 10 %, and sends the candidate 30 % of 1000 sessions", "nobody is told"
    assert shares.off == {"edge"}


def test_sessions_from_before_it_had_settled_are_not_held_against_it():
    shares = told(1000, sticky=True)
    shares.take(by_session(0, 0, 0, 0), SETTLE_S - 0.1)
    shares.take(by_session(500, 500, 500, 500), SETTLE_S)
    assert not shares.take(by_session(1_000, 550, 1_000, 550), 5.0)


def test_one_that_confirms_no_more_is_not_judged():
    shares = told(1000)
    shares.take(seen(0, 0), SETTLE_S)
    assert shares.take(seen(0, 100), 2.0)
    shares.forget("edge")
    assert not shares.off
    assert not shares.take(seen(0, 200), 3.0)


async def test_it_is_announced_and_does_not_roll_back(stage, edge):
    stage.traffic(per_look=100)  # half of all, whatever it is told
    with stage.around.broadcast.listen() as news:
        async with stage.driving(guided_profile()) as driver:
            await guided(driver, edge, 10)
            await until(lambda: driver.traffic.shares.off, within_s=10.0)
            while (heard := await anext(news)).what != "share-off":
                pass
            assert heard.text.startswith("edge was told 10 %, and sends the candidate 50 %")
            assert driver.state.split == Split(1000), "that is for a person to decide"
