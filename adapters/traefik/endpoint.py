"""The document for Traefik's HTTP provider to poll.

Traefik keeps what it has when nobody answers; one that restarts meanwhile has nothing, and answers 404.
"""

from __future__ import annotations

from aiohttp import web

from adapters.port import GatewayError, host_port

from .document import Document, Standing

SHUTDOWN_S = 0.5


class Endpoint:
    """A small HTTP server that answers every GET with the newest document.

    Args:
        gateway: the gateway's name.
        listen: ``IP:PORT``. Whoever reaches it can read where the agents are.
    """

    provider = "http"

    def __init__(self, gateway: str, listen: str) -> None:
        self._gateway = gateway
        self._listen = listen
        self._headline = f"Served by Turnout for its gateway {gateway!r}."
        self._text: str | None = None
        self._runner: web.AppRunner | None = None
        self._is_closed = False

    async def put(self, document: Document) -> None:
        """Serve it from now on. Nothing is served before the first one. Raises GatewayError: the address is taken."""
        if self._is_closed:
            raise GatewayError(self._gateway, "unreachable", "it is closed", retryable=False)
        self._text = document.text(self._headline)
        if self._runner is not None:
            return
        app = web.Application()
        app.router.add_get("/{any:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, *host_port(self._listen)).start()
        except OSError as error:
            await runner.cleanup()
            what = f"{self._listen} cannot be listened on: {error.strerror or error}"
            raise GatewayError(self._gateway, "unreachable", what, retryable=True) from error
        self._runner = runner

    async def standing(self, document: Document) -> Standing:
        """Whether that is what is served."""
        if self._runner is None:
            return Standing.NOTHING
        return Standing.SAME if self._text == document.text(self._headline) else Standing.OTHER

    async def generation(self) -> str:
        """Nothing outlives a controller here."""
        return ""

    async def conflict(self, document: Document, agent: str) -> str:
        """Nobody else defines anything here: names of another provider are other names."""
        del document, agent
        return ""

    async def close(self) -> None:
        """Traefik goes on by what it has read last."""
        self._is_closed = True
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        del request
        return web.Response(text=self._text, content_type="application/yaml")
