"""The NGINX Plus instances of one gateway: each has a configuration of its own, and each is written and read back.

Built from the published description of the API; nothing here was tried on the commercial program.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

import aiohttp

from adapters.port import (
    ALL_STABLE,
    Applied,
    Assignment,
    Capabilities,
    GatewayError,
    GatewayStatus,
    Observation,
    Proof,
    Receipt,
    Verification,
)
from adapters.wishes import BEYOND_WEIGHTS, Wish

from .api import Api, Authorization
from .counts import Counts, Peer, peer_of
from .plan import (
    NotPossibleError,
    Server,
    Weights,
    changes,
    difference,
    fields,
    server_name,
    servers_of,
    tracks_of,
    weighted,
)

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
OUTCOMES = {"unreachable": Applied.UNREACHABLE, "conflict": Applied.UNCONFIRMED, "unconfirmed": Applied.UNCONFIRMED}


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


@dataclass(frozen=True, slots=True)
class _Pool:
    """One upstream: what its servers are to be."""

    path: str
    stable: Weights
    candidate: Weights

    @property
    def all(self) -> Weights:
        return {**self.candidate, **self.stable}


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
        self._loaded: dict[str, object] = {}
        self._added: set[tuple[str, str, str]] = set()
        self._opened: aiohttp.ClientSession | None = None
        authorization = Authorization(options.authorization_env, options.authorization_file)
        self._nodes = tuple(
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

    # --- applying -----------------------------------------------------------------------------------------------------

    async def start(self, assignments: Sequence[Assignment]) -> None:
        """Remember all agents. The instances are spoken to when each is applied."""
        self._wanted.update((assignment.agent, assignment) for assignment in assignments)

    async def apply(self, assignment: Assignment, *, timeout_s: float) -> Receipt:
        """Write every instance, and read each back. See the port."""
        started_s = self._now_s()
        self._wanted[assignment.agent] = assignment
        problems: list[GatewayError] = []
        outcome, detail = Applied.CONFIRMED, ""
        try:
            pools = self._pools(assignment)
            async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as tasks:
                for api in self._nodes:
                    tasks.create_task(self._bring(api, assignment, pools, problems))
        except NotPossibleError as error:
            outcome, detail = Applied.REFUSED, str(error)
        except TimeoutError:
            outcome, detail = Applied.UNCONFIRMED, f"no answer within {timeout_s:g} s"
        if problems:
            outcome, detail = self._told(problems)
        return Receipt(self.name, outcome, assignment.split, detail, self._now_s() - started_s)

    def _told(self, problems: Sequence[GatewayError]) -> tuple[Applied, str]:
        """A refusal by any instance is one; an instance that is out of reach makes the whole unconfirmed."""
        outcomes = {OUTCOMES.get(error.code, Applied.REFUSED) for error in problems}
        detail = "; ".join(str(error).removeprefix(f"{self.name}: ") for error in problems)
        if Applied.REFUSED in outcomes:
            return Applied.REFUSED, detail
        is_whole = len(problems) == len(self._nodes) and outcomes == {Applied.UNREACHABLE}
        return (Applied.UNREACHABLE if is_whole else Applied.UNCONFIRMED), detail

    async def _bring(
        self, api: Api, assignment: Assignment, pools: Sequence[_Pool], problems: list[GatewayError]
    ) -> None:
        try:
            await self._write(api, assignment, pools)
            words = await self._differs(api, assignment, pools)
        except GatewayError as error:
            problems.append(error)
        else:
            if words:
                problems.append(GatewayError(self.name, "unconfirmed", f"{api.url}: {words}", retryable=True))

    async def _write(self, api: Api, assignment: Assignment, pools: Sequence[_Pool]) -> None:
        """Make one instance what is wanted. No request goes to a candidate whose servers are being exchanged."""
        self._loaded[api.url] = await self._loaded_at(api)
        read = {pool.path: await self._servers(api, pool.path) for pool in pools}
        if self._options.keyval is not None:
            before = await self._percent(api, assignment.agent)
            candidate = pools[1]
            moves = difference(read[candidate.path], candidate.all) != ""
            share_bp = assignment.split.candidate_bp
            first_bp = 0 if moves else min(before, share_bp)
            await self._sync(api, assignment, pools[0], read[pools[0].path])
            await self._send(api, assignment.agent, before, first_bp)
            await self._sync(api, assignment, candidate, read[candidate.path])
            await self._send(api, assignment.agent, first_bp, share_bp)
        else:
            await self._sync(api, assignment, pools[0], read[pools[0].path])

    async def _sync(self, api: Api, assignment: Assignment, pool: _Pool, now: dict[str, Server]) -> None:
        for name, weight in changes(now, pool.stable, pool.candidate):
            server = now.get(name)
            said = fields(server, weight)
            if server is None:
                await api.ask("POST", f"{pool.path}/servers", {"server": name, **said})
                self._added.add((api.url, pool.path, name))
            else:
                await api.ask("PATCH", f"{pool.path}/servers/{server.id}", said)
        known = {name for version in assignment.versions for name in servers_of(version)}
        for name in now.keys() - known:
            if (api.url, pool.path, name) in self._added:  # what we did not add stays, and is down
                await api.ask("DELETE", f"{pool.path}/servers/{now[name].id}")
                self._added.discard((api.url, pool.path, name))

    async def _send(self, api: Api, agent: str, before_bp: int, share_bp: int) -> None:
        if before_bp != share_bp:
            await api.ask("PATCH", f"/http/keyvals/{self._options.keyval}", {agent: f"{share_bp / 100:g}"})

    def _pools(self, assignment: Assignment) -> tuple[_Pool, ...]:
        base = f"/http/upstreams/{quote(self._options.upstream.replace('{agent}', assignment.agent), safe='')}"
        if self._options.keyval is None:
            return (_Pool(base, *weighted(assignment)),)
        share_bp = assignment.split.candidate_bp
        if share_bp and share_bp not in self._options.percentages:
            raise NotPossibleError(f"the configuration has no split_clients for {share_bp / 100:g} %")
        stable, candidate = tracks_of(assignment)
        return (
            _Pool(f"{base}-stable", dict.fromkeys(stable, 1), {}),
            _Pool(f"{base}-candidate", dict.fromkeys(candidate, 1), {}),
        )

    # --- reading back -------------------------------------------------------------------------------------------------

    async def _servers(self, api: Api, path: str) -> dict[str, Server]:
        """By address. Raises GatewayError."""
        rows = await api.ask("GET", f"{path}/servers")
        found: dict[str, Server] = {}
        for row in rows if isinstance(rows, list) else ():
            server_id, address = (row.get("id"), row.get("server")) if isinstance(row, dict) else (None, None)
            if isinstance(server_id, int) and isinstance(address, str) and not address.startswith("unix:"):
                drains, weight = row.get("drain") is True, row.get("weight", 1)
                out = drains or row.get("down") is True
                found[server_name(address)] = Server(server_id, weight if isinstance(weight, int) else 1, out, drains)
        return found

    async def _percent(self, api: Api, agent: str) -> int:
        """What the keyval says of an agent, in basis points; 0 where it says nothing. Raises GatewayError."""
        try:
            pairs = await api.ask("GET", f"/http/keyvals/{self._options.keyval}")
        except GatewayError as error:
            if error.code == "not-found":
                words = f"{api.url}: there is no keyval zone {self._options.keyval}"
                raise GatewayError(self.name, "not-found", words, retryable=False) from error
            raise
        value = pairs.get(agent) if isinstance(pairs, dict) else None
        try:
            return round(float(value) * 100) if isinstance(value, str) else 0
        except (ValueError, OverflowError):
            return -1

    async def _differs(self, api: Api, assignment: Assignment, pools: Sequence[_Pool]) -> str:
        for pool in pools:
            if words := difference(await self._servers(api, pool.path), pool.all):
                return words
        if self._options.keyval is not None:
            share_bp = await self._percent(api, assignment.agent)
            if share_bp != assignment.split.candidate_bp:
                return f"the keyval says {share_bp / 100:g} %, not {assignment.split.candidate_bp / 100:g} %"
        return ""

    async def _loaded_at(self, api: Api) -> object:
        """When an instance read its configuration: a restart or a reload may have lost what it was told."""
        about = await api.ask("GET", "/nginx")
        return about.get("load_timestamp") if isinstance(about, dict) else None

    async def verify(self, agent: str) -> Verification:
        """Compare what every instance has with what was applied last."""
        assignment = self._wanted.get(agent)
        if assignment is None:
            return Verification(self.name, Proof.PENDING, "nothing has been applied for it yet")
        try:
            pools = self._pools(assignment)
            for api in self._nodes:
                if words := await self._differs(api, assignment, pools):
                    is_same = await self._loaded_at(api) == self._loaded.get(api.url)
                    return Verification(self.name, Proof.DRIFTED if is_same else Proof.RESET, f"{api.url}: {words}")
        except NotPossibleError as error:
            return Verification(self.name, Proof.REFUSED, str(error))
        except GatewayError as error:
            is_away = error.code == "unreachable"
            return Verification(self.name, Proof.UNREACHABLE if is_away else Proof.REFUSED, str(error))
        return Verification(self.name, Proof.APPLIED)

    async def observe(self, agent: str) -> Observation:
        """The peers' counters and requests in flight, summed over all instances. Raises GatewayError."""
        assignment = self._wanted.get(agent)
        if assignment is None:
            raise GatewayError(self.name, "not-found", f"{agent} was never applied", retryable=False)
        versions = {name: found.name for found in reversed(assignment.versions) for name in servers_of(found)}
        counts = self._counts.setdefault(agent, Counts())
        active: dict[str, int] = dict.fromkeys((version.name for version in assignment.versions), 0)
        unseen: set[str] = set()
        for api in self._nodes:
            peers: list[Peer] = []
            zombies = 0
            for pool in self._pools(replace(assignment, split=ALL_STABLE)):
                upstream = await api.ask("GET", pool.path)
                told = upstream if isinstance(upstream, dict) else {}
                found = [peer_of(row) for row in told.get("peers") or ()]
                peers += [replace(peer, server=server_name(peer.server)) for peer in found if peer is not None]
                zombies += told.get("zombies") or 0
            counts.take(api.url, peers, versions)
            for peer in peers:
                if peer.server in versions:
                    active[versions[peer.server]] += peer.active
            if zombies:  # servers that were taken away and still serve: nobody says whose they are
                unseen |= {versions[name] for name in versions.keys() - {peer.server for peer in peers}}
        in_flight = {name: count for name, count in active.items() if name not in unseen}
        return Observation(self.name, agent, self._epoch, counts.tallies(active), in_flight)

    async def status(self) -> GatewayStatus:
        """Which instances answer, and what they are."""
        details, reachable = [], True
        for api in self._nodes:
            try:
                about = await api.ask("GET", "/nginx")
            except GatewayError as error:
                reachable = False
                details.append(str(error).removeprefix(f"{self.name}: "))
            else:
                build = about.get("build") if isinstance(about, dict) else None
                details.append(f"{api.url}: {build or 'NGINX'}")
        return GatewayStatus(self.name, "nginx-plus", reachable, "; ".join(details), self._options.nodes)

    async def cut(self, agent: str, version: str) -> None:
        """NGINX Plus cannot cut one server's streams: the agent must end them itself (see its drain URL)."""

    async def remove(self, agent: str) -> None:
        """Leave everything with the stable version. Raises GatewayError."""
        assignment = self._wanted.get(agent)
        if assignment is None:
            return
        alone = replace(assignment, candidate=None, split=ALL_STABLE)
        for api in self._nodes:
            await self._write(api, alone, self._pools(alone))
        self._wanted.pop(agent, None)
        self._counts.pop(agent, None)

    async def close(self) -> None:
        """NGINX Plus keeps serving what it has."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX))
        return self._opened
