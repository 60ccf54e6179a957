from adapters.capabilities import BEYOND_WEIGHTS, Wish, every_share


def test_sessions_are_the_only_wish_that_goes_with_weights():
    assert set(Wish) - BEYOND_WEIGHTS == {Wish.STICKINESS}, "a Kong hashes sessions by what we set; nothing else is set"


def test_every_share_is_what_was_asked_for():
    assert [every_share(bp, 3, 1) for bp in (0, 1, 39, 10_000)] == [0, 1, 39, 10_000]
