"""The simulated Kong answers every recorded exchange as the real one did: status, body, content type.

The recording is of Kong 3.9.3 with PostgreSQL, and of one without a database. What happened between exchanges and was
not recorded (time, a dead backend, a database that went away) is told to the simulator here.
"""

import asyncio
import json
import re
import uuid
from functools import partial
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiohttp import web
from yarl import URL

from tests.contract.simulators.forwarding import port_of, serve
from tests.contract.simulators.kong.admin import AdminApi
from tests.contract.simulators.kong.proxy import Proxy
from tests.contract.simulators.kong.ring import Ring
from tests.contract.simulators.kong.store import Store

RECORDING = Path(__file__).parent / "simulators" / "kong" / "admin_api_3.9.3.jsonl"
EXCHANGES = [json.loads(line) for line in RECORDING.read_text().splitlines()]

A, B = "127.0.0.1:48411", "127.0.0.1:48412"
EFFECT_S, SECOND_NODE_S = 0.01, 4.0
AT_ONCE = {117, 206}
"""Exchanges that came so soon that the change before them had not taken effect."""

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
OWN = {"node_id", "request_id", "created_at", "updated_at", "retry_after"}
"""What no two programs can have in common."""


class World:
    """Two nodes with one database, one node without, and two backends."""

    def __init__(self):
        self.now_s = 1_795_238_583.0
        self.database, self.memory = Store(lambda: self.now_s), Store(lambda: self.now_s)
        clock = lambda: self.now_s  # noqa: E731 - one of many
        self.rings = {
            "postgres": Ring(self.database, clock, delay_s=EFFECT_S),
            "postgres-node2": Ring(self.database, clock, delay_s=SECOND_NODE_S),
            "dbless": Ring(self.memory, clock, delay_s=EFFECT_S, settles_after_s=0.0),
        }
        self.database.changed = lambda: [self.rings[name].heard() for name in ("postgres", "postgres-node2")]
        self.memory.changed = self.rings["dbless"].heard
        self.runners = []
        self.ports = {}

    async def open(self):
        backends = {A: await self._serve(self._backend("A")), B: await self._serve(self._backend("B"))}
        dial = {address: f"127.0.0.1:{port}" for address, port in backends.items()}.get
        for name, ring in self.rings.items():
            store, kind = (self.memory, "off") if name == "dbless" else (self.database, "postgres")
            self.ports[name] = await self._serve(AdminApi(store, ring, database=kind).app())
            self.ports[f"{name}-proxy"] = await self._serve(Proxy(store, ring, dial).app())
        self.ports |= dict.fromkeys(("postgres-node1", "postgres-DB-DOWN"), self.ports["postgres"])

    async def _serve(self, app):
        self.runners.append(await serve(app, 0))
        return port_of(self.runners[-1])

    async def close(self):
        for runner in self.runners:
            await runner.cleanup()

    def _backend(self, name):
        async def answer(_):
            return web.Response(text=name)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        return app

    def before(self, index, exchange):
        """What happened since the exchange before."""
        self.database.is_reachable = exchange["mode"] != "postgres-DB-DOWN"
        recorded = json_of(exchange["response_body"])
        known = recorded.get("id") if isinstance(recorded, dict) else None
        self.database.new_id = partial(str, known or uuid.uuid4())
        if index >= 98 and index not in AT_ONCE:
            self.now_s += 60.0 if index in {98, 169} else 0.5
        if index == 112:
            self._balancer("llm").down.discard(B)
        if index == 198:
            for target in self.database.listed("targets"):
                self.database.update("targets", target, {"weight": 100})
        if index == 199:
            self.now_s += 5.0
        if index == 200:
            self._balancer("llm").down.add(B)

    def _balancer(self, name):
        return self.rings["postgres"].of(self.database.find("upstreams", name)["id"])


async def replay():
    """Every exchange, in order: (status, content type, other headers, body)."""
    world, answers = World(), []
    await world.open()
    try:
        async with aiohttp.ClientSession(skip_auto_headers=["Content-Type", "User-Agent"]) as client:
            for index, exchange in enumerate(EXCHANGES):
                world.before(index, exchange)
                url = URL(f"http://127.0.0.1:{world.ports[exchange['mode']]}{exchange['path']}", encoded=True)
                body = exchange["request_body"]
                async with client.request(
                    exchange["method"], url, data=body and body.encode(), headers=exchange["request_headers"]
                ) as answer:
                    answers.append((answer.status, dict(answer.headers), await answer.text()))
    finally:
        await world.close()
    return answers


@pytest.fixture(scope="module")
def answers():
    return asyncio.run(replay())


def json_of(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def plain(value):
    """A body without what no two programs have in common: ids, times, the order of rows."""
    if isinstance(value, dict) and value and all(UUID.fullmatch(str(key)) for key in value):
        value = list(value.values())
    if isinstance(value, dict):
        if isinstance(value.get("config"), str) and "_format_version" in value["config"]:
            value = {"config": yaml.safe_load(value["config"])}
        counters = re.compile(r"connections_\w+|total_requests")
        return {key: "..." if key in OWN or counters.fullmatch(key) else plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted(map(plain, value), key=lambda item: json.dumps(item, sort_keys=True))
    if isinstance(value, str):
        return re.sub(r"\s+", " ", UUID.sub("...", re.sub(r"\bWyI\w+", "...", value))).strip()
    return value


@pytest.mark.parametrize("index", range(len(EXCHANGES)), ids=lambda index: f"{index}-{EXCHANGES[index]['label']}")
def test_it_answers_as_the_real_one_did(answers, index):
    exchange, (status, headers, body) = EXCHANGES[index], answers[index]
    asked = f"{exchange['method']} {exchange['path']} ({exchange['mode']})"
    assert status == exchange["status"], f"{asked}: {body}"
    expected = exchange["response_headers"]
    assert headers.get("Content-Type") == expected.get("Content-Type"), asked
    assert headers.get("Allow") == expected.get("Allow"), asked
    assert plain(json_of(body)) == plain(json_of(exchange["response_body"])), asked


def test_the_recording_is_whole():
    assert len(EXCHANGES) == 210, "what the simulator is held to would have shrunk"
    assert {exchange["mode"] for exchange in EXCHANGES} >= {"postgres", "postgres-node2", "postgres-DB-DOWN", "dbless"}
