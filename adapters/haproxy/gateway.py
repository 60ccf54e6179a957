"""One gateway of HAProxy processes, each with its own socket. A split stands when every one of them was read back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from adapters.names import LOOKUP_TIMEOUT_S, AddressBook, Resolve, endpoints_of, look_up
from adapters.port import (
    ALL_STABLE,
    Applied,
    Assignment,
    GatewayError,
    GatewayStatus,
    Observation,
    Proof,
    Receipt,
    Verification,
    host_port,
)

from .answers import Life
from .disk import Files
from .latency import Latencies, line_in
from .log_socket import LogSocket
from .options import HaproxyOptions, capabilities
from .plan import Plan, Target, nameless, plan, target
from .process import HaproxyProcess, Sight
from .runtime import try_all
from .tallies import Tallies

log = logging.getLogger(__name__)

ROUNDS_MAX = 3
"""How often one ``apply`` changes what is left to be changed; two do, unless somebody else does the same just then."""

SIGHT_S = 2.0
"""How long what was seen is taken for what stands: a process is looked at every second while its agent is watched."""

REMOVE_TIMEOUT_S = 10.0


@dataclass(slots=True)
class _Agent:
    """What is known of one agent.

    ``turns`` keeps looks at one process in order, so that no old figure follows a new one, and ``turns_back`` those at
    the workers before it. ``confirmed`` has, per socket, the process that was read back last, and what stood there;
    ``sights`` what was seen last, and when.
    """

    wanted: Assignment
    applied: Assignment | None = None
    confirmed: dict[str, tuple[Life, Target]] = field(default_factory=dict)
    sights: dict[str, tuple[Sight, float]] = field(default_factory=dict)
    tallies: Tallies = field(default_factory=Tallies)
    latencies: Latencies = field(default_factory=Latencies)
    turns: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    turns_back: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of one process, as in a receipt."""

    outcome: Applied
    detail: str = ""
    code: str = ""


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
        self.capabilities = capabilities(options)
        self._options = options
        self._now_s = now_s
        self._epoch = uuid.uuid4().hex
        self._agents: dict[str, _Agent] = {}
        self._backends: dict[str, _Agent] = {}
        self._book = AddressBook(resolve)
        self._files = Files(options.map_file, options.state_file)
        self._processes = tuple(
            HaproxyProcess(name, address, options.master, options.timeout_s, options.layout)
            for address in options.sockets
        )
        self._lines = self._unreadable = 0
        self._log_socket: LogSocket | None = None
        if options.latency_log is not None:
            self._log_socket = LogSocket(*host_port(options.latency_log), self._take_line)

    async def start(self, assignments: Sequence[Assignment]) -> None:
        """Know the agents. An HAProxy serves what its configuration and its state file say until it is told more."""
        for assignment in assignments:
            self._known(assignment)
        if problem := self._listen():
            log.error("%s: %s; it is tried again", self.name, problem)

    def _known(self, assignment: Assignment) -> _Agent:
        agent = self._agents.setdefault(assignment.agent, _Agent(assignment))
        agent.wanted = assignment
        self._backends.update(dict.fromkeys(self._options.layout.backends(assignment.agent), agent))
        return agent

    # --- applying -----------------------------------------------------------------------------------------------------

    async def apply(self, assignment: Assignment, *, timeout_s: float) -> Receipt:
        """Bring every process to the assignment, and read each back. See the port."""
        if self._files.is_closed:
            return Receipt(self.name, Applied.UNREACHABLE, assignment.split, "it is closed")
        agent = self._known(assignment)
        agent.applied = assignment
        self._book.sweep(lambda: [each for known in self._agents.values() for each in endpoints_of(known.wanted)])
        return await self._apply(agent, timeout_s)

    async def _apply(self, agent: _Agent, timeout_s: float) -> Receipt:
        started_s, split = self._now_s(), agent.wanted.split
        found: dict[str, _Answer] = {}
        try:
            async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as tasks:
                names = tasks.create_task(self._book.learn(endpoints_of(agent.wanted), LOOKUP_TIMEOUT_S))
                for process in self._processes:
                    tasks.create_task(self._bring(process, agent, names, found))
        except TimeoutError:
            for process in self._processes:
                late = f"{process.socket}: no answer within {timeout_s:g} s"
                found.setdefault(process.socket, _Answer(Applied.UNREACHABLE, late))
        worst = min(found.values(), key=lambda answer: _WORST_FIRST.index(answer.outcome))
        is_partial = len({answer.outcome is Applied.CONFIRMED for answer in found.values()}) == 2
        detail = "; ".join(dict.fromkeys(answer.detail for answer in found.values() if answer.detail))
        took_s, code = self._now_s() - started_s, "partial" if is_partial else worst.code
        return Receipt(self.name, worst.outcome, split, detail, took_s, code)

    async def _bring(
        self, process: HaproxyProcess, agent: _Agent, names: asyncio.Task[list[str]], found: dict[str, _Answer]
    ) -> None:
        """Bring one process to what is wanted, and the files to what stands there, whatever becomes of the others."""
        try:
            answer = await self._bring_to(process, agent, names)
        except GatewayError as error:
            outcome = Applied.UNREACHABLE if error.retryable else Applied.REFUSED
            answer = _Answer(outcome, str(error).removeprefix(f"{self.name}: "), error.code)
        found[process.socket] = answer
        if answer.code != "unreachable":
            problem = await self._files.keep(process)
            if problem and not answer.code:
                detail = "; ".join(words for words in (answer.detail, problem) if words)
                found[process.socket] = replace(answer, detail=detail)

    async def _bring_to(self, process: HaproxyProcess, agent: _Agent, names: asyncio.Task[list[str]]) -> _Answer:
        """Do what is left to do at one process, until nothing is. The way back begins before anything is looked up."""
        wanted, layout = agent.wanted, self._options.layout
        await process.check_level()
        if wanted.split == ALL_STABLE and layout.map is not None:
            try:
                await process.withdraw(wanted.agent)
            finally:
                agent.sights.pop(process.socket, None)
                self._files.changed()
            if not names.done():
                await self._files.keep(process)
        await names
        aim = target(wanted, layout, self._book.known)
        await self._guide_at_once(process, agent, aim)
        sight = await self._see(process, agent)
        todo = plan(aim, sight.seen, layout)
        for _ in range(ROUNDS_MAX):
            if not todo.commands:
                break
            await self._carry_out(process, todo)
            sight = await self._see(process, agent)
            todo = plan(aim, sight.seen, layout)
        if todo.commands:
            return _Answer(Applied.UNCONFIRMED, f"{process.socket}: still to be done: {'; '.join(todo.commands)}")
        if lost := nameless(wanted, self._book.known):
            return _Answer(Applied.UNREACHABLE, f"no address is known of {', '.join(lost)}")
        if todo.problem:
            return _Answer(Applied.REFUSED, f"{process.socket}: {todo.problem}")
        agent.confirmed[process.socket] = sight.sighting.life, aim
        return _Answer(Applied.CONFIRMED)

    async def _guide_at_once(self, process: HaproxyProcess, agent: _Agent, aim: Target) -> None:
        """Tell a process its share before it is looked at, if it was seen a moment ago and only that is to change.

        To look first would more than double the time to the effect, and it is looked at afterwards in any case. One
        that has begun again meanwhile guides by what it began with for longer than that.
        """
        sight, at_s = agent.sights.pop(process.socket, (None, 0.0))
        if sight is None or self._now_s() - at_s > SIGHT_S:
            return
        todo = plan(aim, sight.seen, self._options.layout)
        if todo.only_guides:
            with contextlib.suppress(GatewayError):  # it stands otherwise by now, or is gone: the look will tell
                await self._carry_out(process, todo)

    async def _carry_out(self, process: HaproxyProcess, todo: Plan) -> None:
        try:
            await process.carry_out(todo)
        finally:
            self._files.changed()

    async def _see(self, process: HaproxyProcess, agent: _Agent) -> Sight:
        async with agent.turns[process.socket]:
            sight = await process.see(agent.wanted.agent)
            agent.tallies.own(self._owners(agent.wanted))
            agent.tallies.take(sight.sighting)
            agent.sights[process.socket] = sight, self._now_s()
        return sight

    def _owners(self, assignment: Assignment) -> dict[str, str]:
        """Which version is where; a version that serves counts more than one that drains."""
        return {
            address: version.name
            for version in reversed(assignment.versions)
            for endpoint in version.endpoints
            for address in self._book.known.get(endpoint, ())
        }

    # --- reading back -------------------------------------------------------------------------------------------------

    async def verify(self, agent: str) -> Verification:
        """Nothing is left to do at any process; or it began again, or somebody has changed it."""
        known = self._agents.get(agent)
        if known is None or known.applied is None:
            return Verification(self.name, Proof.PENDING, "nothing has been applied for it yet")
        await self._book.learn(endpoints_of(known.wanted), LOOKUP_TIMEOUT_S, again=True)
        for process in self._processes:
            try:
                sight = await self._see(process, known)
            except GatewayError as error:
                return Verification(self.name, Proof.UNREACHABLE if error.retryable else Proof.REFUSED, str(error))
            proof, words = self._compare(process, known, sight)
            if proof is not Proof.APPLIED:
                return Verification(self.name, proof, f"{process.socket}: {words}")
        return Verification(self.name, Proof.APPLIED, await self._files.keep(self._processes[0]))

    def _compare(self, process: HaproxyProcess, agent: _Agent, sight: Sight) -> tuple[Proof, str]:
        """What stands at one process. Somebody's hand is what it has lost in its life; if nothing, a name has moved."""
        layout = self._options.layout
        aim = target(agent.wanted, layout, self._book.known)
        todo = plan(aim, sight.seen, layout)
        if todo.commands:
            life, had = agent.confirmed.get(process.socket, (sight.sighting.life, aim))
            words = f"to put it right: {'; '.join(todo.commands)}"
            if life != sight.sighting.life:
                return Proof.RESET, words
            if plan(had, sight.seen, layout).commands:
                return Proof.DRIFTED, words
            return Proof.PENDING, f"a host name has other addresses now; {words}"
        return (Proof.REFUSED if todo.problem else Proof.APPLIED), todo.problem

    async def observe(self, agent: str) -> Observation:
        """Read every process's counters. Raises GatewayError unless all of them can be read."""
        known = self._agents.get(agent)
        if known is None:
            raise GatewayError(self.name, "not-found", f"{agent} is not known here", retryable=False)
        self._listen()
        for process in self._processes:
            await self._see(process, known)
            await self._see_old(process, known)
        names = [version.name for version in known.wanted.versions]
        tallies = known.latencies.added_to(known.tallies.of(names))
        return Observation(self.name, agent, self._epoch, tallies, known.tallies.in_flight(names))

    async def _see_old(self, process: HaproxyProcess, agent: _Agent) -> None:
        async with agent.turns_back[process.socket]:
            expected = agent.tallies.predecessors(process.socket)
            old = await process.see_old(agent.wanted.agent)
            agent.tallies.take_old(process.socket, old, expected)

    async def status(self) -> GatewayStatus:
        """Who answers; reachable when all processes do."""
        nodes, problems, versions = [], [], set()
        for process in self._processes:
            try:
                found = await process.info()
            except GatewayError as error:
                problems.append(str(error))
            else:
                nodes.append(f"{process.socket} (pid {found.life.pid})")
                versions.add(f"HAProxy {found.version}")
        detail = "; ".join([*(problems or sorted(versions)), *self._log_words()])
        return GatewayStatus(self.name, "haproxy", reachable=not problems, detail=detail, nodes=tuple(nodes))

    # --- the log ------------------------------------------------------------------------------------------------------

    def _listen(self) -> str:
        """Have the log come; what is wrong, if it cannot. Counters are read all the same."""
        if self._log_socket is not None and not self._log_socket.is_open:
            try:
                self._log_socket.open()
            except OSError as error:
                return f"no log can come to {self._options.latency_log}: {error}"
        return ""

    def _log_words(self) -> list[str]:
        if self._log_socket is None:
            return []
        if problem := self._listen():
            return [problem]
        if not self._lines:
            return [f"no line of its log has come to {self._options.latency_log} yet"]
        return [f"of its log, lines that cannot be read: {self._unreadable}"] * bool(self._unreadable)

    def _take_line(self, datagram: bytes) -> None:
        """Whoever can send here is heard: nothing that comes may do harm, and what is not ours is passed over."""
        self._lines += 1
        if b"{" not in datagram:
            return  # what HAProxy says of itself, as when a reload stops a proxy
        try:
            line = line_in(datagram)
        except ValueError:
            self._unreadable += 1
            return
        agent = self._backends.get(line.backend)
        version = agent.tallies.owner(line.server) if agent is not None else None
        if agent is not None and version is not None:
            agent.latencies.take(line, version, agent.wanted.latency_limits_s)

    # --- ending -------------------------------------------------------------------------------------------------------

    async def cut(self, agent: str, version: str) -> None:
        """Shut down the sessions of every server that the version has, old workers' too.

        Raises GatewayError when all processes were tried.
        """
        known = self._agents.get(agent)
        if known is not None:
            addresses = known.tallies.addresses(version)
            await try_all(self.name, [process.cut(agent, addresses) for process in self._processes])

    async def remove(self, agent: str) -> None:
        """Leave the agent to its stable version, and forget it. Raises GatewayError."""
        known = self._agents.get(agent)
        if known is None:
            return
        if known.applied is not None:
            known.wanted = replace(known.wanted, candidate=None, split=ALL_STABLE)
            receipt = await self._apply(known, REMOVE_TIMEOUT_S)
            if receipt.outcome is not Applied.CONFIRMED:
                raise GatewayError(self.name, "unconfirmed", receipt.detail, retryable=True)
        del self._agents[agent]
        for backend in self._options.layout.backends(agent):
            self._backends.pop(backend, None)

    async def close(self) -> None:
        """Stop listening; HAProxy keeps serving what it has."""
        if self._log_socket is not None:
            self._log_socket.close()
        self._files.close()


_WORST_FIRST = (Applied.REFUSED, Applied.UNREACHABLE, Applied.UNCONFIRMED, Applied.CONFIRMED)
