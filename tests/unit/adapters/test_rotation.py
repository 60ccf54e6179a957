from hypothesis import given
from hypothesis import strategies as st

from adapters.rotation import KEPT_S, Rotation

LOOK_S = 5.0


def played(*answers, every_s=LOOK_S):
    rotation = Rotation()
    return [set(rotation.take(answer, number * every_s)) for number, answer in enumerate(answers)]


def test_answers_in_another_order_are_no_change():
    rotation = Rotation()
    assert rotation.take(["b", "a"], 0.0) == rotation.take(["a", "b"], 1.0) == ("a", "b")


def test_a_container_that_is_replaced_is_followed_at_once():
    assert played({"a"}, {"b"}, {"c"}) == [{"a"}, {"b"}, {"c"}], "requests go on to where nobody is"
    assert played({"a", "b"}, {"b", "c"}) == [{"a", "b"}, {"b", "c"}]


def test_an_instance_that_leaves_and_comes_back_is_not_taken_for_a_rotation():
    found = played({"a", "b"}, {"b"}, {"a", "b"}, {"b"}, {"a", "b"}, {"a"})
    assert found[-3:] == [{"b"}, {"a", "b"}, {"a"}], "an instance that is not ready gets requests for a minute"


def test_what_rotates_settles_once_that_is_seen():
    one = played(*[{"a"}, {"b"}, {"c"}] * 10)
    assert one[:4] == [{"a"}, {"b"}, {"c"}, {"c"}]
    assert set(map(frozenset, one[3:])) == {frozenset("c")}, "sessions lose an instance that is still there"
    some = played(*[{"a", "b"}, {"b", "c"}, {"c", "d"}, {"d", "a"}] * 10)
    assert len(set(map(frozenset, some[5:]))) == 1


def test_what_a_rotation_names_no_more_is_left_after_a_while():
    looks = int(KEPT_S / LOOK_S)
    found = played(*[{"a"}, {"b"}] * 5, *[{"c"}, {"d"}] * looks)
    assert found[9] == {"b"}
    assert found[10 + looks - 1] == {"b"}
    assert found[-1] <= {"c", "d"}, "requests go for ever to an instance that is gone"


def test_a_rotation_that_grows_or_shrinks_is_followed():
    turning = [{"a", "b"}, {"c", "d"}] * 5
    assert len(played(*turning, {"a", "b", "c"})[-1]) == 3
    assert len(played(*turning, {"a"})[-1]) == 1


ANSWERS = st.lists(st.sets(st.sampled_from("abcdef"), min_size=1), min_size=1, max_size=40)


@given(ANSWERS, st.sampled_from([0.0, LOOK_S, KEPT_S, 2 * KEPT_S]))
def test_there_are_as_many_as_an_answer_has_and_none_that_was_not_named_lately(answers, every_s):
    rotation, named_s = Rotation(), {}
    for number, answer in enumerate(answers):
        now_s = number * every_s
        named_s.update(dict.fromkeys(answer, now_s))
        found = rotation.take(answer, now_s)
        assert len(found) == len(answer), "a HAProxy with as many slots as the answer has addresses would run out"
        assert len(set(found)) == len(found)
        assert all(now_s - named_s[address] <= KEPT_S for address in found)
