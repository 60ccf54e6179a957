"""The NGINX Plus instances of one gateway: each has a configuration of its own, and each is written and read back.

Built from the published description of the API; nothing here was tried on the commercial program.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

import aiohttp

from adapters.capabilities import BEYOND_WEIGHTS, Capabilities, Wish
from adapters.nodes import outcome_of, proof_of, whole_of, words_of
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

from .api import Api, Authorization
from .counts import Counts
from .instance import Instance, Pool
from .plan import NotPossibleError, servers_of, tracks_of, weighted

log = logging.getLogger(__name__)

CAPABILITIES = Capabilities(
    share_bp_min=1,
    sees_in_flight=True,
    cuts_streams=False,
    counts_per_version=True,
    mirrors=False,
    dead_man=False,
    proves_effect=False,
    ignores=BEYOND_WEIGHTS | {Wish.STICKINESS},
)
"""``proves_effect`` may well be true, because workers share an upstream's zone; nobody has measured it."""

CONNECTIONS_MAX = 32
"""To one instance. Instances share none: requests that a frozen one holds would leave nothing to the others."""


@dataclass(frozen=True, slots=True)
class NginxPlusOptions:
    """One gateway's settings.

    Attributes:
        nodes: the API's URL of every instance, without the version.
        upstream: an agent's upstream; ``{agent}`` stands for its name. With a keyval, ``-stable`` and ``-candidate``
            are added to it.
        keyval: the zone that holds each agent's percentage; None divides by the servers' weights.
        percentages: those that the configuration has a ``split_clients`` for, in basis points.
        authorization_env: the environment variable that holds the ``Authorization`` header's value.
        authorization_file: the file that holds it.
        ca_file: whom to trust for https, instead of the system's authorities.
        timeout_s: the longest that one request to the API may take.
    """

    nodes: tuple[str, ...]
    upstream: str = "{agent}"
    keyval: str | None = None
    percentages: tuple[int, ...] = ()
    authorization_env: str | None = None
    authorization_file: str | None = None
    ca_file: str | None = None
    timeout_s: float = 2.0


class NginxPlusGateway:
    """One gateway of NGINX Plus instances.

    Args:
        name: the gateway's name.
        options: its settings.
        now_s: a clock that never goes back.
    """

    def __init__(self, name: str, options: NginxPlusOptions, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.capabilities = CAPABILITIES
        self._options = options
        self._now_s = now_s
        self._epoch = uuid.uuid4().hex
        self._wanted: dict[str, Assignment] = {}
        self._counts: dict[str, Counts] = {}
        self._loaded: dict[tuple[str, str], object] = {}
        self._opened: aiohttp.ClientSession | None = None
        authorization = Authorization(options.authorization_env, options.authorization_file)
        apis = (
            Api(
                name,
                url,
                self._session,
                authorization=authorization,
                timeout_s=options.timeout_s,
                ca_file=options.ca_file,
            )
            for url in options.nodes
        )
        self._nodes = tuple(Instance(name, api, options.keyval) for api in apis)

    # --- applying -----------------------------------------------------------------------------------------------------

    async def start(self, assignments: Sequence[Assignment]) -> None:
        """Remember all agents. The instances are spoken to when each is applied."""
        self._wanted.update((assignment.agent, assignment) for assignment in assignments)

    async def apply(self, assignment: Assignment, *, timeout_s: float) -> Receipt:
        """Write every instance, and read each back. See the port."""
        started_s, split = self._now_s(), assignment.split
        self._wanted[assignment.agent] = assignment
        waiting = self._silent(f"no answer within {timeout_s:g} s")
        try:
            pools = self._pools(assignment)
            async with asyncio.timeout(timeout_s):
                await self._at_each(lambda node: self._bring(node, assignment, pools), waiting)
        except NotPossibleError as error:
            return Receipt(self.name, Applied.REFUSED, split, str(error), self._now_s() - started_s)
        except TimeoutError:
            pass  # those that wait say so
        outcome, code = outcome_of(waiting.values(), len(self._nodes))
        detail = words_of(self.name, waiting.values())
        return Receipt(self.name, outcome, split, detail, self._now_s() - started_s, code)

    async def _at_each(self, act: Callable[[Instance], Awaitable[object]], waiting: dict[str, GatewayError]) -> None:
        """Do it at every instance at once; ``waiting`` tells at any time where it is not done, and why."""

        async def at(node: Instance) -> None:
            try:
                await act(node)
            except GatewayError as error:
                waiting[node.url] = error
            else:
                del waiting[node.url]

        async with asyncio.TaskGroup() as tasks:
            for node in self._nodes:
                tasks.create_task(at(node))

    def _silent(self, words: str) -> dict[str, GatewayError]:
        return {node.url: self._unconfirmed(node, words) for node in self._nodes}

    def _unconfirmed(self, node: Instance, words: str) -> GatewayError:
        return GatewayError(self.name, "unconfirmed", f"{node.url}: {words}", retryable=True)

    async def _bring(self, node: Instance, assignment: Assignment, pools: Sequence[Pool]) -> None:
        """Write one instance and read it back. What is found there later in the same life is somebody's doing.

        What it says of its life comes before the reading, and is nothing that the writing waits for.
        """
        both = await asyncio.gather(node.write(assignment, pools), node.loaded_at(), return_exceptions=True)
        for problem in both:
            if isinstance(problem, BaseException):
                raise problem
        if words := await node.differs(assignment, pools):
            raise self._unconfirmed(node, words)
        self._loaded[assignment.agent, node.url] = both[1]

    def _pools(self, assignment: Assignment) -> tuple[Pool, ...]:
        base = f"/http/upstreams/{quote(self._options.upstream.replace('{agent}', assignment.agent), safe='')}"
        if self._options.keyval is None:
            return (Pool(base, *weighted(assignment)),)
        share_bp = assignment.split.candidate_bp
        if share_bp and share_bp not in self._options.percentages:
            raise NotPossibleError(f"the configuration has no split_clients for {share_bp / 100:g} %")
        stable, candidate = tracks_of(assignment)
        return (
            Pool(f"{base}-stable", dict.fromkeys(stable, 1), {}),
            Pool(f"{base}-candidate", dict.fromkeys(candidate, 1), {}),
        )

    # --- reading back -------------------------------------------------------------------------------------------------

    async def verify(self, agent: str) -> Verification:
        """Compare what every instance has with what was applied last."""
        assignment = self._wanted.get(agent)
        if assignment is None:
            return Verification(self.name, Proof.PENDING, "nothing has been applied for it yet")
        try:
            pools = self._pools(assignment)
        except NotPossibleError as error:
            return Verification(self.name, Proof.REFUSED, str(error))
        found = await asyncio.gather(*(self._compare(node, assignment, pools) for node in self._nodes))
        return proof_of(self.name, found)

    async def _compare(self, node: Instance, assignment: Assignment, pools: Sequence[Pool]) -> Verification:
        key = (assignment.agent, node.url)
        try:
            loaded = await node.loaded_at()
            if words := await node.differs(assignment, pools):
                is_same = await node.loaded_at() == self._loaded.get(key)
                return Verification(self.name, Proof.DRIFTED if is_same else Proof.RESET, f"{node.url}: {words}")
        except GatewayError as error:
            is_away = error.code == "unreachable"
            return Verification(self.name, Proof.UNREACHABLE if is_away else Proof.REFUSED, str(error))
        self._loaded[key] = loaded  # it stands in this life as well
        return Verification(self.name, Proof.APPLIED)

    async def observe(self, agent: str) -> Observation:
        """The peers' counters and requests in flight, summed over all instances. Raises GatewayError."""
        assignment = self._wanted.get(agent)
        if assignment is None:
            raise GatewayError(self.name, "not-found", f"{agent} was never applied", retryable=False)
        versions = {name: found.name for found in reversed(assignment.versions) for name in servers_of(found)}
        pools = self._pools(replace(assignment, split=ALL_STABLE))
        counts = self._counts.setdefault(agent, Counts())
        active: dict[str, int] = dict.fromkeys((version.name for version in assignment.versions), 0)
        unseen: set[str] = set()
        sights = await asyncio.gather(*(node.sight(pools) for node in self._nodes), return_exceptions=True)
        for node, sight in zip(self._nodes, sights, strict=True):
            if isinstance(sight, BaseException):
                raise sight
            peers, zombies = sight
            counts.take(node.url, peers, versions)
            for peer in peers:
                if peer.server in versions:
                    active[versions[peer.server]] += peer.active
            if zombies:  # servers that were taken away and still serve: nobody says whose they are
                unseen |= {versions[name] for name in versions.keys() - {peer.server for peer in peers}}
        in_flight = {name: count for name, count in active.items() if name not in unseen}
        return Observation(self.name, agent, self._epoch, counts.tallies(active), in_flight)

    async def status(self) -> GatewayStatus:
        """Which instances answer, and what they are."""
        found = await asyncio.gather(*(self._ask_who(node) for node in self._nodes))
        reachable = all(answered for answered, _ in found)
        details = "; ".join(detail for _, detail in found)
        return GatewayStatus(self.name, "nginx-plus", reachable, details, self._options.nodes)

    async def _ask_who(self, node: Instance) -> tuple[bool, str]:
        try:
            about = await node.about()
        except GatewayError as error:
            return False, str(error).removeprefix(f"{self.name}: ")
        return True, f"{node.url}: {about.get('build') or 'NGINX'}"

    async def cut(self, agent: str, version: str) -> None:
        """NGINX Plus cannot cut one server's streams: the agent must end them itself (see its drain URL)."""

    async def remove(self, agent: str) -> None:
        """Leave everything with the stable version. Raises GatewayError."""
        assignment = self._wanted.get(agent)
        if assignment is None:
            return
        alone = replace(assignment, candidate=None, split=ALL_STABLE)
        pools = self._pools(alone)
        waiting = self._silent("no answer yet")
        await self._at_each(lambda node: node.write(alone, pools), waiting)
        if waiting:
            raise whole_of(self.name, waiting.values(), len(self._nodes))
        self._wanted.pop(agent, None)
        self._counts.pop(agent, None)
        for node in self._nodes:
            node.forget(pools)
            self._loaded.pop((agent, node.url), None)

    async def close(self) -> None:
        """NGINX Plus keeps serving what it has."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS_MAX)
            )
        return self._opened
