"""An adapter before the scripted Traefik that reads what it writes, and one agent in two versions."""

import contextlib

from adapters.port import Assignment, Route, Split, Version
from adapters.traefik.gateway import TraefikGateway, TraefikOptions
from tests.unit.adapters.traefik.program import running

OLD, NEW = Version("1.0", ("10.0.0.1:3000",)), Version("1.1", ("10.0.0.2:3000",))


def at(candidate_bp, agent="bot", **more):
    return Assignment(agent, Route((f"{agent}.test",)), OLD, NEW, Split(candidate_bp), **more)


LOOKS = 3
"""How often Traefik is asked before its time is up: that moves the clock, so that a slow machine is no slow Traefik."""

LOOK_TAKES_S = 30.0 / LOOKS


def gateway(program, name="edge", **options):
    """An adapter whose clock goes by the looks that are taken at the program."""
    given = {"api_url": program.url, "throttle_s": 0.0, **options}
    return TraefikGateway(name, TraefikOptions(**given), now_s=lambda: program.looks * LOOK_TAKES_S)


@contextlib.asynccontextmanager
async def staged(folder, **options):
    """An adapter, and the scripted Traefik that reads what it writes."""
    async with running(file=folder / "turnout-edge.yml") as program:
        adapter = gateway(program, **{"directory": str(folder), **options})
        try:
            yield adapter, program
        finally:
            await adapter.close()


async def apply(adapter, assignment):
    return await adapter.apply(assignment, timeout_s=1_000.0)
