"""One HAProxy: looked at, changed, read back. What was seen is consistent enough: only one change at a time is ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeVar

from adapters.port import GatewayError

from . import answers
from .plan import Layout, Plan, Seen
from .runtime import Runtime, try_all
from .tallies import Sighting

Value = TypeVar("Value")

OLD_WORKERS_MAX = 32
"""Old workers that are looked at; `hard-stop-after` bounds how long each of them stays."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What stands at one HAProxy for one agent.

    Attributes:
        seen: what a plan compares.
        sighting: whose counters were read: of the worker that takes new requests.
    """

    seen: Seen
    sighting: Sighting


class HaproxyProcess:
    """One HAProxy.

    Args:
        gateway: whose it is.
        socket: its Runtime API.
        master: its master's socket, through which old workers are reached; None where there is none.
        timeout_s: for one command.
        layout: names in its configuration.
    """

    def __init__(self, gateway: str, socket: str, master: str | None, timeout_s: float, layout: Layout) -> None:
        self.gateway = gateway
        self.socket = socket
        self._runtime = Runtime(gateway, socket, timeout_s)
        self._master = Runtime(gateway, master, timeout_s, half_close=True) if master else None
        self._layout = layout
        self._is_admin = False

    async def info(self) -> answers.Process:
        """Who answers."""
        return self._read(answers.info, await self._runtime.ask("show info"))

    async def see(self, agent: str) -> Sight:
        """Look at an agent's servers and share. No old worker is asked: nothing new goes there. Raises GatewayError."""
        stats = [_stat(backend) for backend in self._layout.backends(agent)]
        maps = [self._show_map] if self._layout.map else []
        info, *rest = await self._runtime.look("show info", *stats, *maps)
        servers = [server for answer in rest[: len(stats)] for server in self._read(answers.servers, answer)]
        entries = answers.entries(rest[-1]) if maps else {}
        life = self._read(answers.info, info).life
        return Sight(Seen(tuple(servers), entries), Sighting(self.socket, life, servers))

    async def see_old(self, agent: str) -> list[Sighting] | None:
        """Workers that a reload replaced, and that still finish what they have; None where there is no master to ask.

        Raises GatewayError.
        """
        if self._master is None:
            return None
        found = []
        for pid in answers.old_workers(await self._master.ask("show proc"))[:OLD_WORKERS_MAX]:
            servers: list[answers.Server] = []
            try:
                worker = self._read(answers.info, await self._ask_worker(pid, "show info"))
                for backend in self._layout.backends(agent):
                    servers += self._read(answers.servers, await self._ask_worker(pid, _stat(backend)))
            except GatewayError as error:
                if error.code in {"unreachable", "not-found"}:
                    continue  # it has just ended, or it is of a time before this agent
                raise
            found.append(Sighting(self.socket, worker.life, servers))
        return found

    async def _ask_worker(self, pid: int, command: str) -> str:
        assert self._master is not None, "workers are known from the master"
        return await self._master.ask(f"@!{pid} {command}")

    async def check_level(self) -> None:
        """Raises GatewayError unless the socket may change things; HAProxy lets a mere user set maps, and no more."""
        if not self._is_admin:
            level = await self._runtime.ask("show cli level")
            if level != "admin":
                words = f"{self.socket}: Permission denied: the socket has level {level!r}, and needs level admin"
                raise GatewayError(self.gateway, "denied", words, retryable=False)
            self._is_admin = True

    async def withdraw(self, agent: str) -> None:
        """Give the candidate nothing, where a map divides: everything goes to stable's backend, whoever serves there.

        That takes no look at what stands. Without an entry it has nothing. Raises GatewayError.
        """
        assert self._layout.map is not None, "where weights divide, servers are known by their addresses only"
        await self._runtime.order(f"set map {self._layout.map} {agent} 0", "entry not found")

    async def carry_out(self, todo: Plan) -> None:
        """Send the commands one after the other. Raises GatewayError at the first that fails."""
        for command in todo.commands:
            accepted = ("no need to change", "IP changed", "port changed") if " addr " in command else ()
            await self._runtime.order(command, *accepted)
        if todo.evicted:
            await self._clear_tables(todo.evicted)

    async def _clear_tables(self, evicted: Sequence[tuple[str, int]]) -> None:
        """Forget the sessions of servers that take none any more; a backend without a stick table has none."""
        present = answers.tables(await self._runtime.ask("show table"))
        for backend, server_id in evicted:
            if backend in present:
                await self._runtime.order(f"clear table {backend} data.server_id eq {server_id}")

    async def cut(self, agent: str, addresses: AbstractSet[str]) -> None:
        """End every request in flight at these addresses, at old workers too.

        Raises GatewayError when all was tried.
        """
        await try_all(self.gateway, (self._cut_present(agent, addresses), self._cut_old(agent, addresses)))

    async def _cut_present(self, agent: str, addresses: AbstractSet[str]) -> None:
        servers = (await self.see(agent)).seen.servers
        there = [f"{server.backend}/{server.name}" for server in servers if server.address in addresses]
        await try_all(self.gateway, [self._runtime.order(f"shutdown sessions server {place}") for place in there])

    async def _cut_old(self, agent: str, addresses: AbstractSet[str]) -> None:
        old = await self.see_old(agent) or ()
        await try_all(self.gateway, [self._cut_worker(sighting, addresses) for sighting in old])

    async def _cut_worker(self, sighting: Sighting, addresses: AbstractSet[str]) -> None:
        """An old worker says that its proxies are disabled to `shutdown sessions server`; each session can be ended."""
        pid, places = (
            sighting.life.pid,
            {(one.backend, one.name) for one in sighting.servers if one.address in addresses},
        )
        for session, backend, server in answers.sessions(await self._ask_worker(pid, "show sess")):
            if (backend, server) in places:
                await self._ask_worker(pid, f"shutdown session {session}")

    async def show_map(self) -> str:
        """The map that divides."""
        return await self._runtime.ask(self._show_map)

    @property
    def _show_map(self) -> str:
        return f"show map {self._layout.map}"

    async def show_state(self) -> str:
        """All servers' addresses, weights and states, as a reload can load them."""
        return await self._runtime.ask("show servers state")

    def _read(self, parse: Callable[[str], Value], answer: str) -> Value:
        try:
            return parse(answer)
        except ValueError as error:
            raise GatewayError(self.gateway, "invalid", f"{self.socket}: {error}", retryable=False) from error


def _stat(backend: str) -> str:
    return f"show stat {backend} 4 -1"
