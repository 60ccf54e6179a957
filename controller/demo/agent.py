"""A small streaming agent, all its versions in one process: ``python -m controller.demo.agent '<json>'``.

It serves plain requests (``POST /``) and streams (``POST /stream``), tells the gateway how its tasks went, and ends its
streams with a closing event when it is asked to drain. It prints its ports as one line of JSON. Lines on its standard
input steer it (``{"outage_ratio": 0.5}``); it ends when that closes, so it outlives nobody.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from aiohttp import web

from .behaviour import Answer, Behaviour

LOOPBACK = "127.0.0.1"
TICK_S = 0.5
STREAM_S = (3.0, 9.0)
"""How long a stream lasts that nobody ends: at least, at most."""

REQUEST_BYTES_MAX = 4096
KEEPALIVE_S = 3600.0
"""Longer than any demo. An agent that hangs up on an idle connection just as the gateway uses it fails a request."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Which versions there are: per version, how many requests in one second break it (None: nothing does)."""

    seed: int
    breaks_at: Mapping[str, int | None]

    @staticmethod
    def from_json(text: str) -> Cast:
        """The inverse of ``to_json``. Raises ValueError, KeyError."""
        value = json.loads(text)
        return Cast(value["seed"], value["breaks_at"])

    def to_json(self) -> str:
        """As one argument of a command."""
        return json.dumps({"seed": self.seed, "breaks_at": dict(self.breaks_at)})


class Agent:
    """One version's HTTP server."""

    def __init__(self, version: str, behaviour: Behaviour) -> None:
        self.version = version
        self.behaviour = behaviour
        self._closing = asyncio.Event()
        self._closing_until_s = 0.0

    def application(self) -> web.Application:
        """Its routes."""
        app = web.Application(client_max_size=REQUEST_BYTES_MAX)
        app.router.add_post("/", self._plain)
        app.router.add_post("/stream", self._stream)
        app.router.add_route("*", "/drain", self._drain)
        return app

    def _headers(self, answer: Answer) -> dict[str, str]:
        """ORCA: an outcome for the gateway, which counts it per version and keeps it from the clients."""
        report = json.dumps({"named_metrics": {"task_failed": answer.task_failed}})
        return {"endpoint-load-metrics": f"JSON {report}", "x-agent-version": self.version}

    async def _plain(self, request: web.Request) -> web.Response:
        answer = self.behaviour.answer(time.monotonic())
        try:
            task = (await request.json())["task"]
        except (ValueError, KeyError, TypeError):
            raise web.HTTPBadRequest(text='{"error": "a task is wanted"}', content_type="application/json") from None
        body = {"version": self.version, "task": task, "ok": answer.ok}
        return web.json_response(body, status=answer.status, headers=self._headers(answer))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        answer = self.behaviour.answer(time.monotonic())
        if not answer.ok:
            return web.json_response(
                {"version": self.version, "ok": False}, status=answer.status, headers=self._headers(answer)
            )
        headers = {**self._headers(answer), "content-type": "text/event-stream", "cache-control": "no-store"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        ends_s = time.monotonic() + self.behaviour.chance.uniform(*STREAM_S)
        try:
            while (left_s := ends_s - time.monotonic()) > 0 and not await self._is_closing(min(left_s, TICK_S)):
                await response.write(self._event("token"))
            await response.write(self._event("closing" if left_s > 0 else "done"))
        except ConnectionError:
            return response  # the client has left
        await response.write_eof()
        return response

    async def _is_closing(self, within_s: float) -> bool:
        """Whether streams are to end; waits ``within_s`` for it. A stream that slips in during a drain ends as well."""
        if time.monotonic() < self._closing_until_s:
            return True
        try:
            async with asyncio.timeout(within_s):
                await self._closing.wait()
        except TimeoutError:
            return False
        return True

    def _event(self, name: str) -> bytes:
        return f"event: {name}\ndata: {json.dumps({'version': self.version})}\n\n".encode()

    async def _drain(self, request: web.Request) -> web.Response:
        """End every stream, now and until the deadline; plain requests go on being answered."""
        try:
            deadline_s = float(request.query.get("deadline_s", "0"))
        except ValueError:
            raise web.HTTPBadRequest(text="deadline_s is a number of seconds") from None
        self._closing_until_s = time.monotonic() + deadline_s
        self._closing.set()
        self._closing = asyncio.Event()
        return web.json_response({"draining": self.version}, status=202)


async def serve(cast: Cast, control: asyncio.StreamReader) -> None:
    """Serve every version on a port of its own until ``control`` ends."""
    behaviours = {
        version: Behaviour(Random(f"{cast.seed} {version}"), breaks_at)  # noqa: S311 - chance for a demonstration
        for version, breaks_at in cast.breaks_at.items()
    }
    runners: list[web.AppRunner] = []
    try:
        ports: dict[str, int] = {}
        for version, behaviour in behaviours.items():
            app = Agent(version, behaviour).application()
            runners.append(web.AppRunner(app, access_log=None, keepalive_timeout=KEEPALIVE_S, shutdown_timeout=0.1))
            await runners[-1].setup()
            await web.TCPSite(runners[-1], LOOPBACK, 0).start()
            ports[version] = runners[-1].addresses[0][1]
        sys.stdout.write(json.dumps({"ports": ports}) + "\n")
        sys.stdout.flush()
        while line := await control.readline():
            for behaviour in behaviours.values():
                behaviour.outage_ratio = float(json.loads(line)["outage_ratio"])
    finally:
        for runner in runners:
            await runner.cleanup()


async def _main(argument: str) -> None:
    control = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(control), sys.stdin)
    await serve(Cast.from_json(argument), control)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
