"""One gateway of HAProxy processes, each with its own socket. A split stands when every one of them was read back."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapters.port import (
    Applied,
    Assignment,
    Capabilities,
    GatewayError,
    GatewayStatus,
    Observation,
    Proof,
    Receipt,
    Split,
    Tally,
    Verification,
    Version,
    host_port,
)

from . import answers, disk
from .plan import Layout, plan, target
from .process import HaproxyProcess, Sight
from .tallies import Tallies

CAPABILITIES = Capabilities(
    share_bp_min=1,
    sees_in_flight=True,
    cuts_streams=True,
    counts_per_version=True,
    mirrors=False,
    dead_man=False,
    proves_effect=True,
)
"""Of map mode; weights cannot give less than :data:`WEIGHTS_SHARE_BP_MIN`."""

WEIGHTS_SHARE_BP_MIN = 39
"""1 of 257, with one server on each track."""

ROUNDS_MAX = 3
"""How often one ``apply`` changes what is left to be changed; two do, unless somebody else does the same just then."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class HaproxyOptions:
    """One gateway's settings.

    Attributes:
        sockets: of each process, ``unix:/path`` or ``host:port``.
        layout: names in the configuration; ``layout.map`` is None where weights divide.
        master: the master's socket, where there is one process with one.
        state_file: where ``server-state-file`` is for us; None writes none.
        map_file: where the map's file is for us; None writes none.
        timeout_s: for one command.
    """

    sockets: tuple[str, ...]
    layout: Layout
    master: str | None = None
    state_file: str | None = None
    map_file: str | None = None
    timeout_s: float = 2.0


async def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host name. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(entry[4][0]) for entry in found})


@dataclass(slots=True)
class _Agent:
    """What is known of one agent.

    ``turns`` keeps looks at one process in order, so that no old figure follows a new one. ``confirmed_by`` has, per
    socket, the process that was read back last.
    """

    wanted: Assignment
    applied: Assignment | None = None
    confirmed_by: dict[str, int] = field(default_factory=dict)
    tallies: Tallies = field(default_factory=Tallies)
    turns: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))


class HaproxyGateway:
    """One gateway of HAProxy processes.

    Args:
        name: the gateway's name.
        options: its settings.
        resolve: looks a host name up.
        now_s: a clock that never goes back.
    """

    def __init__(
        self,
        name: str,
        options: HaproxyOptions,
        *,
        resolve: Resolve = look_up,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        by_map = options.layout.map is not None
        self.capabilities = CAPABILITIES if by_map else replace(CAPABILITIES, share_bp_min=WEIGHTS_SHARE_BP_MIN)
        self._options = options
        self._resolve = resolve
        self._now_s = now_s
        self._epoch = uuid.uuid4().hex
        self._agents: dict[str, _Agent] = {}
        self._addresses: dict[str, tuple[str, ...]] = {}
        self._unsaved = True
        self._processes = tuple(
            HaproxyProcess(name, address, options.master, options.timeout_s, options.layout)
            for address in options.sockets
        )

    async def start(self, assignments: Sequence[Assignment]) -> None:
        """Know the agents. An HAProxy serves what its configuration and its state file say until it is told more."""
        for assignment in assignments:
            self._agents[assignment.agent] = _Agent(assignment)

    # --- applying -----------------------------------------------------------------------------------------------------

    async def apply(self, assignment: Assignment, *, timeout_s: float) -> Receipt:
        """Bring every process to the assignment, and read each back. See the port."""
        started_s = self._now_s()
        agent = self._agents.setdefault(assignment.agent, _Agent(assignment))
        agent.wanted = agent.applied = assignment
        try:
            async with asyncio.timeout(timeout_s):
                outcome, detail = await self._apply(agent)
        except TimeoutError:
            outcome, detail = Applied.UNREACHABLE, f"no answer within {timeout_s:g} s"
        return Receipt(self.name, outcome, assignment.split, detail, self._now_s() - started_s)

    async def _apply(self, agent: _Agent) -> tuple[Applied, str]:
        await self._learn(agent.wanted.versions)
        results = await asyncio.gather(*(self._bring(process, agent) for process in self._processes))
        worst = min((outcome for outcome, _ in results), key=_WORST_FIRST.index)
        details = [detail for _, detail in results if detail]
        if worst is Applied.CONFIRMED and self._unsaved:
            details += await self._save()
        return worst, "; ".join(details)

    async def _bring(self, process: HaproxyProcess, agent: _Agent) -> tuple[Applied, str]:
        """Do what is left to do at one process, until nothing is."""
        layout = self._options.layout
        try:
            await process.check_level()
            wanted = target(agent.wanted, layout, self._addresses)
            sight = await self._see(process, agent)
            todo = plan(wanted, sight.seen, layout)
            for _ in range(ROUNDS_MAX):
                if not todo.commands:
                    break
                self._unsaved = True
                await process.carry_out(todo)
                sight = await self._see(process, agent)
                todo = plan(wanted, sight.seen, layout)
        except GatewayError as error:
            return (Applied.UNREACHABLE if error.retryable else Applied.REFUSED), str(error)
        if todo.commands:
            return Applied.UNCONFIRMED, f"{process.socket}: still to be done: {'; '.join(todo.commands)}"
        if todo.problem:
            return Applied.REFUSED, f"{process.socket}: {todo.problem}"
        agent.confirmed_by[process.socket] = sight.pid
        return Applied.CONFIRMED, ""

    async def _see(self, process: HaproxyProcess, agent: _Agent) -> Sight:
        async with agent.turns[process.socket]:
            sight = await process.see(agent.wanted.agent)
            agent.tallies.own(self._owners(agent.wanted))
            agent.tallies.take(sight.sightings, sees_old=self._options.master is not None)
        return sight

    def _owners(self, assignment: Assignment) -> dict[str, str]:
        """Which version is where; a version that serves counts more than one that drains."""
        return {
            address: version.name
            for version in reversed(assignment.versions)
            for endpoint in version.endpoints
            for address in self._addresses.get(endpoint, ())
        }

    async def _save(self) -> list[str]:
        """Write down what a reload must keep. A disk that fails holds no split up, and least of all a way back."""
        process, options = self._processes[0], self._options
        try:
            if options.map_file:
                text = disk.map_text(answers.entries(await process.show_map()))
                await asyncio.to_thread(disk.save, Path(options.map_file), text)
            if options.state_file:
                await asyncio.to_thread(disk.save, Path(options.state_file), await process.show_state() + "\n")
        except (OSError, GatewayError) as error:
            return [f"a reload would not keep it: {error}"]
        self._unsaved = False
        return []

    async def _learn(self, versions: Iterable[Version], *, again: bool = False) -> None:
        """Look host names up that are not known yet; a name that stops resolving keeps what it had."""
        for endpoint in (endpoint for version in versions for endpoint in version.endpoints):
            if endpoint in self._addresses and not again:
                continue
            host, port = host_port(endpoint)
            try:
                ipaddress.ip_address(host)
                found: Sequence[str] = [host]
            except ValueError:
                try:
                    found = await self._resolve(host, port)
                except OSError:
                    continue
            self._addresses[endpoint] = tuple(f"[{one}]:{port}" if ":" in one else f"{one}:{port}" for one in found)

    # --- reading back -------------------------------------------------------------------------------------------------

    async def verify(self, agent: str) -> Verification:
        """Nothing is left to do at any process; or it began again, or somebody has changed it."""
        known = self._agents.get(agent)
        if known is None or known.applied is None:
            return Verification(self.name, Proof.PENDING, "nothing has been applied for it yet")
        await self._learn(known.wanted.versions, again=True)
        layout = self._options.layout
        for process in self._processes:
            try:
                sight = await self._see(process, known)
            except GatewayError as error:
                return Verification(self.name, Proof.UNREACHABLE if error.retryable else Proof.REFUSED, str(error))
            todo = plan(target(known.wanted, layout, self._addresses), sight.seen, layout)
            if todo.commands:
                is_same = known.confirmed_by.get(process.socket) in {None, sight.pid}
                proof = Proof.DRIFTED if is_same else Proof.RESET
                return Verification(self.name, proof, f"{process.socket}: to put it right: {'; '.join(todo.commands)}")
            if todo.problem:
                return Verification(self.name, Proof.REFUSED, f"{process.socket}: {todo.problem}")
        return Verification(self.name, Proof.APPLIED)

    async def observe(self, agent: str) -> Observation:
        """Read every process's counters. Raises GatewayError unless all of them can be read."""
        known = self._agents.get(agent)
        if known is None:
            raise GatewayError(self.name, "not-found", f"{agent} is not known here", retryable=False)
        await self._learn(known.wanted.versions)
        for process in self._processes:
            await self._see(process, known)
        names = [version.name for version in known.wanted.versions]
        tallies: dict[str, Tally] = known.tallies.of(names)
        return Observation(self.name, agent, self._epoch, tallies, known.tallies.in_flight(names))

    async def status(self) -> GatewayStatus:
        """Who answers; reachable when all processes do."""
        nodes, problems, versions = [], [], set()
        for process in self._processes:
            try:
                found = await process.info()
            except GatewayError as error:
                problems.append(str(error))
            else:
                nodes.append(f"{process.socket} (pid {found.pid})")
                versions.add(f"HAProxy {found.version}")
        detail = "; ".join(problems or sorted(versions))
        return GatewayStatus(self.name, "haproxy", reachable=not problems, detail=detail, nodes=tuple(nodes))

    # --- ending -------------------------------------------------------------------------------------------------------

    async def cut(self, agent: str, version: str) -> None:
        """Shut down the sessions of every server that the version has, old workers' too. Raises GatewayError."""
        known = self._agents.get(agent)
        if known is not None:
            addresses = known.tallies.addresses(version)
            for process in self._processes:
                await process.cut(agent, addresses)

    async def remove(self, agent: str) -> None:
        """Leave the agent to its stable version, and forget it. Raises GatewayError."""
        known = self._agents.get(agent)
        if known is None:
            return
        if known.applied is not None:
            known.wanted = replace(known.wanted, candidate=None, split=Split())
            outcome, detail = await self._apply(known)
            if outcome is not Applied.CONFIRMED:
                raise GatewayError(self.name, "unconfirmed", detail, retryable=True)
        del self._agents[agent]

    async def close(self) -> None:
        """Nothing is kept open."""


_WORST_FIRST = (Applied.REFUSED, Applied.UNREACHABLE, Applied.UNCONFIRMED, Applied.CONFIRMED)
