"""A scripted Admin API on 127.0.0.1: what it is asked is kept, and what it answers is said beforehand."""

import contextlib
import json

import aiohttp
from aiohttp import web

from adapters.kong.admin import Admin


class Script:
    """Answers by ``METHOD path?query``; each key may have several answers, of which the last stays.

    Attributes:
        asked: (method, path with query, body) of every request.
        headers: of the newest request.
    """

    def __init__(self, answers=()):
        self.answers = {
            key: list(value) if isinstance(value, list) else [value] for key, value in dict(answers).items()
        }
        self.asked = []
        self.headers = {}

    async def serve(self, request):
        raw = await request.read()
        key = f"{request.method} {request.path_qs}"
        self.asked.append((request.method, request.path_qs, json.loads(raw) if raw else None))
        self.headers = dict(request.headers)
        answers = self.answers.get(key, [(404, {"message": "Not found"})])
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(body, bytes):
            return web.Response(status=status, body=body)
        return web.json_response(body, status=status)

    def writes(self):
        return [(method, path, body) for method, path, body in self.asked if method != "GET"]


@contextlib.asynccontextmanager
async def scripted(script, **options):
    """Serve a script, and give an Admin that speaks to it."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as session:
        try:
            yield Admin("edge", url, lambda: session, **options)
        finally:
            await runner.cleanup()
