"""One Traefik: what it is to do stands in one document of ours, and its API says whether it does it.

Traefik puts new routers in the place of the old ones together with the API that shows them, so what the API shows is
what new requests follow. It says nothing of a document that it refuses whole: that shows as no confirmation in time.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from adapters.capabilities import Capabilities, Wish
from adapters.port import (
    ALL_STABLE,
    Applied,
    Assignment,
    GatewayError,
    GatewayStatus,
    Observation,
    Proof,
    Receipt,
    Tally,
    Verification,
)

from .client import Client, Credential
from .comparison import difference, trouble
from .counters import Page, read
from .directory import Directory
from .document import NOBODY, Document, Sections, compose, stamp_in, stamp_name
from .edition import Edition, Wanted
from .endpoint import Endpoint
from .translation import AgentParts, HealthCheck, translate

log = logging.getLogger(__name__)

CAPABILITIES = Capabilities(
    share_bp_min=1,
    sees_in_flight=False,
    cuts_streams=False,
    counts_per_version=True,
    mirrors=True,
    dead_man=False,
    proves_effect=True,
    ignores=frozenset({Wish.OUTCOMES}),
)

GRACE_S = 2.0
"""What a Traefik may take beyond its throttle (and, over HTTP, its poll interval) to show what was written."""

LOOK_AGAIN_MIN_S, LOOK_AGAIN_MAX_S = 0.01, 0.1
"""How long to wait before the API is asked again; grows from one to the other."""

NEIGHBOURS_S = 0.5
"""How long a way back that is written lets itself be told who else defines the same."""

PAGE_AGE_S_MAX = 0.2
"""Agents of one gateway that are observed at the same time share one reading of the metrics page."""

GENERATION_BYTES = 6

UNSHOWN = frozenset({"serversTransports"})
"""Sections that Traefik's API does not show."""


@dataclass(frozen=True, slots=True)
class TraefikOptions:
    """One gateway's settings.

    Attributes:
        api_url: where Traefik's API is, without ``/api``.
        metrics_url: its metrics page; None for ``/metrics`` beside the API.
        directory: what its file provider watches; None where it polls.
        listen: ``IP:PORT`` where its HTTP provider polls; None where it watches.
        poll_interval_s: how often it polls.
        throttle_s: its ``providersThrottleDuration``.
        entry_points: where routers listen; empty for Traefik's default ones.
        health_check: how Traefik looks after instances; None trusts them.
        credential: for the API and the metrics page.
    """

    api_url: str
    metrics_url: str | None = None
    directory: str | None = None
    listen: str | None = None
    poll_interval_s: float = 5.0
    throttle_s: float = 2.0
    entry_points: tuple[str, ...] = ()
    health_check: HealthCheck | None = None
    credential: Credential | None = None

    def __post_init__(self) -> None:
        if (self.directory is None) == (self.listen is None):
            raise ValueError("a Traefik watches a directory or polls, and not both")


class Place(Protocol):
    """Where Traefik finds the document.

    Attributes:
        provider: the name of Traefik's provider that looks there.
        edition: what was last put.
    """

    provider: str
    edition: Edition

    async def put(self, wanted: Wanted) -> None:
        """Have it found from now on. Raises GatewayError."""
        ...

    async def verify(self, agent: str) -> Verification:
        """Whether what was last put of an agent is found. Raises GatewayError."""
        ...

    async def conflict(self, names: Sections) -> str:
        """Who else defines what is called so; empty when nobody does. Raises GatewayError."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


class _Answer(NamedTuple):
    outcome: Applied
    detail: str = ""
    code: str = ""


class TraefikGateway:
    """One Traefik.

    Args:
        name: the gateway's name.
        options: its settings.
        now_s: a clock that never goes back.
    """

    capabilities = CAPABILITIES

    def __init__(self, name: str, options: TraefikOptions, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._options = options
        self._now_s = now_s
        metrics_url = options.metrics_url or f"{options.api_url.rstrip('/')}/metrics"
        self._client = Client(name, options.api_url, metrics_url, options.credential)
        self._place = self._make_place()
        self._takes_s = options.throttle_s + GRACE_S + (options.poll_interval_s if options.listen else 0.0)
        self._wanted: dict[str, Assignment] = {}
        self._parts: dict[str, AgentParts] = {}
        self._composed: Document | None = None
        self._put_at_s = float("-inf")
        self._shown = ""
        self._wishes = 0
        self._asked: dict[str, int] = {}
        self._ask(NOBODY)
        self._page: tuple[float, Page] | None = None
        self._reading = asyncio.Lock()
        self._is_closed = False

    def _make_place(self) -> Place:
        if self._options.directory is not None:
            return Directory(self.name, Path(self._options.directory), _generation())
        assert self._options.listen is not None, "options have a directory or an address"
        return Endpoint(self.name, self._options.listen, _generation())

    # --- applying -----------------------------------------------------------------------------------------------------

    async def start(self, assignments: Sequence[Assignment]) -> None:
        """Write all of them at once, unless they stand there already. Trouble is told, and met again by ``apply``."""
        for assignment in assignments:
            self._want(assignment)
        try:
            await self._put()
        except GatewayError as error:
            log.error("%s; it is tried again", error)  # noqa: TRY400 - no fault of ours

    async def apply(self, assignment: Assignment, *, timeout_s: float) -> Receipt:
        """Write the assignment, and wait until Traefik's API shows it. See the port."""
        began_s = self._now_s()
        answer = await self._apply(assignment, began_s + min(timeout_s, self._takes_s))
        if answer.outcome is Applied.REFUSED:
            log.warning("%s: %s was refused: %s", self.name, assignment.agent, answer.detail)
        took_s = self._now_s() - began_s
        return Receipt(self.name, answer.outcome, assignment.split, answer.detail, took_s, answer.code)

    async def _apply(self, wanted: Assignment, ends_s: float) -> _Answer:
        if self._is_closed:
            return _Answer(Applied.UNREACHABLE, "it is closed")
        is_way_back = wanted.split == ALL_STABLE
        if why := _asks_too_much(wanted):
            return _Answer(Applied.REFUSED, why)
        conflict, names = "", compose({wanted.agent: self._translate(wanted)}).of(wanted.agent)
        try:
            async with asyncio.timeout(ends_s - self._now_s()):
                if not is_way_back and (conflict := await self._place.conflict(names)):
                    return _Answer(Applied.REFUSED, conflict, "conflict")
                self._want(wanted)
                await self._put()
        except GatewayError as error:
            if error.code == "conflict":
                return _Answer(Applied.REFUSED, str(error), error.code)
            self._want(wanted)
            return _Answer(Applied.UNREACHABLE, str(error), error.code)
        except TimeoutError:
            self._want(wanted)
            return _Answer(Applied.UNCONFIRMED, "the disk did not take it in time")
        if is_way_back:
            conflict = await self._conflict_at_last(names)
        answer = await self._settle(wanted.agent, ends_s)
        if answer.outcome is Applied.UNCONFIRMED and not self._has_loaded(wanted.agent):
            for agent in self._place.edition.left:  # Traefik may have refused the document for what somebody has edited
                self._ask(agent)
        if conflict and answer.outcome is Applied.CONFIRMED:
            return _Answer(Applied.CONFIRMED, conflict)
        return _Answer(Applied.REFUSED, conflict, "conflict") if conflict else answer

    async def _conflict_at_last(self, names: Sections) -> str:
        """Who else defines that, if it is soon known: a way back is written first, and waits for nobody's files."""
        try:
            async with asyncio.timeout(NEIGHBOURS_S):
                return await self._place.conflict(names)
        except (GatewayError, TimeoutError):
            return ""

    async def _settle(self, agent: str, ends_s: float) -> _Answer:
        """Ask Traefik until it shows what is wanted, or time is up."""
        pause_s = LOOK_AGAIN_MIN_S
        answer = _Answer(Applied.UNREACHABLE, f"{self._options.api_url} does not answer in time")
        while True:
            try:
                async with asyncio.timeout(max(0.0, ends_s - self._now_s())):
                    found = await self._look(agent)
            except TimeoutError:
                return answer
            except GatewayError as error:
                answer = _Answer(Applied.UNREACHABLE, str(error), error.code)
            else:
                if found.proof is Proof.APPLIED:
                    return _Answer(Applied.CONFIRMED)
                if found.proof is Proof.REFUSED:
                    return _Answer(Applied.REFUSED, found.detail, "invalid")
                answer = _Answer(Applied.UNCONFIRMED, self._unconfirmed(found.detail))
            if self._now_s() + pause_s >= ends_s:
                return answer
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LOOK_AGAIN_MAX_S)

    def _unconfirmed(self, detail: str) -> str:
        where = self._options.directory or f"http://{self._options.listen}/"
        return f"Traefik does not show it ({detail}); does its {self._place.provider} provider read {where}?"

    def _want(self, assignment: Assignment) -> None:
        self._ask(assignment.agent)
        if self._wanted.get(assignment.agent) != assignment:
            self._wanted[assignment.agent] = assignment
            self._parts[assignment.agent] = self._translate(assignment)
            self._composed = None

    def _ask(self, agent: str) -> None:
        """From now on what somebody has changed of it is not left as it is."""
        self._wishes += 1
        self._asked[agent] = self._wishes

    def _document(self) -> Document:
        """All that is wanted. Put together when it is needed: a thousand agents may come at once."""
        if self._composed is None:
            self._composed = compose(self._parts)
        return self._composed

    def _translate(self, assignment: Assignment) -> AgentParts:
        options = self._options
        return translate(assignment, entry_points=options.entry_points, health_check=options.health_check)

    async def _put(self) -> None:
        """Write what is wanted, unless it stands there. Raises GatewayError."""
        before = self._place.edition.number
        await self._place.put(Wanted(self._document(), dict(self._asked)))
        if self._place.edition.number != before:
            self._put_at_s = self._now_s()

    # --- reading back -------------------------------------------------------------------------------------------------

    async def _look(self, agent: str) -> Verification:
        """What Traefik shows of an agent's parts. Raises GatewayError.

        It must have loaded an edition of ours that knows the newest of this agent; not always the newest of all: where
        agents change all the time, Traefik, which waits between two changes, would never be there.
        """
        self._shown = stamp_in(await self._client.part("middlewares", self._at(stamp_name(self.name))))
        if not self._has_loaded(agent):
            return Verification(self.name, Proof.PENDING, f"it has loaded {self._shown or 'nothing of ours'}")
        troubles = []
        for section, name, part in self._place.edition.meant.parts(agent):
            if section in UNSHOWN:
                continue
            shown = await self._client.part(section, self._at(name))
            if shown is None:
                return Verification(self.name, Proof.PENDING, f"{name} ({section}) is not there")
            if what := difference(part, shown):
                return Verification(self.name, Proof.PENDING, f"{name} ({section}): {what}")
            if what := trouble(shown):
                troubles.append(f"{name} ({section}): {what}")
        return Verification(self.name, Proof.REFUSED if troubles else Proof.APPLIED, "; ".join(troubles))

    def _has_loaded(self, agent: str) -> bool:
        edition = self._place.edition
        return edition.number_of(self._shown) >= edition.since.get(agent, 0)

    def _at(self, name: str) -> str:
        return f"{name}@{self._place.provider}"

    async def verify(self, agent: str) -> Verification:
        """Compare the document where Traefik finds it, its neighbours, and what Traefik's API shows."""
        edition = self._place.edition
        if self._is_closed or not edition.answers(agent, self._asked.get(agent)):
            return Verification(self.name, Proof.PENDING, "its newest has not been written yet")
        try:
            stands = await self._place.verify(agent)
            if stands.proof is not Proof.APPLIED:
                return stands
            if conflict := await self._place.conflict(edition.meant.of(agent)):
                return Verification(self.name, Proof.DRIFTED, conflict)
            found = await self._look(agent)
        except GatewayError as error:
            return Verification(self.name, Proof.UNREACHABLE, str(error))
        if found.proof is Proof.PENDING and self._now_s() - self._put_at_s > self._takes_s:
            return Verification(self.name, Proof.RESET, f"Traefik has lost what was written: {found.detail}")
        return found

    async def observe(self, agent: str) -> Observation:
        """The counters of the agent's versions. What is in flight Traefik does not know. Raises GatewayError."""
        at_s, page = await self._read_page()
        wanted = self._wanted.get(agent)
        known = [version.name for version in wanted.versions] if wanted else []
        return Observation(
            gateway=self.name,
            agent=agent,
            epoch=page.epoch,
            tallies={**dict.fromkeys(known, Tally()), **page.tallies.get(agent, {})},
            in_flight={},
            age_s=self._now_s() - at_s,
        )

    async def _read_page(self) -> tuple[float, Page]:
        async with self._reading:
            if self._page is None or self._now_s() - self._page[0] > PAGE_AGE_S_MAX:
                at_s = self._now_s()
                self._page = (at_s, read(await self._client.metrics(), self._place.provider))
            return self._page

    async def status(self) -> GatewayStatus:
        """Its version, or why it cannot be reached."""
        try:
            detail = f"Traefik {await self._client.version()}"
        except GatewayError as error:
            return GatewayStatus(self.name, "traefik", reachable=False, detail=str(error))
        return GatewayStatus(self.name, "traefik", reachable=True, detail=detail, nodes=(self._options.api_url,))

    async def cut(self, agent: str, version: str) -> None:
        """Nothing in Traefik ends one version's streams: the agent must end them itself (see its drain URL)."""

    async def remove(self, agent: str) -> None:
        """Write the document without it. Raises GatewayError."""
        self._wanted.pop(agent, None)
        self._asked.pop(agent, None)
        if self._parts.pop(agent, None) is not None:
            self._composed = None
        await self._put()

    async def close(self) -> None:
        """Let go of connections. Traefik keeps what it has."""
        self._is_closed = True
        await self._place.close()
        await self._client.close()


def _generation() -> str:
    return secrets.token_hex(GENERATION_BYTES)


def _asks_too_much(wanted: Assignment) -> str:
    """Traefik divides by cookie or by chance. A way back is asked for in vain by nobody."""
    sticky = wanted.stickiness
    if sticky is not None and sticky.header is not None and wanted.split.candidate_bp and wanted.split.stable_bp:
        return "Traefik cannot keep sessions on their version by a header; use stickiness: {cookie: ...}"
    return ""
