"""One agent's upstream written at all nodes of a gateway: a node that does not answer keeps no other from it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from adapters.port import GatewayError

from .admin import Admin
from .node import Life, Mode, Upstream, life_of, write
from .weights import Wanted

PATIENCE_S = 0.1
"""Nodes that share a database write one after the other, because one is enough; after so long the next one begins as
well. A node answers within milliseconds, unless it is frozen or has lost its database; and twice the same does no harm.
"""


class Writing:
    """One writing. A node without a database is written for itself. Of those with one, the first that is done has done
    it for all: the others are not waited for, least of all those that have not even said what they are.

    Args:
        gateway: the gateway's name.
        turns: a lock for each node, by its URL: a whole document is read, changed and posted.
        upstream: what is written.
        wanted: the weights of its targets.
        waiting: of every node, why it is not done; those that are done are taken out.

    Attributes:
        lives: what each node was when it was written.
    """

    def __init__(
        self,
        gateway: str,
        turns: Mapping[str, asyncio.Lock],
        upstream: Upstream,
        wanted: Wanted,
        waiting: dict[str, GatewayError],
    ) -> None:
        self.lives: dict[str, Life] = {}
        self._gateway = gateway
        self._turns = turns
        self._upstream = upstream
        self._wanted = wanted
        self._waiting = waiting
        self._database = asyncio.Semaphore()
        self._sharing: dict[str, asyncio.Task[None]] = {}

    async def run(self, nodes: Sequence[Admin]) -> None:
        """Write all of them; nodes that cannot be written stay in ``waiting``."""
        async with asyncio.TaskGroup() as tasks:
            for admin in nodes:
                self._sharing[admin.url] = tasks.create_task(self._at(admin))

    async def _at(self, admin: Admin) -> None:
        try:
            life = await life_of(admin, self._gateway)
            if life.mode is Mode.DBLESS:
                del self._sharing[admin.url]
                async with self._turns[admin.url]:
                    await self._write(admin, life)
                self._waiting.pop(admin.url, None)
            else:
                await self._write_shared(admin, life)
        except GatewayError as error:
            self._waiting[admin.url] = error

    async def _write_shared(self, admin: Admin, life: Life) -> None:
        await self._database.acquire()
        loop = asyncio.get_running_loop()
        next_one = loop.call_later(PATIENCE_S, self._database.release)
        try:
            await self._write(admin, life)
        finally:
            if loop.time() < next_one.when():  # else the next one has begun
                next_one.cancel()
                self._database.release()
        for url, task in self._sharing.items():
            self._waiting.pop(url, None)
            if url != admin.url:
                task.cancel()

    async def _write(self, admin: Admin, life: Life) -> None:
        await write(admin, self._gateway, life.mode, self._upstream, self._wanted)
        self.lives[admin.url] = life
