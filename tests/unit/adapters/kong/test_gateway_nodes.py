"""Several nodes: none of them may keep a way back from the others, and none speaks for another."""

import asyncio
import contextlib

import pytest

from adapters.kong.gateway import CONNECTIONS_MAX
from adapters.port import Applied, GatewayError, Proof
from tests.contract.simulators.kong.store import RefusedError
from tests.sim.clock import until
from tests.unit.adapters.silence import frozen

from .kongs import A, B, Kongs, at

pytestmark = pytest.mark.timeout(60)

PATIENCE_S = 60.0
"""Far longer than a test may take: whoever waits for a frozen node is found out."""


@contextlib.asynccontextmanager
async def applying(gateway, *assignments):
    """Ask for all of them at once; whoever is still waiting at the end is given up."""
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(gateway.apply(each, timeout_s=PATIENCE_S)) for each in assignments]
        yield asked
        for task in asked:
            task.cancel()


@pytest.mark.parametrize("database", ["postgres", "off"])
@pytest.mark.parametrize("count", [1, 5])
async def test_frozen_nodes_keep_no_way_back_from_a_living_one(database, count):
    kongs = Kongs(0.0, database=database)
    with frozen(count) as nodes:
        async with kongs.gateway(first=nodes, timeout_s=PATIENCE_S) as gateway, applying(gateway, at(5_000)):
            await until(lambda: kongs.weights() == {A: 500, B: 500})
            async with applying(gateway, at(0)) as (asked,):
                await until(lambda: kongs.weights() == {A: 100, B: 0})
                assert not asked.done(), "a node that nobody heard would be called confirmed"


async def test_a_node_that_has_lost_its_database_keeps_no_way_back_from_another():
    kongs = Kongs(0.0, 0.0)
    answered = kongs.apis[0]._answer

    async def lost(request):
        return await (answered(request) if request.path == "/" else asyncio.Event().wait())

    kongs.apis[0]._answer = lost
    async with kongs.gateway(timeout_s=PATIENCE_S) as gateway, applying(gateway, at(1_000)):
        await until(lambda: kongs.weights() == {A: 900, B: 100})


async def test_a_frozen_node_takes_no_connection_from_the_others():
    kongs = Kongs(0.0)
    assignments = [at(1_000, f"bot{index}") for index in range(CONNECTIONS_MAX + 8)]
    with frozen() as nodes:
        async with kongs.gateway(first=nodes, timeout_s=PATIENCE_S) as gateway, applying(gateway, *assignments):
            await until(lambda: len(kongs.stores[0].listed("targets")) == 2 * len(assignments))


async def test_nobody_waits_for_a_turn_at_a_node_that_is_frozen():
    kongs = Kongs(0.0, 0.0, database="off")
    stuck, served = asyncio.Event(), kongs.apis[0]._config

    async def config(request):
        if request.method == "POST":
            stuck.set()
            await asyncio.Event().wait()
        return await served(request)

    kongs.apis[0]._config = config
    async with kongs.gateway(timeout_s=PATIENCE_S) as gateway, applying(gateway, at(1_000)):
        await stuck.wait()
        async with applying(gateway, at(1_000, "other")):
            await until(lambda: len(kongs.stores[1].listed("targets")) == 4)


async def test_a_refusal_by_any_node_is_one():
    kongs = Kongs(0.0, database="off")
    kongs.apis[0]._token = "secret"
    async with kongs.gateway(first=["http://127.0.0.1:1"]) as gateway:
        receipt = await gateway.apply(at(1_000), timeout_s=5.0)
        assert (receipt.outcome, receipt.code) == (Applied.REFUSED, "denied"), "a wrong token would be waited for"
        assert "127.0.0.1:1" in receipt.detail
        assert "Invalid credentials" in receipt.detail


async def test_a_node_with_another_token_refuses_for_all():
    kongs = Kongs(0.0, 0.0)
    kongs.apis[1]._token = "secret"
    async with kongs.gateway() as gateway:
        receipt = await gateway.apply(at(1_000), timeout_s=1.0)
        assert (receipt.outcome, receipt.code) == (Applied.REFUSED, "denied"), receipt
        assert kongs.weights() == {A: 900, B: 100}


async def test_what_is_half_done_is_called_partial():
    kongs = Kongs(0.0, database="off")
    async with kongs.gateway("http://127.0.0.1:1") as gateway:
        receipt = await gateway.apply(at(1_000), timeout_s=5.0)
        assert (receipt.outcome, receipt.code) == (Applied.UNCONFIRMED, "partial"), receipt
    async with Kongs(0.0).gateway() as gateway:
        receipt = await gateway.apply(at(1_000), timeout_s=5.0)
        assert (receipt.outcome, receipt.code) == (Applied.CONFIRMED, "")


async def test_only_those_that_do_not_follow_are_named():
    kongs = Kongs(4.0)
    with frozen() as (url,):
        async with kongs.gateway(first=[url], timeout_s=PATIENCE_S) as gateway:
            receipt = await gateway.apply(at(1_000), timeout_s=1.0)
            assert (receipt.code, url in receipt.detail) == ("partial", True), receipt
            assert kongs.urls[0] not in receipt.detail, "a node that follows would be looked into"


async def test_a_restart_is_no_hand_for_any_of_the_agents():
    kongs = Kongs(0.0, database="off")
    file = {
        "_format_version": "3.0",
        "upstreams": [
            {"name": f"{agent}.turnout", "targets": [{"target": A}, {"target": B}]} for agent in ("bot", "other")
        ],
    }
    async with kongs.gateway() as gateway:
        for agent in ("bot", "other"):
            assert (await gateway.apply(at(1_000, agent), timeout_s=5.0)).outcome is Applied.CONFIRMED
        kongs.stores[0].load(file, flatten=False)
        kongs.apis[0].node_id = "another"
        assert (await gateway.apply(at(1_000), timeout_s=5.0)).outcome is Applied.CONFIRMED
        proof = (await gateway.verify("other")).proof
        assert proof is Proof.RESET, "the second agent's rollout would pause for a person who did nothing"


async def test_a_hand_after_a_restart_that_lost_nothing_is_one():
    kongs = Kongs(0.0, database="off")
    store = kongs.stores[0]
    async with kongs.gateway() as gateway:
        await gateway.apply(at(1_000), timeout_s=5.0)
        kongs.apis[0].node_id = "another"
        assert (await gateway.verify("bot")).proof is Proof.APPLIED
        store.update("targets", store.find("targets", B), {"weight": 500})
        proof = (await gateway.verify("bot")).proof
        assert proof is Proof.DRIFTED, "a person's change would be taken back without a word"


async def test_a_change_is_found_behind_a_node_that_is_away():
    kongs = Kongs(0.0, 0.0, database="off")
    store = kongs.stores[1]
    async with kongs.gateway() as gateway:
        assert (await gateway.apply(at(1_000), timeout_s=5.0)).outcome is Applied.CONFIRMED
        store.update("targets", store.find("targets", B), {"weight": 500})
        await kongs.runners[0].cleanup()
        proof = (await gateway.verify("bot")).proof
        assert proof is Proof.DRIFTED, "a person's change would be taken back without a word"


async def test_a_removal_is_tried_at_every_node():
    kongs = Kongs(0.0, 0.0, database="off")
    async with kongs.gateway("http://127.0.0.1:1", first=["http://127.0.0.1:2"]) as gateway:
        await gateway.apply(at(1_000), timeout_s=5.0)
        with pytest.raises(GatewayError) as raised:
            await gateway.remove("bot")
        assert raised.value.code == "partial"
        assert kongs.weights(0) == kongs.weights(1) == {A: 100}, "a candidate would be served for ever"


async def test_a_stable_instance_that_is_refused_holds_up_no_way_back():
    kongs, more = Kongs(0.0), "10.0.0.9:80"
    create = kongs.stores[0].create

    def picky(kind, fields, **fixed):
        if fields.get("target") == more:
            raise RefusedError(400, {"message": "no"})
        return create(kind, fields, **fixed)

    kongs.stores[0].create = picky
    async with kongs.gateway() as gateway:
        await gateway.apply(at(5_000), timeout_s=5.0)
        receipt = await gateway.apply(at(0, stable=(A, more)), timeout_s=5.0)
        assert (receipt.outcome, receipt.code) == (Applied.REFUSED, "invalid")
        assert kongs.weights()[B] == 0, "the candidate would be served until a person mends stable"
