"""One OpenResty, or one nginx with the Lua module: all its workers follow one shared memory.

A split is confirmed by the answer to the request that set it: what that tells is read back from the memory that every
worker reads at its next request, by the very function that divides requests. So a confirmation proves effect.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import NamedTuple

from adapters.capabilities import Capabilities, Wish
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
)

from .control import CONFLICT, Answer, Control, TokenAt
from .document import (
    AddressError,
    Document,
    DocumentError,
    difference,
    document,
    generation_in,
    served,
    set_by,
    takes_from,
    tallies_in,
    unsaved_in,
)

log = logging.getLogger(__name__)

CAPABILITIES = Capabilities(
    share_bp_min=1,
    sees_in_flight=True,
    cuts_streams=True,
    counts_per_version=True,
    mirrors=False,
    dead_man=True,
    proves_effect=True,
    reports_latency=True,
    refuses=frozenset({Wish.HTTP2}),
)

ATTEMPTS_MAX = 4
"""How often one ``apply`` compares and sets: others may write in between."""

RENEWALS_PER_DEAD_MAN = 3
RENEWAL_MAX_S = 60.0
"""The dead-man switches are put off so often within the shortest of them, and at least once in this time."""

REFUSALS = {"denied", "not-found", "invalid"}


@dataclass(frozen=True, slots=True)
class OpenRestyOptions:
    """One gateway's settings.

    Attributes:
        control: ``unix:PATH``, or ``http://HOST:PORT`` on loopback.
        token: where the control endpoint's token is.
        timeout_s: the longest that one request to it may take.
        observe_every_s: how often the counters are read.
    """

    control: str
    token: TokenAt
    timeout_s: float = 2.0
    observe_every_s: float = 1.0


class _Applied(NamedTuple):
    """What was set last of an agent, and what its endpoints resolved to then."""

    document: Document
    resolved: Mapping[str, tuple[str, ...]]


class OpenRestyGateway:
    """One gateway.

    Args:
        name: the gateway's name; what it sets is set by ``turnout/<name>``.
        options: its settings.
        resolve: looks a host name up.
        now_s: a clock that never goes back.
    """

    def __init__(
        self,
        name: str,
        options: OpenRestyOptions,
        *,
        resolve: Resolve = look_up,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.capabilities = replace(CAPABILITIES, observe_every_s=options.observe_every_s)
        self._options = options
        self._control = Control(name, options.control, options.token, options.timeout_s)
        self._book = AddressBook(resolve)
        self._now_s = now_s
        self._by = f"turnout/{name}"
        self._wanted: dict[str, Assignment] = {}
        self._applied: dict[str, _Applied] = {}
        self._generations: dict[str, int] = {}
        self._settled: set[str] = set()
        self._stack = AsyncExitStack()
        self._has_news = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None

    async def start(self, assignments: Sequence[Assignment]) -> None:
        """Remember all agents, and begin to renew their dead-man switches. nginx keeps what it has until ``apply``."""
        self._wanted.update((assignment.agent, assignment) for assignment in assignments)
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        self._renewing = tasks.create_task(self._renew())

    # --- applying -----------------------------------------------------------------------------------------------------

    async def apply(self, assignment: Assignment, *, timeout_s: float) -> Receipt:
        """Replace what stands by this, whole, at one moment; read it back. See the port."""
        started_s = self._now_s()
        agent = assignment.agent
        self._wanted[agent] = assignment
        self._settled.discard(agent)
        self._has_news.set()
        outcome, detail, code = Applied.UNCONFIRMED, f"not done within {timeout_s:g} s", ""
        try:
            async with asyncio.timeout(timeout_s):
                outcome, detail = await self._apply(assignment)
        except TimeoutError:
            pass  # as it was said beforehand
        except AddressError as error:
            outcome, detail, code = Applied.UNREACHABLE, str(error), error.code
        except DocumentError as error:
            outcome, detail = Applied.REFUSED, str(error)
        except GatewayError as error:
            outcome, detail, code = _outcome_of(error), str(error), error.code
        if outcome is Applied.CONFIRMED and self._wanted.get(agent) == assignment:
            self._settled.add(agent)
        if outcome is Applied.REFUSED:
            log.warning("%s: %s was refused: %s", self.name, agent, detail)
        return Receipt(self.name, outcome, assignment.split, detail, self._now_s() - started_s, code)

    async def _apply(self, assignment: Assignment) -> tuple[Applied, str]:
        agent = assignment.agent
        if assignment.split == ALL_STABLE and not self._can_be_written(assignment):
            await self._lower(assignment)
        await self._book.learn(_serving(assignment), LOOKUP_TIMEOUT_S)
        self._book.sweep(lambda: [each for wanted in self._wanted.values() for each in endpoints_of(wanted)])
        possible, problem = served(assignment, self._book.known)
        wanted = document(possible, self._book.known)
        self._applied[agent] = _Applied(wanted, self._book.of(_serving(assignment)))
        answer = await self._set(agent, wanted)
        found = difference(answer, wanted)
        return (Applied.UNCONFIRMED, found) if found else (Applied.CONFIRMED, unsaved_in(answer) or problem)

    async def _set(self, agent: str, body: Document | None = None, *, candidate_bp: int | None = None) -> Answer:
        """Compare and set, the whole document or the share alone; what stands then. Raises GatewayError."""
        method = "PUT" if body is not None else "PATCH"
        for _ in range(ATTEMPTS_MAX):
            if agent not in self._generations:
                self._generations[agent] = generation_in(await self._read(agent))
            generation = self._generations.pop(agent)  # whether it is done is unknown until there is an answer
            status, answer = await self._control.ask(
                method, f"/agents/{agent}", body, candidate_bp=candidate_bp, if_gen=generation, by=self._by
            )
            if agent not in self._wanted:
                raise GatewayError(self.name, "unconfirmed", "the agent was removed meanwhile", retryable=True)
            self._generations[agent] = generation_in(answer)
            if status != CONFLICT:
                return answer
            log.warning(
                "%s: %s was changed to generation %d by %s meanwhile; it is compared and set again",
                *(self.name, agent, self._generations[agent], answer.get("by") or "somebody"),
            )
        what = f"somebody else changed it {ATTEMPTS_MAX} times meanwhile"
        raise GatewayError(self.name, "conflict", what, retryable=True)

    # --- the way back, and addresses ----------------------------------------------------------------------------------

    def _can_be_written(self, assignment: Assignment) -> bool:
        """Whether that needs nobody who knows addresses."""
        self._book.note(_serving(assignment))
        try:
            document(assignment, self._book.known)
        except DocumentError:
            return False
        return True

    async def _lower(self, assignment: Assignment) -> None:
        """Take the candidate's share from what stands, which needs no address: all the rest may take its time.

        Only where stable is the version that is wanted there; nothing else that stands is a step of the way back.
        """
        agent = assignment.agent
        try:
            answer = await self._read(agent)
            self._generations[agent] = generation_in(answer)
            if takes_from(answer, assignment.stable):
                await self._set(agent, candidate_bp=0)
                log.warning("%s: %s is all stable; names are looked up before the rest is set", self.name, agent)
        except GatewayError as error:  # what follows may do it all the same
            log.warning("%s: the candidate's share of %s is not lowered yet: %s", self.name, agent, error)

    async def _read(self, agent: str) -> Answer:
        """What stands of an agent; an empty answer where nothing does."""
        try:
            _, answer = await self._control.ask("GET", f"/agents/{agent}")
        except GatewayError as error:
            # The Lua module says so in JSON; a server that is none of ours refuses the PUT that follows.
            if error.code != "not-found":
                raise
            return {}
        return answer

    # --- the dead-man switch ------------------------------------------------------------------------------------------

    async def _renew(self) -> None:
        """Put the dead-man switches off before they fire, for as long as this program lives."""
        while True:
            lives = {
                agent: wanted.dead_man_s
                for agent, wanted in self._wanted.items()
                if wanted.dead_man_s is not None and wanted.candidate is not None and self._may_live(wanted)
            }
            self._has_news.clear()
            try:
                if lives:
                    await self._control.ask("POST", "/alive", {"agents": sorted(lives)})
            except GatewayError as error:
                log.warning("%s: the dead-man switches are not put off: %s", self.name, error)
            wait_s = min([life_s / RENEWALS_PER_DEAD_MAN for life_s in lives.values()], default=RENEWAL_MAX_S)
            try:
                async with asyncio.timeout(min(wait_s, RENEWAL_MAX_S)):
                    await self._has_news.wait()
            except TimeoutError:
                continue

    def _may_live(self, wanted: Assignment) -> bool:
        """A way back that nginx has not confirmed puts nothing off: the switch may be what takes the share away."""
        return wanted.split != ALL_STABLE or wanted.agent in self._settled

    # --- reading back -------------------------------------------------------------------------------------------------

    async def verify(self, agent: str) -> Verification:
        """Compare what stands with what was applied last, and names with what they resolve to now."""
        applied, wanted = self._applied.get(agent), self._wanted.get(agent)
        if applied is None or wanted is None:
            return Verification(self.name, Proof.PENDING, "nothing has been applied for it yet")
        try:
            await self._book.learn(endpoints_of(wanted), LOOKUP_TIMEOUT_S, again=True)
            possible, problem = served(wanted, self._book.known)
            if document(possible, self._book.known) != applied.document:
                return Verification(self.name, Proof.PENDING, self._book.moved(applied.resolved))
            answer = await self._read(agent)
        except DocumentError as error:
            return Verification(self.name, Proof.REFUSED, str(error))
        except GatewayError as error:
            proof = Proof.REFUSED if error.code in REFUSALS else Proof.UNREACHABLE
            return Verification(self.name, proof, str(error))
        found, by = difference(answer, applied.document), set_by(answer)
        if not found:
            return Verification(self.name, Proof.APPLIED, unsaved_in(answer) or problem)
        # A restart, a dead-man switch, a request of ours that came late: what stands is ours, or nothing does.
        return Verification(self.name, Proof.RESET if by in {"", self._by} else Proof.DRIFTED, found)

    async def observe(self, agent: str) -> Observation:
        """Read the shared counters. Raises GatewayError."""
        _, answer = await self._control.ask("GET", f"/agents/{agent}/counts")
        try:
            tallies, in_flight = tallies_in(answer)
        except ValueError as error:
            raise GatewayError(self.name, "invalid", f"its counts make no sense: {error}", retryable=True) from error
        return Observation(self.name, agent, str(answer.get("epoch")), tallies, in_flight)

    async def status(self) -> GatewayStatus:
        """Ask for the agents; its version, or why it cannot be reached."""
        try:
            _, answer = await self._control.ask("GET", "/agents")
        except GatewayError as error:
            return GatewayStatus(self.name, "openresty", reachable=False, detail=str(error))
        version = f"nginx/{answer['nginx']}" if answer.get("nginx") else ""
        return GatewayStatus(self.name, "openresty", reachable=True, detail=version, nodes=(self._options.control,))

    async def cut(self, agent: str, version: str) -> None:
        """Have nginx close the connections of those clients whose requests are in flight on a version."""
        await self._control.ask("POST", f"/agents/{agent}/cut", version=version)

    async def remove(self, agent: str) -> None:
        """Have nginx forget the agent. Raises GatewayError."""
        for known in (self._wanted, self._applied, self._generations):
            known.pop(agent, None)
        self._settled.discard(agent)
        await self._control.ask("DELETE", f"/agents/{agent}")

    async def close(self) -> None:
        """Stop renewing: nginx keeps what it has, until a dead-man switch fires."""
        if self._renewing is not None:
            self._renewing.cancel()
        await self._stack.aclose()
        await self._control.close()


def _outcome_of(error: GatewayError) -> Applied:
    if error.code in REFUSALS:
        return Applied.REFUSED
    return Applied.UNCONFIRMED if error.code in {"unconfirmed", "conflict"} else Applied.UNREACHABLE


def _serving(assignment: Assignment) -> list[str]:
    """The endpoints that requests may go to; what is known of the others is kept, because all may return to them."""
    return endpoints_of(replace(assignment, draining=()))
