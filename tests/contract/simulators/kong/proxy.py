"""The proxy of one simulated node: routes by path, picks a target, tries again as Kong does, logs as http-log does."""

import asyncio
import contextlib
import json
import time
import uuid

import aiohttp
from aiohttp import web

from tests.contract.simulators.forwarding import Forwarding

LOG_EVERY_S = 0.05
NO_ROUTE = "no Route matched with those values"
NO_PEER = "failure to get a peer from the ring-balancer"


class Proxy:
    """One node's proxy.

    Args:
        store: its configuration.
        ring: its balancers.
        dial: where an address really is.
    """

    def __init__(self, store, ring, dial=lambda address: address):
        self._store = store
        self._ring = ring
        self._forwarding = Forwarding(dial)
        self._entries = []
        self._logged = asyncio.Event()
        self._logger = None

    def app(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        app.on_startup.append(self._open)
        app.on_cleanup.append(self._close)
        return app

    async def _open(self, _):
        await self._forwarding.open()
        self._logger = asyncio.TaskGroup()
        await self._logger.__aenter__()
        self._posting = self._logger.create_task(self._post_log())

    async def _close(self, _):
        self._posting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._logger.__aexit__(None, None, None)
        await self._forwarding.close()

    async def _serve(self, request):
        service = self._service(request.path)
        if service is None:
            return self._own(404, NO_ROUTE)
        upstreams = [row for row in self._store.listed("upstreams") if row["name"] == service["host"]]
        balancer = self._ring.of(upstreams[0]["id"]) if upstreams else None
        began, tries = time.monotonic(), []
        for _ in range(1 + service["retries"]):
            target = balancer.pick(session(request, upstreams[0])) if balancer else None
            if target is None:
                break
            tries.append({**balancer.address(target), "balancer_latency": 0})
            waited = []

            def at_headers(status, waited=waited):
                waited.append((status, (time.monotonic() - began) * 1000))

            try:
                response = await self._forwarding.forward(request, target, at_headers)
            except OSError:
                continue
            finally:
                if waited:
                    self._log(request, service, tries, *waited[0], began)
            return response
        status, words = (502, "An invalid response was received from the upstream server") if tries else (503, NO_PEER)
        self._log(request, service, tries, status, -1, began)
        return self._own(status, words)

    def _service(self, path):
        routes = [
            (prefix, row)
            for row in self._store.listed("routes")
            for prefix in row["paths"] or ["/"]
            if path.startswith(prefix)
        ]
        if not routes:
            return None
        _, route = max(routes, key=lambda found: len(found[0]))
        return self._store.find("services", route["service"]["id"])

    def _own(self, status, words):
        body = {"message": words, "request_id": uuid.uuid4().hex}
        text = json.dumps(body, indent=2)
        return web.Response(status=status, text=text, headers={"Content-Type": "application/json; charset=utf-8"})

    # --- http-log -----------------------------------------------------------------------------------------------------

    def _log(self, request, service, tries, status, waited_ms, began):
        if not self._endpoint():
            return
        entry = {
            "request": {"id": uuid.uuid4().hex, "headers": {k.lower(): v for k, v in request.headers.items()}},
            "response": {"status": status},
            "service": {"id": service["id"], "name": service["name"], "host": service["host"]},
            "latencies": {"proxy": waited_ms, "request": (time.monotonic() - began) * 1000, "kong": 0},
            "started_at": int(time.time() * 1000),
        }
        if tries:
            entry["tries"] = list(tries)
        self._entries.append(entry)
        self._logged.set()

    def _endpoint(self):
        plugins = self._store.rows["plugins"].values()
        return next((row["config"]["http_endpoint"] for row in plugins if row.get("name") == "http-log"), None)

    async def _post_log(self):
        """At least once, as Kong's queue does: what was not taken is posted again."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as client:
            while True:
                await self._logged.wait()
                await asyncio.sleep(LOG_EVERY_S)
                self._logged.clear()
                batch, self._entries = self._entries, []
                try:
                    async with client.post(self._endpoint(), json=batch) as answer:
                        answer.raise_for_status()
                except (aiohttp.ClientError, OSError):
                    self._entries = batch + self._entries
                    self._logged.set()


def session(request, upstream):
    """What the request is hashed by; None for the wheel. Without a header all go to one target."""
    if upstream["hash_on"] == "header":
        return request.headers.get(upstream["hash_on_header"], "")
    if upstream["hash_on"] == "cookie":
        return request.cookies.get(upstream["hash_on_cookie"]) or uuid.uuid4().hex
    return None
