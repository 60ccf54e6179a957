"""Who has confirmed what: connected, frozen, refusing, gone for a moment, gone for good."""

import pytest

from xds.acks import Refusal
from xds.limits import Limits
from xds.roster import DEPARTED_MAX, Member, Roster, Standing

GRACE_S = 15.0


@pytest.fixture
def roster():
    return Roster(rejoin_grace_s=GRACE_S)


def join(roster, node_id, generation=0, since_s=0.0, program=""):
    member = Member(node_id, "edge", since_s, program)
    roster.join(member)
    if generation:
        roster.update(member, Standing(generation, confirmed=True))
    return member


def refusal(node_id, generation=2):
    return Refusal(node_id, "edge", "rds", generation, "v", ("edge",), "bad regex")


def ask(roster, generation, now_s=0.0):
    return roster.confirmation("edge", generation, now_s)


def test_nobody_confirms_nothing(roster):
    assert not ask(roster, 1).is_final, "a group without nodes was taken for confirmed"


def test_confirmed_is_when_all_nodes_took_it_or_a_later_one(roster):
    join(roster, "one", 3)
    slow = join(roster, "two", 1)
    assert (ask(roster, 2).confirmed, ask(roster, 2).pending) == (("one",), ("two",))
    roster.update(slow, Standing(2, confirmed=True))
    assert ask(roster, 2).is_confirmed


def test_a_node_with_two_streams_has_confirmed_when_both_have(roster):
    join(roster, "one", 2)
    second = join(roster, "one", 1)
    assert ask(roster, 2).pending == ("one",)
    roster.update(second, Standing(2, confirmed=True))
    assert ask(roster, 2).confirmed == ("one",)


def test_a_refusal_is_final_and_does_not_outlive_a_cure(roster):
    member = join(roster, "one", 1)
    roster.update(member, Standing(2, confirmed=False, refusals=(refusal("one"),)))
    confirmation = ask(roster, 2)
    assert confirmation.is_final
    assert not confirmation.is_confirmed
    assert confirmation.refusals[0].error == "bad regex"
    assert ask(roster, 1).is_confirmed, "a refusal of the next generation was held against this one"
    assert not ask(roster, 3).refusals, "a refusal of this generation was held against the next one"


def test_a_node_that_took_a_generation_and_then_refused_more_of_it_has_not_confirmed(roster):
    member = join(roster, "one", 2)
    roster.update(member, Standing(2, confirmed=False, refusals=(refusal("one"),)))
    assert ask(roster, 2).refusals
    assert not ask(roster, 2).is_confirmed


def test_a_node_that_left_is_pending_for_the_grace_time_since_it_may_still_serve(roster):
    join(roster, "one", 2)
    roster.leave(join(roster, "two", 1), now_s=100.0)
    assert ask(roster, 2, now_s=100.0 + GRACE_S - 1).pending == ("two",)
    assert roster.grace_ends_s("edge", 100.0) == 100.0 + GRACE_S
    assert roster.has_left("edge", 100.0)
    assert not roster.has_left("other", 100.0), "another gateway's Envoy was waited for"
    assert ask(roster, 2, now_s=100.0 + GRACE_S).is_confirmed
    assert roster.grace_ends_s("edge", 100.0 + GRACE_S) is None
    assert not roster.has_left("edge", 100.0 + GRACE_S)


def test_a_whole_fleet_that_leaves_at_once_is_waited_for(roster):
    for member in [join(roster, str(number), 1) for number in range(2_000)]:
        roster.leave(member, now_s=100.0)
    join(roster, "first to come back", 2)
    assert len(ask(roster, 2, now_s=101.0).pending) == 2_000, "a rollback was called confirmed too early"


def test_who_is_behind_is_told_without_a_look_at_the_others(roster, monkeypatch):
    join(roster, "one", 2)
    join(roster, "two", 1)
    roster.leave(join(roster, "three", 1), now_s=100.0)
    assert [(node.id, node.streams) for node in roster.behind("edge", 2, 100.0)] == [("three", 0), ("two", 1)]
    monkeypatch.setattr(roster, "nodes", None)  # to describe a thousand nodes takes milliseconds
    assert roster.behind("edge", 1, 100.0) == ()


def test_a_node_that_left_with_a_generation_still_has_it(roster):
    join(roster, "one", 2)
    roster.leave(join(roster, "two", 2), now_s=0.0)
    assert ask(roster, 2).is_confirmed


def test_a_node_that_comes_back_is_waited_for_as_connected(roster):
    roster.leave(join(roster, "one", 1), now_s=0.0)
    back = join(roster, "one")
    assert ask(roster, 1, now_s=1000.0).pending == ("one",)
    roster.update(back, Standing(1, confirmed=True))
    assert ask(roster, 1).is_confirmed


def test_those_who_wait_hear_of_the_last_confirmation_a_refusal_and_a_departure_only(roster):
    members = [join(roster, str(index), 1) for index in range(3)]
    calls = []
    with roster.watch("edge", 2, lambda: calls.append(1)):
        for member in members[:2]:
            roster.update(member, Standing(2, confirmed=True))
        assert not calls, "a thousand ACKs would make a thousand looks at a thousand nodes"
        roster.update(members[2], Standing(2, confirmed=True))
        assert len(calls) == 1
        roster.update(members[2], Standing(3, confirmed=False, refusals=(refusal("2", 3),)))
        assert len(calls) == 2
        roster.leave(members[2], 0.0)
        assert len(calls) == 3
    roster.leave(members[1], 0.0)
    assert len(calls) == 3, "somebody who stopped waiting was called"


def test_those_who_wait_wait_for_a_late_node_too(roster):
    first = join(roster, "one", 1)
    calls = []
    with roster.watch("edge", 2, lambda: calls.append(1)):
        late = join(roster, "two")
        roster.update(first, Standing(2, confirmed=True))
        assert not calls
        roster.update(late, Standing(2, confirmed=True))
        assert calls


def test_the_list_of_nodes_tells_who_is_there_and_who_left(roster):
    join(roster, "two", 2, since_s=5.0)
    join(roster, "two", 3, since_s=4.0)
    roster.leave(join(roster, "one", 1), now_s=9.0)
    one, two = roster.nodes("edge", now_s=10.0)
    assert (one.id, one.streams, one.since_s, one.confirmed_generation) == ("one", 0, 9.0, 1)
    assert (two.id, two.streams, two.since_s, two.confirmed_generation) == ("two", 2, 4.0, 2)
    assert roster.groups() == ("edge",)
    assert (roster.streams("edge"), roster.streams("other")) == (2, 0)


def test_those_who_left_are_not_remembered_without_end(roster):
    assert Limits().streams_max <= DEPARTED_MAX, "some of those who may be connected would be forgotten too early"
    for index in range(2 * DEPARTED_MAX):
        roster.leave(join(roster, str(index)), now_s=0.0)
    assert len(roster.nodes("edge", 0.0)) == DEPARTED_MAX


def test_the_programs_of_a_group_are_told_once_each(roster):
    old = join(roster, "one", program="Envoy 1.37.0")
    for name in ("two", "three"):
        join(roster, name, program="Envoy 1.38.0")
    join(roster, "four")
    assert roster.programs("edge") == ("Envoy 1.37.0", "Envoy 1.38.0")
    roster.leave(old, 1.0)
    assert roster.programs("edge") == ("Envoy 1.38.0",), "an upgrade that is done looks half done"
    assert roster.programs("elsewhere") == ()


def test_who_is_connected_is_known_by_the_oldest_stream_and_forgotten_with_the_last(roster):
    first, second = join(roster, "one", since_s=3.0), join(roster, "one", since_s=5.0)
    known = roster.connected("edge")
    assert known == {"one": 3.0}
    assert roster.connected("edge") is known, "it was worked out again although nobody came or went"
    roster.leave(first, 6.0)
    assert roster.connected("edge") == {"one": 5.0}, "a node that came back counted as the one that was there before"
    roster.leave(second, 7.0)
    assert roster.connected("edge") == {}, "a node that has left counted as connected"
    join(roster, "two")
    assert set(roster.connected("edge")) == {"two"}, "a node that joined was not seen"
