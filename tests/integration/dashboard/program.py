"""The real `turnout run` over a gateway that carries no traffic, and a client of its API: the other operator."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from controller.settings.access import hash_token

PATIENCE_S = 30.0
RUN = (sys.executable, "-c", "from controller.cli.main import main; main()", "run")
API = "turnout.dev/v1alpha1"
TOKENS = {role: f"turnout_{role}-only-for-this-test" for role in ("viewer", "operator", "approver")}


def document(kind: str, name: str, **spec: object) -> dict[str, object]:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


def settings(endpoint: str) -> list[dict[str, object]]:
    """`bot` is guided by hand, `mail` by a rollout that asks a person to begin and to leave its first step."""
    stable = {"version": "1.0", "endpoints": ["127.0.0.1:9"]}  # nobody asks it anything
    steps = [{"weight": 5, "hold": "100ms", "approval": "required"}, {"weight": 50, "hold": "1h"}]
    return [
        document("Gateway", "edge", type="nop"),
        document(
            "Agent", "bot", gateways=["edge"], stable=stable, candidate={"version": "1.1", "endpoints": [endpoint]}
        ),
        document(
            "Agent",
            "mail",
            gateways=["edge"],
            route={"pathPrefix": "/mail"},
            stable=stable,
            strategy={"steps": steps, "bake": "1h"},
            gate={"consent": "required"},
        ),
    ]


def access() -> dict[str, object]:
    tokens = [{"name": f"ann-{role}", "role": role, "sha256": hash_token(token)} for role, token in TOKENS.items()]
    return document("Access", "access", tokens=tokens)


@dataclass
class Program:
    """A controller that runs.

    Attributes:
        url: of its API.
        endpoint: of every candidate: it answers.
        process: to be ended by who wants to see that.
    """

    url: str
    endpoint: str
    process: Process
    client: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """An answer, as another operator gets it."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(method, self.url + path, json=body, headers=named) as response:
            told = await response.json(content_type=None)
            assert response.status < 300, f"{method} {path}: {told}"
            return told

    async def agent(self, name: str, **headers: str) -> Any:
        return await self.ask("GET", f"/v1/agents/{name}", **headers)

    async def until(self, name: str, condition: Callable[[Mapping[str, Any]], object], what: str) -> Any:
        """Wait until an agent is so; every change of it is an event."""
        async with asyncio.timeout(PATIENCE_S), self.client.get(f"{self.url}/v1/events") as events:
            while not condition(told := await self.agent(name)):
                assert await events.content.readline(), f"the controller ended before: {what}"
        return told

    async def propose(self, version: str, summary: str = "") -> Any:
        body = {"agent": "mail", "version": version, "endpoints": [self.endpoint], "summary": summary}
        return await self.ask("POST", "/v1/proposals", body, X_Turnout_Actor="pipeline")

    async def events(self, agent: str) -> list[dict[str, Any]]:
        """What the journal says of operators' commands."""
        told = await self.ask("GET", f"/v1/journal?agent={agent}&kind=transition&limit=1000")
        return [record["body"] | {"actor": record["actor"]} for record in told["records"]]


async def _nobody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@contextlib.asynccontextmanager
async def running(folder: Path, *more: dict[str, object]) -> AsyncIterator[Program]:
    """Run it; it is killed with the context."""
    server = await asyncio.start_server(_nobody, "127.0.0.1", 0)
    endpoint = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    config = folder / "turnout.yaml"
    config.write_text(yaml.safe_dump_all([*settings(endpoint), *more]))
    places = ("--config", str(config), "--state-dir", str(folder), "--http", "127.0.0.1:0", "--xds", "127.0.0.1:0")
    process = await asyncio.create_subprocess_exec(*RUN, *places, "--output", "json", stdout=PIPE)
    try:
        async with asyncio.timeout(PATIENCE_S):
            ready = json.loads(await process.stdout.readline())
        assert ready["ready"] is True, ready
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as client:
            yield Program(ready["http"], endpoint, process, client)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        server.close()
