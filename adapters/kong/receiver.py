"""Where Kong's http-log plugin posts to: a small server of the adapter's own."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

from aiohttp import web

log = logging.getLogger(__name__)

BODY_BYTES_MAX = 16 * 2**20
ENTRIES_MAX = 10_000
SHUTDOWN_S = 0.5


class Receiver:
    """Takes entries, one or many in a body, as the plugin sends them.

    Args:
        host: the address to listen on.
        port: the port; 0 for a free one.
        take: hears each entry.
    """

    def __init__(self, host: str, port: int, take: Callable[[object], None]) -> None:
        self._host = host
        self._port = port
        self._take = take
        self._runner: web.AppRunner | None = None

    @property
    def is_open(self) -> bool:
        """Whether entries can come."""
        return self._runner is not None

    @property
    def port(self) -> int:
        """Where it listens. Only when it is open."""
        assert self._runner is not None, "a receiver that is not open has no port"
        port: int = self._runner.addresses[0][1]
        return port

    async def open(self) -> None:
        """Listen. Raises OSError."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_post("/{path:.*}", self._post)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner

    async def close(self) -> None:
        """Stop listening."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _post(self, request: web.Request) -> web.Response:
        """What cannot be read is refused with 400, which Kong logs; it would only send the same again."""
        try:
            body = json.loads(await request.read())
        except (ValueError, RecursionError):
            return web.json_response({"message": "Cannot parse JSON body"}, status=400)
        for entry in (body if isinstance(body, list) else [body])[:ENTRIES_MAX]:
            self._take(entry)
        return web.json_response({})
