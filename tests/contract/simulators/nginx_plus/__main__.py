"""One simulated NGINX Plus: ``python -m tests.contract.simulators.nginx_plus --api PORT --proxy PORT --config FILE``.

The configuration is a JSON file: upstreams with their servers, keyval zones. With a keyval zone, requests go to
``bot-candidate`` by the percentage of ``bot``, and else to ``bot-stable``; without, to the upstream ``bot``.
"""

import argparse
import asyncio
import json
import random
from pathlib import Path

from aiohttp import web

from tests.contract.simulators.forwarding import Forwarding, for_ever, serve

from .api import Api
from .upstreams import Memory

TRIES_MAX = 2


class Proxy:
    def __init__(self, memory):
        self._memory = memory
        self._forwarding = Forwarding()
        self._chance = random.Random(1)

    def app(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        app.on_startup.append(lambda _: self._forwarding.open())
        app.on_cleanup.append(lambda _: self._forwarding.close())
        return app

    def _upstream(self):
        for pairs in self._memory.keyvals.values():
            chosen = self._chance.random() * 100 < float(pairs.get("bot", "0"))
            return self._memory.upstream("bot-candidate" if chosen else "bot-stable")
        return self._memory.upstream("bot")

    async def _serve(self, request):
        upstream = self._upstream()
        for _ in range(TRIES_MAX):
            peer = upstream.pick()
            if peer is None:
                break
            peer.requests += 1
            peer.active += 1

            def answered(status, peer=peer):
                peer.total += 1
                peer.failed += status >= 500

            try:
                return await self._forwarding.forward(request, peer.row["server"], answered)
            except OSError:
                peer.fails += 1
            finally:
                peer.active -= 1
        return web.Response(status=502, text="<html>502 Bad Gateway</html>", content_type="text/html")


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--api", type=int, required=True)
    parser.add_argument("--proxy", type=int, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--authorization")
    options = parser.parse_args()
    configured = json.loads(options.config.read_text())
    memory = Memory(configured["upstreams"], options.config.parent, configured.get("keyvals", ()))
    api = await serve(Api(memory, authorization=options.authorization).app(), options.api)
    proxy = await serve(Proxy(memory).app(), options.proxy)
    try:
        await for_ever()
    finally:
        await proxy.cleanup()
        await api.cleanup()


asyncio.run(main())
