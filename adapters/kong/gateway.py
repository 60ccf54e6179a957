"""The Kong nodes of one gateway. With a database they share one configuration; without, each has its own.

A split is confirmed when every node's balancer has the weights. That the configuration has them proves nothing: a
second node follows seconds later (``db_update_frequency``), while its Admin API shows the new weights already. And
one worker of a node answers for all, so that even a confirmation proves effect to some milliseconds only.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import aiohttp

from adapters.capabilities import BEYOND_WEIGHTS, Capabilities
from adapters.nodes import outcome_of, proof_of, whole_of, words_of
from adapters.port import (
    ALL_STABLE,
    WHOLE_BP,
    Applied,
    Assignment,
    GatewayError,
    GatewayStatus,
    Observation,
    Proof,
    Receipt,
    Verification,
)

from .admin import Admin, TokenSource
from .balancer import difference
from .http_log import DELAY_S, HttpLog
from .node import Life, Mode, Upstream, balancer, life_of, settings_differ, stored, weights_differ
from .weights import (
    SHARE_BP_MIN,
    NotPossibleError,
    Wanted,
    fits_ring,
    share_given,
    share_kept,
    wanted_of,
)
from .writing import Writing

log = logging.getLogger(__name__)

CAPABILITIES = Capabilities(
    share_bp_min=SHARE_BP_MIN,
    sees_in_flight=False,
    cuts_streams=False,
    counts_per_version=False,
    mirrors=False,
    dead_man=False,
    proves_effect=False,
    ignores=BEYOND_WEIGHTS,
    share_given=share_given,
    share_kept=share_kept,
)
"""Without the http-log plugin; with it, requests and errors are counted per version."""

POLL_S = 0.05
POLL_MAX_S = 0.5

CONNECTIONS_MAX = 32
"""To one node. Nodes share none: requests that a frozen one holds would leave nothing to the others."""

HASHED = "sessions are hashed onto few points, which gives the candidate another share than its weight"


@dataclass(frozen=True, slots=True)
class KongOptions:
    """One gateway's settings.

    Attributes:
        nodes: the Admin API's URL of every node.
        upstream: the name of an agent's upstream; ``{agent}`` stands for the agent's name.
        workspace: the workspace of Kong Enterprise.
        token_env: the environment variable that holds the Admin API's token.
        token_file: the file that holds it.
        ca_file: whom to trust for https, instead of the system's authorities.
        timeout_s: the longest that one request to the Admin API may take.
        http_log: ``ADDRESS:PORT`` where the http-log plugin posts to; None counts nothing.
    """

    nodes: tuple[str, ...]
    upstream: str = "{agent}.turnout"
    workspace: str | None = None
    token_env: str | None = None
    token_file: str | None = None
    ca_file: str | None = None
    timeout_s: float = 2.0
    http_log: str | None = None


def capabilities(options: KongOptions) -> Capabilities:
    """What a gateway with these settings can do."""
    is_logged = options.http_log is not None
    return replace(CAPABILITIES, counts_per_version=is_logged, reports_latency=is_logged)


class KongGateway:
    """One gateway of Kong nodes.

    Args:
        name: the gateway's name.
        options: its settings.
        now_s: a clock that never goes back.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        name: str,
        options: KongOptions,
        *,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self.capabilities = capabilities(options)
        self._options = options
        self._now_s = now_s
        self._sleep = sleep
        self._epoch = uuid.uuid4().hex
        self._wanted: dict[str, Assignment] = {}
        self._lives: dict[tuple[str, str], Life] = {}
        self._http_log = HttpLog(name, options.http_log, now_s)
        self._opened: aiohttp.ClientSession | None = None
        token = TokenSource(options.token_env, options.token_file)
        self._nodes = tuple(
            Admin(
                name,
                url,
                self._session,
                workspace=options.workspace,
                token=token,
                timeout_s=options.timeout_s,
                ca_file=options.ca_file,
            )
            for url in options.nodes
        )
        self._turns = {admin.url: asyncio.Lock() for admin in self._nodes}

    @property
    def log_port(self) -> int | None:
        """Where the http-log plugin may post to now."""
        return self._http_log.port

    # --- applying -----------------------------------------------------------------------------------------------------

    async def start(self, assignments: Sequence[Assignment]) -> None:
        """Listen for the log. The nodes are spoken to when each agent is applied."""
        for assignment in assignments:
            self._know(assignment)
        try:
            await self._http_log.open()
        except GatewayError as error:
            log.error("%s; it is tried again", error)  # noqa: TRY400 - no fault of ours

    async def apply(self, assignment: Assignment, *, timeout_s: float) -> Receipt:
        """Write the weights, and wait until every node's balancer has them. See the port."""
        started_s, split, upstream = self._now_s(), assignment.split, self._upstream(assignment)
        self._know(assignment)
        self._http_log.undivided(upstream)
        waiting = self._silent(f"no answer within {timeout_s:g} s")
        try:
            wanted = wanted_of(assignment)
            async with asyncio.timeout(timeout_s):
                await self._bring(assignment, wanted, waiting)
        except NotPossibleError as error:
            return Receipt(self.name, Applied.REFUSED, split, str(error), self._now_s() - started_s)
        except TimeoutError:
            pass  # those that wait say so
        outcome, code = outcome_of(waiting.values(), len(self._nodes))
        detail = words_of(self.name, waiting.values())
        if outcome is Applied.REFUSED:
            log.warning("%s: %s was refused: %s", self.name, assignment.agent, detail)
        if outcome is Applied.CONFIRMED:
            detail = _remark(assignment)
            self._http_log.divided(upstream, assignment, wanted)
        return Receipt(self.name, outcome, split, detail, self._now_s() - started_s, code)

    async def _bring(self, assignment: Assignment, wanted: Wanted, waiting: dict[str, GatewayError]) -> None:
        """Write every node, and wait until its balancer follows; ``waiting`` tells at any time who does not, and why.

        What a node was when it was written counts as soon as all of them follow: what is found there later in the same
        life is somebody's doing.
        """
        upstream = self._upstream(assignment)
        lives = await self._write(upstream, wanted, waiting)
        if not waiting:
            await self._settle(upstream, wanted, waiting)
            self._lives.update({(assignment.agent, url): life for url, life in lives.items()})

    async def _write(self, upstream: Upstream, wanted: Wanted, waiting: dict[str, GatewayError]) -> Mapping[str, Life]:
        writing = Writing(self.name, self._turns, upstream, wanted, waiting)
        await writing.run(self._nodes)
        return writing.lives

    def _silent(self, words: str) -> dict[str, GatewayError]:
        return {admin.url: self._unconfirmed(admin, words) for admin in self._nodes}

    def _unconfirmed(self, admin: Admin, words: str) -> GatewayError:
        return GatewayError(self.name, "unconfirmed", f"{admin.url}: {words}", retryable=True)

    async def _settle(self, upstream: Upstream, wanted: Wanted, waiting: dict[str, GatewayError]) -> None:
        """Return when every node's balancer has the weights.

        A node that refuses to tell is asked again as well: another node has written what it may not know yet.
        """
        waiting.update(self._silent("its balancer has not been seen"))
        async with asyncio.TaskGroup() as tasks:
            for admin in self._nodes:
                tasks.create_task(self._follow(admin, upstream, wanted, waiting))

    async def _follow(self, admin: Admin, upstream: Upstream, wanted: Wanted, waiting: dict[str, GatewayError]) -> None:
        pause_s = POLL_S
        while True:
            await self._look(admin, upstream, wanted, waiting)
            if admin.url not in waiting:
                return
            await self._sleep(pause_s)
            pause_s = min(pause_s * 2, POLL_MAX_S)

    async def _look(self, admin: Admin, upstream: Upstream, wanted: Wanted, waiting: dict[str, GatewayError]) -> None:
        try:
            found = await balancer(admin, upstream)
        except GatewayError as error:
            waiting[admin.url] = error
            return
        words = difference(found, wanted.all)
        if found is not None:
            self._http_log.learn(upstream, found.addresses)
        if words:
            waiting[admin.url] = self._unconfirmed(admin, words)
        else:
            waiting.pop(admin.url, None)

    def _know(self, assignment: Assignment) -> None:
        self._wanted[assignment.agent] = assignment
        self._http_log.know(self._upstream(assignment), assignment)

    def _upstream(self, assignment: Assignment) -> Upstream:
        name = self._options.upstream.replace("{agent}", assignment.agent)
        return Upstream(name, assignment.stickiness if fits_ring(assignment) else None)

    # --- reading back -------------------------------------------------------------------------------------------------

    async def verify(self, agent: str) -> Verification:
        """Compare what every node's configuration and balancer have with what was applied last."""
        assignment = self._wanted.get(agent)
        if assignment is None:
            return Verification(self.name, Proof.PENDING, "nothing has been applied for it yet")
        upstream = self._upstream(assignment)
        try:
            wanted = wanted_of(assignment)
        except NotPossibleError as error:
            return Verification(self.name, Proof.REFUSED, str(error))
        looks = (self._compare(admin, agent, upstream, wanted) for admin in self._nodes)
        found = proof_of(self.name, await asyncio.gather(*looks))
        return replace(found, detail=_remark(assignment)) if found.proof is Proof.APPLIED else found

    async def _compare(self, admin: Admin, agent: str, upstream: Upstream, wanted: Wanted) -> Verification:
        try:
            return await self._found(admin, agent, upstream, wanted)
        except GatewayError as error:
            is_away = error.code == "unreachable"
            return Verification(self.name, Proof.UNREACHABLE if is_away else Proof.REFUSED, str(error))

    async def _found(self, admin: Admin, agent: str, upstream: Upstream, wanted: Wanted) -> Verification:
        known = self._lives.get((agent, admin.url))
        life = known if known and known.mode is Mode.DATABASE else await life_of(admin, self.name)
        try:
            found_weights = await stored(admin, upstream)
            words = weights_differ(found_weights, wanted.all) or await settings_differ(admin, upstream)
        except GatewayError as error:
            if error.code != "not-found":
                raise
            found_weights, words = {}, f"upstream {upstream.name} is gone"
        if words:
            is_gone = not wanted.all.keys() <= found_weights.keys()
            proof = Proof.RESET if await self._began_again(admin, agent, is_gone=is_gone) else Proof.DRIFTED
            return Verification(self.name, proof, f"{admin.url}: {words}")
        found = await balancer(admin, upstream)
        if words := difference(found, wanted.all):
            return Verification(self.name, Proof.PENDING, f"{admin.url}: {words}")
        if found is not None:
            self._http_log.learn(upstream, found.addresses)
        self._lives[agent, admin.url] = life  # it stands in this life as well
        return Verification(self.name, Proof.APPLIED)

    async def _began_again(self, admin: Admin, agent: str, *, is_gone: bool) -> bool:
        """Whether a node without a database has only its file again: it has another id, or nothing of ours."""
        now, before = await life_of(admin, self.name), self._lives.get((agent, admin.url))
        return now.mode is Mode.DBLESS and (is_gone or before is None or now.node_id != before.node_id)

    async def observe(self, agent: str) -> Observation:
        """What the http-log plugin has posted. Without it, nothing is known, which is not zero."""
        assignment = self._wanted.get(agent)
        if not self._http_log.is_kept or assignment is None:
            return Observation(self.name, agent, self._epoch, {}, {})
        await self._http_log.open()
        upstream = self._upstream(assignment)
        tallies, sessions = self._http_log.tallies(upstream, assignment), self._http_log.sessions(upstream, assignment)
        return Observation(self.name, agent, self._epoch, tallies, {}, DELAY_S, sessions)

    async def status(self) -> GatewayStatus:
        """Which nodes answer, and what they are."""
        found: dict[str, tuple[bool, str]] = {}
        async with asyncio.TaskGroup() as tasks:
            for admin in self._nodes:
                tasks.create_task(self._ask_who(admin, found))
        details = [f"{admin.url}: {found[admin.url][1]}" for admin in self._nodes]
        if self._http_log.strangers:
            details.append(f"{self._http_log.strangers} log entries belong to none of our agents")
        reachable = all(answered for answered, _ in found.values())
        return GatewayStatus(self.name, "kong", reachable, "; ".join(details), self._options.nodes)

    async def _ask_who(self, admin: Admin, found: dict[str, tuple[bool, str]]) -> None:
        try:
            root = await admin.root()
        except GatewayError as error:
            found[admin.url] = (False, str(error).removeprefix(f"{self.name}: {admin.url}: "))
        else:
            found[admin.url] = (True, f"Kong {root.get('version')}, node {root.get('node_id')}")

    async def cut(self, agent: str, version: str) -> None:
        """Kong cannot cut one target's streams: the agent must end them itself (see its drain URL)."""

    async def remove(self, agent: str) -> None:
        """Leave everything with the stable version, and take our other targets away. Raises GatewayError.

        The upstream stays: services of Kong's operator point to it, and would answer 503 without it.
        """
        assignment = self._wanted.get(agent)
        if assignment is None:
            return
        alone = replace(assignment, candidate=None, split=ALL_STABLE, stickiness=None)
        waiting = self._silent("no answer yet")
        await self._write(self._upstream(alone), wanted_of(alone), waiting)
        if waiting:
            raise whole_of(self.name, waiting.values(), len(self._nodes))
        self._wanted.pop(agent, None)
        self._http_log.forget(self._upstream(alone))
        for admin in self._nodes:
            self._lives.pop((agent, admin.url), None)

    async def close(self) -> None:
        """Stop listening. Kong keeps serving what it has."""
        await self._http_log.close()
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    # --- what is open -------------------------------------------------------------------------------------------------

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS_MAX)
            )
        return self._opened


def _remark(assignment: Assignment) -> str:
    """What is amiss where all is confirmed."""
    is_hashed = assignment.stickiness and 0 < assignment.split.candidate_bp < WHOLE_BP
    return HASHED if is_hashed else ""
