"""The API in a process of its own, over a fleet whose gateways carry no traffic; prints its port, ends with its input.

``python -m tests.integration.api.serve STATE_DIR [TOKEN]``; with a token, its bearer is an operator.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from adapters.nop import NopGateway
from adapters.port import Route, Split, Version
from controller.api.context import Context, Standing
from controller.api.server import ApiServer
from controller.evolution.gates import Gate
from controller.journal.store import Journal
from controller.journal.writer import AsyncJournal
from controller.observe.meters import Meters
from controller.rollout.plan import Plan, Step
from controller.runtime.broadcast import Broadcast
from controller.runtime.fleet import Fleet, GatewayProfile, Roster
from controller.runtime.hands import Surroundings
from controller.runtime.profile import Profile
from controller.runtime.tasks import Tasks
from controller.settings.access import AccessSettings, AccessSpec, TokenSpec, hash_token
from controller.settings.shape import Metadata

AGENTS = ("code-assistant", "mail")


def profile(agent: str) -> Profile:
    plan = Plan((Step(Split(100), 3600), Step(Split(1000), 3600, approval=True)), watched=False, consent=True)
    return Profile(agent, ("edge",), Route(), Version("1.2.3", ("10.0.0.11:3000",)), plan, Gate(), drain_deadline_s=1.0)


async def connect(host: str, port: int) -> None:
    """Everybody answers."""


async def call_drain_url(version: Version, deadline_s: float) -> None:
    """Everybody listens."""


def access(token: str) -> AccessSettings:
    bearer = TokenSpec(name="ann", role="operator", sha256=hash_token(token))
    spec, metadata = AccessSpec(tokens=(bearer,)), Metadata(name="access")
    return AccessSettings(apiVersion="turnout.dev/v1alpha1", kind="Access", metadata=metadata, spec=spec)


async def main(state: Path, tokens: AccessSettings | None) -> None:
    journal, broadcast = AsyncJournal(Journal.open(state / "journal.sqlite")), Broadcast()
    around = Surroundings({}, journal, broadcast, time.time, connect, call_drain_url, lambda agent, receipt: None)
    fleet, ready = Fleet(lambda gateway: NopGateway(gateway.name), around), asyncio.Event()
    roster = Roster({"edge": GatewayProfile("edge", "nop", None)}, {agent: profile(agent) for agent in AGENTS})
    context = Context(
        fleet=fleet,
        journal=journal,
        broadcast=broadcast,
        meters=Meters("0.0.0"),
        access=lambda: tokens,
        settings=lambda: Standing("0" * 16),
        ready=ready.is_set,
        now_s=time.time,
    )
    api = ApiServer(context, port=0)
    try:
        async with Tasks() as tasks:
            tasks.start("fleet", fleet.run(roster, ready))
            await ready.wait()
            await api.start()
            print(api.port, flush=True)
            await asyncio.to_thread(sys.stdin.read)
            await api.stop()
    finally:
        await journal.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), access(sys.argv[2]) if len(sys.argv) > 2 else None))
