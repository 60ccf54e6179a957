"""One agent's servers and percentage at one instance: written, read back, and looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.port import Assignment, GatewayError

from .api import Api
from .counts import Peer, peer_of
from .plan import Server, Weights, changes, difference, fields, goes_on, is_whole, server_name, servers_of


@dataclass(frozen=True, slots=True)
class Pool:
    """One upstream: what its servers are to be."""

    path: str
    stable: Weights
    candidate: Weights

    @property
    def all(self) -> Weights:
        """Every server that must be there; whatever else is in the upstream is ``down``."""
        return {**self.candidate, **self.stable}


class Instance:
    """One instance.

    Args:
        gateway: the gateway's name, for errors.
        api: speaks to it.
        keyval: the zone of the percentages; None divides by the servers' weights.
    """

    def __init__(self, gateway: str, api: Api, keyval: str | None) -> None:
        self.url = api.url
        self._gateway = gateway
        self._api = api
        self._keyval = keyval
        self._added: set[tuple[str, str]] = set()

    async def about(self) -> dict[object, object]:
        """What it says of itself. Raises GatewayError."""
        about = await self._api.ask("GET", "/nginx")
        return about if isinstance(about, dict) else {}

    async def loaded_at(self) -> object:
        """When it read its configuration: a restart or a reload may have lost what it was told. Raises GatewayError."""
        return (await self.about()).get("load_timestamp")

    # --- writing ------------------------------------------------------------------------------------------------------

    async def write(self, assignment: Assignment, pools: Sequence[Pool]) -> None:
        """Make it what is wanted. Raises GatewayError.

        With a keyval, no request goes to a candidate whose servers are being exchanged; and where stable serves, a
        share is taken back before anything else, whatever may be wrong with the servers.
        """
        stable, candidate = pools[0], pools[-1]
        there = await self._servers(stable.path)
        if self._keyval is None:
            await self._sync(assignment, stable, there)
            return
        agent, share_bp = assignment.agent, assignment.split.candidate_bp
        before = await self._percent(agent)
        serves = any(there[name].share for name in stable.stable if name in there)
        if serves and share_bp == 0:
            before = await self._send(agent, before, 0)
        here = await self._servers(candidate.path)
        first_bp = 0 if difference(here, candidate.all) else min(before, share_bp)
        if serves:
            before = await self._send(agent, before, first_bp)
        await self._sync(assignment, stable, there)
        before = await self._send(agent, before, first_bp)
        await self._sync(assignment, candidate, here)
        await self._send(agent, before, share_bp)

    def forget(self, pools: Sequence[Pool]) -> None:
        """Remember no longer what was added there."""
        paths = {pool.path for pool in pools}
        self._added = {(path, name) for path, name in self._added if path not in paths}

    async def _sync(self, assignment: Assignment, pool: Pool, now: dict[str, Server]) -> None:
        refusal: GatewayError | None = None
        for name, weight in changes(now, pool.stable, pool.candidate):
            if refusal is None or goes_on(now, pool.stable, (name, weight)):
                try:
                    await self._change(pool, name, now.get(name), weight)
                except GatewayError as error:
                    if error.code == "unreachable":
                        raise
                    refusal = refusal or error
        if refusal is not None:
            raise refusal
        known = {name for version in assignment.versions for name in servers_of(version)}
        for name in now.keys() - known:
            if (pool.path, name) in self._added:  # what we did not add stays, and is down
                await self._api.ask("DELETE", f"{pool.path}/servers/{now[name].id}")
                self._added.discard((pool.path, name))

    async def _change(self, pool: Pool, name: str, server: Server | None, weight: int) -> None:
        said = fields(server, weight)
        if server is not None:
            await self._api.ask("PATCH", f"{pool.path}/servers/{server.id}", said)
        else:
            await self._api.ask("POST", f"{pool.path}/servers", {"server": name, **said})
            self._added.add((pool.path, name))

    async def _send(self, agent: str, before_bp: int, share_bp: int) -> int:
        """What the keyval says then."""
        if before_bp != share_bp:
            await self._api.ask("PATCH", f"/http/keyvals/{self._keyval}", {agent: f"{share_bp / 100:g}"})
        return share_bp

    # --- reading back -------------------------------------------------------------------------------------------------

    async def differs(self, assignment: Assignment, pools: Sequence[Pool]) -> str:
        """What stands there other than what is wanted, in a sentence; empty if nothing. Raises GatewayError."""
        for pool in pools:
            if words := difference(await self._servers(pool.path), pool.all):
                return words
        if self._keyval is not None:
            share_bp = await self._percent(assignment.agent)
            if share_bp != assignment.split.candidate_bp:
                return f"the keyval says {share_bp / 100:g} %, not {assignment.split.candidate_bp / 100:g} %"
        return ""

    async def _servers(self, path: str) -> dict[str, Server]:
        rows = await self._api.ask("GET", f"{path}/servers")
        if not isinstance(rows, list):
            raise GatewayError(self._gateway, "invalid", f"{self.url}: its servers are no list", retryable=False)
        found: dict[str, Server] = {}
        for row in rows:
            server_id, address = (row.get("id"), row.get("server")) if isinstance(row, dict) else (None, None)
            if is_whole(server_id) and isinstance(address, str) and not address.startswith("unix:"):
                drains, weight = row.get("drain") is True, row.get("weight", 1)
                out = drains or row.get("down") is True
                found[server_name(address)] = Server(server_id, weight if is_whole(weight) else 1, out, drains)
        return found

    async def _percent(self, agent: str) -> int:
        """What the keyval says of an agent, in basis points; 0 where it says nothing. Raises GatewayError."""
        try:
            pairs = await self._api.ask("GET", f"/http/keyvals/{self._keyval}")
        except GatewayError as error:
            if error.code == "not-found":
                words = f"{self.url}: there is no keyval zone {self._keyval}"
                raise GatewayError(self._gateway, "not-found", words, retryable=False) from error
            raise
        value = pairs.get(agent) if isinstance(pairs, dict) else None
        try:
            return round(float(value) * 100) if isinstance(value, str) else 0
        except (ValueError, OverflowError):
            return -1

    async def sight(self, pools: Sequence[Pool]) -> tuple[list[Peer], bool]:
        """Its peers, and whether servers that were taken away still serve. Raises GatewayError."""
        peers: list[Peer] = []
        zombies = False
        for pool in pools:
            upstream = await self._api.ask("GET", pool.path)
            told = upstream if isinstance(upstream, dict) else {}
            rows = told.get("peers")
            found = [peer_of(row) for row in rows] if isinstance(rows, list) else []
            peers += [peer for peer in found if peer is not None]
            zombies = zombies or bool(told.get("zombies"))
        return peers, zombies
