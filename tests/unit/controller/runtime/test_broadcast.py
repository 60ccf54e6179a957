import pytest

from controller.errors import UnavailableError
from controller.runtime.broadcast import BACKLOG_MAX, LISTENERS_MAX, Broadcast


async def heard(listener, count):
    return [(await anext(listener)).number for _ in range(count)]


def say(broadcast, times=1):
    for _ in range(times):
        broadcast.publish(1.0, "code-assistant", "step", "10 %")


async def test_everybody_hears_everything_in_order():
    broadcast = Broadcast()
    with broadcast.listen() as first, broadcast.listen() as second:
        say(broadcast, 3)
        assert await heard(first, 3) == await heard(second, 3) == [1, 2, 3]


async def test_a_slow_listener_loses_the_oldest_and_can_see_that():
    broadcast = Broadcast()
    with broadcast.listen() as slow:
        say(broadcast, BACKLOG_MAX + 5)
        numbers = await heard(slow, BACKLOG_MAX)
    assert numbers == list(range(6, BACKLOG_MAX + 6)), "a listener must see by the gap that it has missed something"


async def test_who_comes_back_hears_what_was_missed():
    broadcast = Broadcast()
    say(broadcast, 4)
    with broadcast.listen(after=2) as again:
        say(broadcast)
        assert await heard(again, 3) == [3, 4, 5]


async def test_who_comes_new_hears_only_what_comes():
    broadcast = Broadcast()
    say(broadcast, 4)
    with broadcast.listen() as new:
        say(broadcast)
        assert await heard(new, 1) == [5]


async def test_there_is_a_limit_and_leaving_makes_room():
    broadcast = Broadcast()
    listening = [broadcast.listen() for _ in range(LISTENERS_MAX)]
    for each in listening:
        each.__enter__()
    with pytest.raises(UnavailableError), broadcast.listen():
        pass
    listening[0].__exit__(None, None, None)
    with broadcast.listen() as late:
        say(broadcast)
        assert await heard(late, 1) == [1]


def test_news_says_what_it_is_about():
    news = Broadcast().publish(2.5, "a", "drained", "nothing in flight", {"cut": 0})
    assert (news.number, news.at_s, news.agent, news.what, news.facts) == (1, 2.5, "a", "drained", {"cut": 0})
