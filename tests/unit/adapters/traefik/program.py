"""A scripted Traefik: it answers as the real one does, from whatever document it is given."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from aiohttp import web

VERSION = {"Version": "3.7.15", "Codename": "langres"}


@dataclass
class Program:
    """What it has loaded, and how it behaves.

    Attributes:
        url: where its API is.
        file: what it loads at each request; None: it goes on with what it has.
        refuses: a document with this word in it is not loaded, as where a field is not known.
        http: what it has loaded.
        disabled: per name, what it minds about a router.
        page: its metrics.
        status: of every answer, if not 200.
        raw: what it answers instead of everything.
        looks: how often it was asked what it has loaded.
        seen: the paths that were asked for, as they were sent.
        authorizations: the credentials that it was sent.
    """

    url: str = ""
    file: Path | None = None
    provider: str = "file"
    refuses: str = "\0"
    http: dict = field(default_factory=dict)
    disabled: dict[str, list[str]] = field(default_factory=dict)
    page: str = ""
    status: int = 200
    raw: bytes | None = None
    looks: int = 0
    seen: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)

    def load(self) -> None:
        if self.file is not None:
            text = self.file.read_text() if self.file.exists() else "{}"
            if self.refuses not in text:
                self.http = yaml.safe_load(text).get("http") or {}

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append(request.raw_path)
        self.authorizations.append(request.headers.get("Authorization"))
        self.looks += request.path.startswith("/api/http/middlewares/turnout.~")
        self.load()
        if self.raw is not None or self.status != 200:
            return web.Response(body=self.raw or b"no", status=self.status)
        if request.path == "/metrics":
            return web.Response(text=self.page)
        if request.path == "/api/version":
            return web.json_response(VERSION)
        _, _, _, section, qualified = request.path.split("/", 4)
        name, _, provider = qualified.rpartition("@")
        part = self.http.get(section, {}).get(name)
        if part is None or provider != self.provider:
            return web.json_response({"message": f"{section[:-1]} not found: {qualified}"}, status=404)
        minded = self.disabled.get(name)
        state = {"status": "disabled", "error": minded} if minded else {"status": "enabled"}
        return web.Response(text=json.dumps({**part, **state, "name": qualified}), content_type="application/json")


@contextlib.asynccontextmanager
async def running(**behaviour) -> AsyncIterator[Program]:
    program = Program(**behaviour)
    app = web.Application()
    app.router.add_get("/{any:.*}", program.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        program.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield program
    finally:
        await runner.cleanup()
