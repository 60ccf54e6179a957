"""One agent's upstream at one node: written row by row where there is a database, as a whole document where not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from adapters.port import GatewayError, Stickiness

from .admin import Admin, Row
from .balancer import Balancer, read
from .document import MADE_BY_US, DocumentError, digest, merged, parse, upstream_in, without
from .weights import Wanted, Weights, changes, target_name

READINGS_MAX = 3
"""How often a document is read again because somebody changed it meanwhile."""


class Mode(StrEnum):
    """How a node keeps its configuration."""

    DATABASE = "database"
    DBLESS = "dbless"


@dataclass(frozen=True, slots=True)
class Upstream:
    """One agent's upstream.

    Attributes:
        name: what it is called in Kong.
        stickiness: what keeps a session on its version.
    """

    name: str
    stickiness: Stickiness | None

    @property
    def path(self) -> str:
        """Where it is in the Admin API."""
        return f"/upstreams/{quote(self.name, safe='')}"

    def settings(self, found: Row | None) -> Mapping[str, object]:
        """The fields that must be so; of an upstream that somebody else made, none that nobody asked for."""
        if self.stickiness is None:
            plain = {"algorithm": "round-robin", "hash_on": "none"}
            return plain if found is None or MADE_BY_US in (found.get("tags") or ()) else {}
        if self.stickiness.header is not None:
            hashed = {"hash_on": "header", "hash_on_header": self.stickiness.header}
        else:
            hashed = {"hash_on": "cookie", "hash_on_cookie": str(self.stickiness.cookie)}
        return {"algorithm": "consistent-hashing", **hashed}


@dataclass(frozen=True, slots=True)
class Life:
    """What a node is in this life: a node without a database that starts again has another id, and only its file."""

    mode: Mode
    node_id: str


async def life_of(admin: Admin, gateway: str) -> Life:
    """What a node is now. Raises GatewayError."""
    root = await admin.root()
    configuration = root.get("configuration")
    if not isinstance(configuration, dict):
        raise GatewayError(gateway, "invalid", f"{admin.url}: is this an Admin API?", retryable=False)
    if configuration.get("role") == "control_plane":
        words = f"{admin.url} is the control plane of a hybrid deployment: what its data planes do cannot be read there"
        raise GatewayError(gateway, "invalid", words, retryable=False)
    mode = Mode.DBLESS if configuration.get("database") == "off" else Mode.DATABASE
    return Life(mode, str(root.get("node_id")))


async def write(admin: Admin, gateway: str, mode: Mode, upstream: Upstream, wanted: Wanted) -> None:
    """Make one node's configuration what is wanted. Raises GatewayError."""
    if mode is Mode.DATABASE:
        await _write_rows(admin, upstream, wanted)
        return
    try:
        await _write_document(admin, gateway, upstream, wanted)
    except DocumentError as error:
        raise GatewayError(gateway, "invalid", f"{admin.url}: {error}", retryable=False) from error


async def stored(admin: Admin, upstream: Upstream) -> dict[str, int]:
    """What the configuration says of every target, in either mode. Raises GatewayError (``not-found``: no upstream)."""
    return {target: row["weight"] for target, row in (await _rows(admin, upstream)).items()}


async def balancer(admin: Admin, upstream: Upstream) -> Balancer | None:
    """What the node's balancer does now; None while it has none. Raises GatewayError."""
    return read(await admin.ask("GET", f"{upstream.path}/health?balancer_health=1"))


async def settings_differ(admin: Admin, upstream: Upstream) -> str:
    """How the upstream is set other than it must be, in a sentence; empty if it is not. Raises GatewayError."""
    found = await admin.ask("GET", upstream.path)
    for name, value in upstream.settings(found).items():
        if found.get(name) != value:
            return f"upstream {upstream.name} has {name} {found.get(name)!r}, not {value!r}"
    return ""


async def _write_rows(admin: Admin, upstream: Upstream, wanted: Wanted) -> None:
    try:
        found = await admin.ask("GET", upstream.path)
    except GatewayError as error:
        if error.code != "not-found":
            raise
        body = {"name": upstream.name, "tags": [MADE_BY_US], **upstream.settings(None)}
        found = await admin.ask("POST", "/upstreams", body)
    rows = await _rows(admin, upstream)
    for target, weight in changes({target: row["weight"] for target, row in rows.items()}, wanted):
        row = rows.get(target)
        if row is None:
            made = {"target": target, "weight": weight, "tags": [MADE_BY_US]}
            await admin.ask("POST", f"{upstream.path}/targets", made)
        else:
            await admin.ask("PATCH", f"{upstream.path}/targets/{row['id']}", {"weight": weight})
    settings = upstream.settings(found)
    if any(found.get(name) != value for name, value in settings.items()):
        await admin.ask("PATCH", upstream.path, settings)
    for target, row in rows.items():
        if target not in wanted.known and MADE_BY_US in (row.get("tags") or ()):
            await _delete(admin, f"{upstream.path}/targets/{row['id']}")


async def _delete(admin: Admin, path: str) -> None:
    try:
        await admin.ask("DELETE", path)
    except GatewayError as error:
        if error.code != "not-found":
            raise


async def _write_document(admin: Admin, gateway: str, upstream: Upstream, wanted: Wanted) -> None:
    """Post the whole document with ours in it.

    Kong has no conditional write, so others are looked for before and after: what somebody posts in the milliseconds
    between is lost, and what came after ours is told as a conflict.
    """
    for _ in range(READINGS_MAX):
        before = await _document(admin)
        settings = upstream.settings(upstream_in(before, upstream.name))
        after = merged(before, upstream.name, wanted, settings)
        if digest(after) == digest(before):
            return
        if digest(await _document(admin)) != digest(before):
            continue
        await admin.config(after)
        now = await _document(admin)
        if digest(without(now, upstream.name)) == digest(without(before, upstream.name)):
            return
    words = f"{admin.url}: somebody else posts configurations at the same time"
    raise GatewayError(gateway, "conflict", words, retryable=True)


async def _document(admin: Admin) -> Row:
    text = (await admin.config()).get("config")
    if not isinstance(text, str):
        raise DocumentError("the answer to GET /config holds no configuration")
    return parse(text)


async def _rows(admin: Admin, upstream: Upstream) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in await admin.rows(f"{upstream.path}/targets"):
        target, weight, row_id = row.get("target"), row.get("weight"), row.get("id")
        if isinstance(target, str) and isinstance(weight, int) and isinstance(row_id, str):
            found[target_name(target)] = row
    return found


def weights_differ(found: Weights, wanted: Weights) -> str:
    """What the configuration says other than what is wanted, in a sentence; empty if nothing."""
    for target, weight in sorted({**dict.fromkeys(found, 0), **wanted}.items()):
        if target not in found:
            return f"target {target} is gone"
        if found[target] != weight:
            return f"target {target} has weight {found[target]}, not {weight}"
    return ""
