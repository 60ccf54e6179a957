"""A controller in one process: a real fleet and journal, gateways that carry no traffic, and a client of the API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from adapters.nop import CAPABILITIES, NopGateway
from adapters.port import Assignment, Observation, Receipt, Route, Split, Version
from controller.api.context import Context, Standing, Stranger
from controller.api.routes import application
from controller.evolution.gates import Gate
from controller.journal.store import Journal
from controller.journal.writer import AsyncJournal
from controller.observe.meters import Meters
from controller.rollout.plan import Plan, Step
from controller.rollout.state import Phase
from controller.runtime.broadcast import Broadcast
from controller.runtime.driver import Driver
from controller.runtime.fleet import Fleet, GatewayProfile, Roster
from controller.runtime.hands import Surroundings
from controller.runtime.profile import Profile
from controller.runtime.tasks import Tasks
from controller.settings.access import AccessSettings, TokenSpec, hash_token

AGENT = "code-assistant"
STABLE = Version("1.2.3", ("10.0.0.11:3000",))
CANDIDATE = {"version": "1.3.0", "endpoints": ["10.0.0.21:3000"]}
PLAN = Plan(
    steps=(Step(Split(100), 3600), Step(Split(1000), 3600, approval=True)), bake_s=3600, watched=False, consent=True
)
BEGAN_S = 1_800_000_000.0
PATIENCE_S = 10.0
"""How long a test waits for what should happen at once, before it says that it did not."""

TOKENS = {role: f"turnout_{role}-token" for role in ("viewer", "operator", "approver", "reporter")}


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what nothing announces."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the state is the program's own, and has no event
            await asyncio.sleep(0)


def access() -> AccessSettings:
    tokens = tuple(TokenSpec(name=f"ann-{role}", role=role, sha256=hash_token(text)) for role, text in TOKENS.items())
    return AccessSettings.model_validate(
        {
            "apiVersion": "turnout.dev/v1alpha1",
            "kind": "Access",
            "metadata": {"name": "access"},
            "spec": {"tokens": tuple(token.model_dump(by_alias=True) for token in tokens)},
        }
    )


class Gateway(NopGateway):
    """A gateway whose figures a test sets; looked at often, so that nobody waits for it."""

    capabilities = replace(CAPABILITIES, observe_every_s=0.01)

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.open: dict[str, int] = {}
        self.looks = 0
        self.receipts: list[Receipt] = []

    async def apply(self, assignment: Assignment, *, timeout_s: float) -> Receipt:
        receipt = await super().apply(assignment, timeout_s=timeout_s)
        if self.receipts:
            await asyncio.sleep(0)
            receipt = self.receipts[0]
        return receipt

    async def observe(self, agent: str) -> Observation:
        self.looks += 1
        seen = await super().observe(agent)
        return replace(seen, in_flight={name: self.open.get(name, count) for name, count in seen.in_flight.items()})


@dataclass
class World:
    client: TestClient
    fleet: Fleet
    journal: AsyncJournal
    broadcast: Broadcast
    context: Context
    gateway: Gateway
    ready: list[bool]
    standing: list[Standing]

    @property
    def driver(self) -> Driver:
        return self.fleet.driver(AGENT)

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """The status and the JSON of an answer."""
        response = await self.request(method, path, body, **headers)
        text = await response.text()
        return response.status, json.loads(text) if text else None

    async def request(self, method: str, path: str, body: object = None, **headers: str) -> ClientResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, path, json=body, headers=named)

    async def until(self, phase: Phase) -> None:
        """Wait until the agent is in a phase: every change of it is announced."""
        async with asyncio.timeout(PATIENCE_S):
            with self.broadcast.listen() as news:
                while self.driver.state.phase is not phase:
                    await anext(news)

    async def until_confirmed(self) -> None:
        await until(lambda: self.driver.state.all_confirmed)

    async def propose(self, **more: object) -> Any:
        status, told = await self.ask("POST", "/v1/proposals", {"agent": AGENT, **CANDIDATE, **more})
        assert status == 201, told
        return told

    async def at_first_step(self) -> Any:
        """A rollout with consent that stands at its first step."""
        proposal = await self.propose()
        await self.until(Phase.AWAITING_CONSENT)
        body = {"digest": proposal["digest"], "reason": "looks good"}
        status, told = await self.ask("POST", f"/v1/proposals/{proposal['id']}/approve", body)
        assert status == 200, told
        await self.until(Phase.HEALTH_CHECK)
        await self.until_confirmed()
        return told


@asynccontextmanager
async def world(
    tmp_path: Path,
    *,
    tokens: AccessSettings | None = None,
    plan: Plan = PLAN,
    gate: Gate | None = None,
    strangers: Callable[[], Sequence[Stranger]] = tuple,
) -> AsyncIterator[World]:
    """A controller that runs while the context is open."""
    journal = AsyncJournal(Journal.open(tmp_path / "journal.sqlite"))
    broadcast = Broadcast()
    gateway = Gateway("edge")

    async def connect(host: str, port: int) -> None:
        """Everybody answers."""

    async def call_drain_url(version: Version, deadline_s: float) -> None:
        """Everybody listens."""

    around = Surroundings(
        adapters={},
        journal=journal,
        broadcast=broadcast,
        now_s=lambda: BEGAN_S,
        connect=connect,
        call_drain_url=call_drain_url,
        report=lambda agent, receipt: None,
    )
    fleet = Fleet(lambda profile: gateway, around)
    profile = Profile(AGENT, ("edge",), Route(), STABLE, plan, gate or Gate())
    roster = Roster({"edge": GatewayProfile("edge", "nop", None)}, {AGENT: profile})
    ready = asyncio.Event()
    told_ready, standing = [True], [Standing("0123456789abcdef")]
    context = Context(
        fleet=fleet,
        journal=journal,
        broadcast=broadcast,
        meters=Meters("0.0.0"),
        access=lambda: tokens,
        settings=lambda: standing[0],
        ready=lambda: told_ready[0],
        now_s=lambda: BEGAN_S,
        strangers=strangers,
    )
    try:
        async with Tasks() as tasks:
            tasks.start("fleet", fleet.run(roster, ready))
            await ready.wait()
            async with TestClient(TestServer(application(context))) as client:
                yield World(client, fleet, journal, broadcast, context, gateway, told_ready, standing)
    finally:
        await journal.close()
