from __future__ import annotations

import asyncio

import pytest

from controller.api.context import ENDLESS, IN_POOL_MAX, Desk, Pool, Pools
from controller.api.errors import BusyError
from controller.runtime.broadcast import LISTENERS_MAX


def test_a_full_pool_refuses_and_a_left_place_is_free():
    pools = Pools()
    places = [pools.enter(Pool.STEER) for _ in range(IN_POOL_MAX[Pool.STEER])]
    for place in places:
        place.__enter__()
    with pytest.raises(BusyError), pools.enter(Pool.STEER):
        pass
    with pools.enter(Pool.READ):
        pass
    places[0].__exit__(None, None, None)
    with pools.enter(Pool.STEER):
        pass


def test_listeners_leave_room_for_those_who_drain():
    assert sum(IN_POOL_MAX[pool] for pool in ENDLESS) < LISTENERS_MAX, "browsers could keep a preStop hook out"


async def test_patience_ends_when_the_api_stops():
    desk = Desk(context=None)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        waiting = asyncio.Event()

        async def wait() -> bool:
            try:
                async with desk.patience(None):
                    waiting.set()
                    await asyncio.get_running_loop().create_future()
            except TimeoutError:
                return True
            return False

        task = group.create_task(wait())
        await waiting.wait()
        desk.stop()
    assert task.result(), "a controller that stops waits for those who wait"
    with pytest.raises(TimeoutError):
        async with desk.patience(60):
            await asyncio.get_running_loop().create_future()
