"""What simulated gateways have in common: passing a request on to an agent, streams included."""

import asyncio

import aiohttp
from aiohttp import web

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host", "content-length"}


class Forwarding:
    """Passes requests on over kept connections.

    Args:
        dial: where an address really is; by default where it says.
    """

    def __init__(self, dial=lambda address: address):
        self._dial = dial
        self._session = None

    async def open(self):
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None), auto_decompress=False
        )

    async def close(self):
        await self._session.close()

    async def forward(self, request, address, on_headers=lambda status: None):
        """Pass ``request`` on to ``host:port``. Raises OSError where nobody answers; a cut stream stays cut."""
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        url = f"http://{self._dial(address)}{request.rel_url.path_qs}"
        try:
            answer = await self._session.request(request.method, url, data=body or None, headers=headers)
        except aiohttp.ClientError as error:
            raise OSError(str(error)) from error
        async with answer:
            on_headers(answer.status)
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP]
            response = web.StreamResponse(status=answer.status, headers=kept)
            if "Content-Length" in answer.headers:
                response.content_length = int(answer.headers["Content-Length"])
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response


async def serve(app, port):
    """Serve on 127.0.0.1. Returns the runner, to be cleaned up."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


def port_of(runner):
    return runner.addresses[0][1]


async def for_ever():
    await asyncio.Event().wait()
