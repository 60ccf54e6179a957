"""Going back at a real nginx by a controller that has just begun, while no name can be resolved."""

import asyncio
from dataclasses import replace

import pytest

from adapters.openresty import gateway as module
from adapters.openresty.control import TokenAt
from adapters.openresty.gateway import OpenRestyGateway, OpenRestyOptions
from adapters.port import Applied, Version
from tests.contract.play import confirmed
from tests.contract.stages.openresty import TOKEN


class Resolver:
    """Knows every name as this machine, once it is there."""

    def __init__(self):
        self.is_there = asyncio.Event()

    async def __call__(self, host, port):
        await self.is_there.wait()
        return ("127.0.0.1",)


def named(version):
    (endpoint,) = version.endpoints
    return Version(version.name, (f"agent.internal:{endpoint.rpartition(':')[2]}",))


@pytest.fixture
async def again(scene, monkeypatch):
    """Another controller for the same nginx, and what it asks for addresses."""
    monkeypatch.setenv("A_TOKEN", TOKEN)
    monkeypatch.setattr(module, "LOOKUP_TIMEOUT_S", 0.2)
    resolver = Resolver()
    options = OpenRestyOptions(scene.stage.control, TokenAt(variable="A_TOKEN"))
    gateway = OpenRestyGateway("edge", options, resolve=resolver)
    yield gateway, resolver
    await gateway.close()


async def test_a_rollback_waits_for_no_resolver(scene, again):
    gateway, resolver = again
    await scene.apply(10_000)
    assert await scene.versions(20) == {"1.1.0": 20}
    back = replace(scene.at(0), stable=named(scene.old.version()), candidate=named(scene.new.version()))
    await gateway.start([back])
    receipt = await gateway.apply(back, timeout_s=30.0)
    assert (receipt.outcome, receipt.code) == (Applied.UNREACHABLE, "not-found"), "it still waits for addresses"
    assert await scene.versions(20) == {"1.0.0": 20}, "a DNS outage held a rollback up"
    resolver.is_there.set()
    await confirmed(gateway, back)
    assert await scene.versions(20) == {"1.0.0": 20}


async def test_a_promotion_does_not_fall_back_while_it_waits(scene, again):
    gateway, resolver = again
    await scene.apply(10_000)
    promoted = replace(scene.at(0), stable=named(scene.new.version()), candidate=None, draining=(scene.old.version(),))
    await gateway.start([promoted])
    await gateway.apply(promoted, timeout_s=30.0)
    assert await scene.versions(20) == {"1.1.0": 20}, "the version that was replaced got the traffic"
    resolver.is_there.set()
    await confirmed(gateway, promoted)
