"""A client that asks one gateway as fast as it can: ``python -m tests.bench.watcher VERSION...``.

It also serves the versions, so that gateway and controller have the rest of the machine. It prints where they are,
reads the gateway's URL, and from then on prints each change of the version that answers, with the moment on the clock
that all processes of a machine share. A request that fails ends it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

from tests.bench.program import commands
from tests.contract.traffic import Connection, acting


async def main(names: Sequence[str]) -> None:
    """Watch until standard input ends."""
    reader = await commands()
    async with AsyncExitStack() as running, asyncio.TaskGroup() as tasks:
        agents = [await running.enter_async_context(acting(name)) for name in names]
        print(json.dumps({agent.name: agent.endpoints for agent in agents}), flush=True)
        connection = Connection((await reader.readline()).decode().strip())
        running.push_async_callback(connection.close)
        seen, end = "", tasks.create_task(reader.read())
        while not end.done():
            [answer] = await connection.ask()
            at_s = time.monotonic()
            assert answer.status == 200, f"a request failed: {answer}"
            if answer.version != seen:
                seen = answer.version
                print(json.dumps({"version": seen, "at_s": at_s}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
