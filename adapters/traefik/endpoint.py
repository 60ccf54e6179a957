"""The document for Traefik's HTTP provider to poll.

Traefik keeps what it has when nobody answers; one that restarts meanwhile has nothing, and answers 404.
"""

from __future__ import annotations

from aiohttp import web

from adapters.port import GatewayError, Proof, Verification, host_port

from .document import Sections
from .edition import Edition, Wanted, follow

SHUTDOWN_S = 0.5


class Endpoint:
    """A small HTTP server that answers every GET with the newest document.

    Args:
        gateway: the gateway's name.
        listen: ``IP:PORT``. Whoever reaches it can read where the agents are.
        generation: of this controller's editions.

    Attributes:
        edition: what is served.
    """

    provider = "http"

    def __init__(self, gateway: str, listen: str, generation: str) -> None:
        self._gateway = gateway
        self._listen = listen
        self._headline = f"Served by Turnout for its gateway {gateway!r}."
        self._text = ""
        self._runner: web.AppRunner | None = None
        self._is_closed = False
        self.edition = Edition(generation)

    async def put(self, wanted: Wanted) -> None:
        """Serve it from now on. Nothing is served before the first one. Raises GatewayError: the address is taken."""
        if self._is_closed:
            raise GatewayError(self._gateway, "unreachable", "it is closed", retryable=False)
        served = self.edition.stands if self._runner else None
        edition = follow(self.edition, wanted, served, self.edition.stamp)
        text = edition.stands.text(self._headline, self._gateway, edition.stamp)
        if self._runner is None:
            await self._listen_for_it(text)
        self.edition, self._text = edition, text

    async def _listen_for_it(self, text: str) -> None:
        app = web.Application()
        app.router.add_get("/{any:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        self._text = text
        try:
            await web.TCPSite(runner, *host_port(self._listen)).start()
        except OSError as error:
            await runner.cleanup()
            what = f"{self._listen} cannot be listened on: {error.strerror or error}"
            raise GatewayError(self._gateway, "unreachable", what, retryable=True) from error
        self._runner = runner

    async def verify(self, agent: str) -> Verification:
        """Whether it is served: nobody can change it here."""
        del agent
        if self._runner is None:
            return Verification(self._gateway, Proof.RESET, "nothing is served")
        return Verification(self._gateway, Proof.APPLIED)

    async def conflict(self, names: Sections) -> str:
        """Nobody else defines anything here: names of another provider are other names."""
        del names
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
