"""One agent's upstream at one node: written row by row where there is a database, as a whole document where not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from adapters.port import GatewayError, Stickiness

from .admin import Admin, Row
from .balancer import Balancer, read
from .document import MADE_BY_US, Document, DocumentError, digest, lowered, merged, parse, tags_of, upstream_in, without
from .weights import Wanted, Weights, changes, goes_on, is_whole, target_in

READINGS_MAX = 3
"""How often a document is read again because somebody changed it meanwhile."""

PLAIN: Mapping[str, object] = {"algorithm": "round-robin", "hash_on": "none"}
"""What Kong gives an upstream, and what an upstream of ours is where no session is kept."""

WAS = "turnout-was:"
"""Begins a tag of an upstream that somebody else made: what stood in a field before we set it."""

SET_BY_US = frozenset({"algorithm", "hash_on", "hash_on_header", "hash_on_cookie"})


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
        """The fields that must be so.

        Of an upstream that somebody else made, those that sessions need, and no more. What stood in them is kept in the
        upstream's tags, and comes back when nobody wants sessions kept any longer: a controller that begins again
        knows nothing else of it.
        """
        asked = self._asked()
        tags = tags_of(found or {})
        if found is None or MADE_BY_US in tags:
            return {**PLAIN, **asked}
        before = _before(tags)
        ours = [name for name, value in asked.items() if name in before or found.get(name) != value]
        kept = [f"{WAS}{name}={before.get(name, found.get(name)) or ''}" for name in ours]
        retagged = [*(tag for tag in tags if not tag.startswith(WAS)), *kept]
        return {**before, **asked, **({} if {*retagged} == {*tags} else {"tags": retagged or None})}

    def _asked(self) -> Mapping[str, object]:
        if self.stickiness is None:
            return {}
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
    await _move(admin, upstream, rows, wanted)
    settings = upstream.settings(found)
    if any(found.get(name) != value for name, value in settings.items()):
        await admin.ask("PATCH", upstream.path, settings)
    for target, row in rows.items():
        if target not in wanted.known and MADE_BY_US in tags_of(row):
            await _delete(admin, _path(upstream, row))


async def _move(admin: Admin, upstream: Upstream, rows: Mapping[str, Row], wanted: Wanted) -> None:
    now = {target: row["weight"] for target, row in rows.items()}
    refusal: GatewayError | None = None
    for target, weight in changes(now, wanted):
        if refusal is None or goes_on(now, wanted, (target, weight)):
            try:
                await _set(admin, upstream, target, rows.get(target), weight)
            except GatewayError as error:
                if error.code == "unreachable":
                    raise
                refusal = refusal or error
    if refusal is not None:
        raise refusal


async def _set(admin: Admin, upstream: Upstream, target: str, row: Row | None, weight: int) -> None:
    if row is not None:
        await admin.ask("PATCH", _path(upstream, row), {"weight": weight})
    else:
        made = {"target": target, "weight": weight, "tags": [MADE_BY_US]}
        await admin.ask("POST", f"{upstream.path}/targets", made)


def _path(upstream: Upstream, target: Row) -> str:
    return f"{upstream.path}/targets/{quote(target['id'], safe='')}"


async def _delete(admin: Admin, path: str) -> None:
    try:
        await admin.ask("DELETE", path)
    except GatewayError as error:
        if error.code != "not-found":
            raise


async def _write_document(admin: Admin, gateway: str, upstream: Upstream, wanted: Wanted) -> None:
    """Post the whole document with ours in it.

    Kong has no conditional write, so others are looked for before and after: what somebody posts in the milliseconds
    between is lost, and what came after ours is told as a conflict. Megabytes take seconds to read, and meanwhile other
    gateways' rollbacks go on: hence the threads.
    """
    for _ in range(READINGS_MAX):
        text = await _text(admin)
        before, after = await asyncio.to_thread(_changed, text, upstream, wanted)
        if after is None:
            return
        if not await asyncio.to_thread(_says_the_same, await _text(admin), text, before):
            continue
        try:
            await admin.config(after)
        except GatewayError as error:
            least = None if error.code == "unreachable" else lowered(before, upstream.name, wanted)
            if least is not None:
                await admin.config(least)
            raise
        if await asyncio.to_thread(_leaves_others, await _text(admin), before, upstream.name):
            return
    words = f"{admin.url}: somebody else posts configurations at the same time"
    raise GatewayError(gateway, "conflict", words, retryable=True)


def _changed(text: str, upstream: Upstream, wanted: Wanted) -> tuple[Document, Document | None]:
    """A document, and what it is to become; None if that is what it is."""
    before = parse(text)
    after = merged(before, upstream.name, wanted, upstream.settings(upstream_in(before, upstream.name)))
    return before, None if digest(after) == digest(before) else after


def _says_the_same(text: str, text_before: str, before: Document) -> bool:
    return text == text_before or digest(parse(text)) == digest(before)


def _leaves_others(text: str, before: Document, name: str) -> bool:
    return digest(without(parse(text), name)) == digest(without(before, name))


async def _text(admin: Admin) -> str:
    text = (await admin.config()).get("config")
    if not isinstance(text, str):
        raise DocumentError("the answer to GET /config holds no configuration")
    return text


async def _rows(admin: Admin, upstream: Upstream) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in await admin.rows(f"{upstream.path}/targets"):
        target = target_in(row)
        if target and is_whole(row.get("weight")) and isinstance(row.get("id"), str):
            found[target] = row
    return found


def _before(tags: Sequence[str]) -> dict[str, object]:
    """What our tags say stood there. Only of fields that we set: tags are anybody's to write."""
    marks = (tag.removeprefix(WAS).partition("=") for tag in tags if tag.startswith(WAS))
    return {name: value or PLAIN.get(name) for name, _, value in marks if name in SET_BY_US}


def weights_differ(found: Weights, wanted: Weights) -> str:
    """What the configuration says other than what is wanted, in a sentence; empty if nothing."""
    for target, weight in sorted({**dict.fromkeys(found, 0), **wanted}.items()):
        if target not in found:
            return f"target {target} is gone"
        if found[target] != weight:
            return f"target {target} has weight {found[target]}, not {weight}"
    return ""
