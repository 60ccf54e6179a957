import asyncio

from adapters.envoy.refreshing import Refresher


async def test_it_fires_several_times_within_a_life_for_as_long_as_something_lives():
    lives_s, due_s, enough = [0.03], [], asyncio.Event()

    def fire():
        due_s.append(refresher.due_s)
        if len(due_s) == 3:
            lives_s.clear()
        if refresher.due_s is None:
            enough.set()

    refresher = Refresher(lambda: lives_s, fire)
    began_s = asyncio.get_running_loop().time()
    refresher.arm()
    assert refresher.due_s - began_s < 0.03, "it would come when all is stale"
    async with asyncio.timeout(5):
        await enough.wait()
    assert len(due_s) == 4, "it fires on when nothing lives any more, or stopped before"


async def test_nothing_mortal_needs_no_timer():
    refresher = Refresher(list, lambda: None)
    refresher.arm()
    assert refresher.due_s is None


async def test_a_shorter_life_comes_first_and_a_longer_one_puts_nothing_off():
    lives_s = [60.0]
    refresher = Refresher(lambda: lives_s, lambda: None)
    refresher.arm()
    first_s = refresher.due_s
    lives_s.append(90.0)
    refresher.arm()
    assert refresher.due_s == first_s
    lives_s.append(6.0)
    refresher.arm()
    assert refresher.due_s < first_s, "an agent with a shorter switch would go stale"
    refresher.close()
    assert refresher.due_s is None
