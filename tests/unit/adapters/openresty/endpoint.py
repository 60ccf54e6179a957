"""A control endpoint that answers as it is told, and remembers what it was asked."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

TOKEN = "a-token-for-tests-only"
Answering = Callable[[web.Request, object], Awaitable[web.StreamResponse]]


def as_json(status: int, body: object) -> web.Response:
    return web.json_response(body, status=status)


@dataclass
class Nginx:
    """As much of the Lua module as one test needs: documents that are compared and set.

    Attributes:
        asked: method, path with query, and body of each request.
        records: what stands per agent.
        counts: what is answered about counts.
        changes: what becomes of an answer before it is sent.
        interfere: called before a PUT or PATCH is looked at.
    """

    url: str = ""
    asked: list[tuple[str, str, object]] = field(default_factory=list)
    records: dict[str, dict] = field(default_factory=dict)
    counts: dict = field(default_factory=lambda: {"epoch": "1-0", "versions": {}})
    override: Answering | None = None
    interfere: Callable[[], None] = lambda: None
    unsaved: str = ""
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def of(self, method: str) -> list[tuple[str, str, object]]:
        return [asked for asked in self.asked if asked[0] == method]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = json.loads(text) if text else None
        self.asked.append((request.method, request.path_qs, body))
        self.heard.set()
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return as_json(401, {"detail": "a bearer token is wanted"})
        if self.override is not None:
            return await self.override(request, body)
        _, _, name, *rest = [*request.path.split("/"), ""]
        match request.method, rest:
            case "PUT", _:
                return self._put(request, name, body)
            case "PATCH", _:
                share = {"candidate_bp": int(request.query["candidate_bp"])}
                return self._put(request, name, {**self.records[name]["assignment"], **share})
            case "GET", ["counts", *_]:
                return as_json(200, self.counts) if name in self.records else as_json(404, {"detail": "no such agent"})
            case "GET", _ if name:
                return self._told(name)
            case "DELETE", _:
                self.records.pop(name, None)
        return as_json(200, {"nginx": "1.22.1", "agents": {}})

    def set(self, name: str, assignment: object, by: str) -> None:
        generation = self.records.get(name, {}).get("generation", 0) + 1
        self.records[name] = {"generation": generation, "by": by, "assignment": assignment}

    def _put(self, request: web.Request, name: str, body: object) -> web.Response:
        self.interfere()
        known = self.records.get(name, {"generation": 0})
        if int(request.query["if_gen"]) != known["generation"]:
            return as_json(409, {"detail": "it has changed", "generation": known["generation"], "by": known.get("by")})
        self.set(name, body, request.query["by"])
        return self._told(name)

    def _told(self, name: str) -> web.Response:
        if name not in self.records:
            return as_json(404, {"detail": "no such agent", "generation": 0})
        record = self.records[name]
        unsaved = {"unsaved": self.unsaved} if self.unsaved else {}
        return as_json(200, {"share_bp": record["assignment"]["candidate_bp"], "record": record, **unsaved})


@contextlib.asynccontextmanager
async def serving(path: str | None = None) -> AsyncIterator[Nginx]:
    """Serve on a port of its own, or on a unix socket."""
    nginx = Nginx()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", nginx.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.UnixSite(runner, path) if path else web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        nginx.url = f"unix:{path}" if path else f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield nginx
    finally:
        await runner.cleanup()
