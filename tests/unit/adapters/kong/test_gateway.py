import contextlib
import socket
from dataclasses import replace

import aiohttp
import pytest

from adapters.kong.gateway import CAPABILITIES, LOG_DELAY_S, KongGateway, KongOptions
from adapters.port import Applied, Assignment, GatewayError, Proof, Route, Split, Stickiness, Tally, Version
from tests.contract.simulators.forwarding import port_of, serve
from tests.contract.simulators.kong.admin import AdminApi
from tests.contract.simulators.kong.ring import Ring
from tests.contract.simulators.kong.store import Store

pytestmark = pytest.mark.timeout(30)

A, B = "10.0.0.1:80", "10.0.0.2:80"


def at(candidate_bp, **more):
    split = Split(candidate_bp)
    return Assignment("bot", Route(), Version("1.0", (A,)), Version("1.1", (B,)), split=split, **more)


class Kongs:
    """Nodes that share a configuration, on a clock that moves when the adapter waits.

    Attributes:
        delays_s: how long each node takes to follow.
    """

    def __init__(self, *delays_s, database="postgres"):
        self.now_s = 0.0
        shared = Store(lambda: self.now_s)
        self.stores = [shared if database != "off" else Store(lambda: self.now_s) for _ in delays_s]
        self.rings = [
            Ring(store, lambda: self.now_s, delay_s=delay_s, settles_after_s=0.0)
            for store, delay_s in zip(self.stores, delays_s, strict=True)
        ]
        for store in set(self.stores):
            rings = [ring for ring, owned in zip(self.rings, self.stores, strict=True) if owned is store]
            store.changed = lambda rings=rings: [ring.heard() for ring in rings]
        pairs = zip(self.stores, self.rings, strict=True)
        self.apis = [AdminApi(store, ring, database=database) for store, ring in pairs]

    async def sleep(self, delay_s):
        self.now_s += delay_s

    def weights(self, index=0):
        return {row["target"]: row["weight"] for row in self.stores[index].listed("targets")}

    @contextlib.asynccontextmanager
    async def gateway(self, *elsewhere, **options):
        self.runners = [await serve(api.app(), 0) for api in self.apis]
        self.urls = tuple(f"http://127.0.0.1:{port_of(runner)}" for runner in self.runners)
        nodes = (*self.urls, *elsewhere)
        gateway = KongGateway("edge", KongOptions(nodes, **options), now_s=lambda: self.now_s, sleep=self.sleep)
        try:
            yield gateway
        finally:
            await gateway.close()
            for runner in self.runners:
                await runner.cleanup()


async def test_a_split_is_confirmed_when_every_node_does_it():
    kongs = Kongs(0.01, 4.0)
    async with kongs.gateway() as gateway:
        await gateway.start([at(0)])
        receipt = await gateway.apply(at(1_000), timeout_s=10.0)
        assert receipt.outcome is Applied.CONFIRMED, receipt
        assert kongs.now_s > 4.0, "the second node follows later, and its Admin API shows the new weight at once"
        assert receipt.took_s == kongs.now_s
        assert kongs.weights() == {A: 900, B: 100}
        assert (await gateway.verify("bot")).proof is Proof.APPLIED


async def test_a_node_that_does_not_follow_is_named():
    kongs = Kongs(0.0, 1e9)
    async with kongs.gateway() as gateway:
        receipt = await gateway.apply(at(1_000), timeout_s=0.3)
        assert receipt.outcome is Applied.UNCONFIRMED
        assert kongs.urls[1] in receipt.detail
        assert kongs.urls[0] not in receipt.detail
        verification = await gateway.verify("bot")
        assert verification.proof is Proof.PENDING, "what is written and not done is called done"


async def test_a_dead_node_keeps_no_other_from_being_written():
    kongs = Kongs(0.0)
    async with kongs.gateway("http://127.0.0.1:1") as gateway:
        receipt = await gateway.apply(at(1_000), timeout_s=0.3)
        assert kongs.weights() == {A: 900, B: 100}
        assert receipt.outcome is Applied.UNCONFIRMED, "a node that nobody reached is called confirmed"
        assert (await gateway.verify("bot")).proof is Proof.UNREACHABLE
        status = await gateway.status()
        assert not status.reachable
        assert "Kong 3.9.3" in status.detail


async def test_every_node_without_a_database_is_written():
    kongs = Kongs(0.0, 0.0, database="off")
    async with kongs.gateway("http://127.0.0.1:1") as gateway:
        receipt = await gateway.apply(at(1_000), timeout_s=5.0)
        assert kongs.weights(0) == kongs.weights(1) == {A: 900, B: 100}
        assert receipt.outcome is Applied.UNCONFIRMED
        assert "127.0.0.1:1" in receipt.detail


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (at(5), "less than weights can give"),
        (replace(at(0), split=Split(mirror_bp=100)), "cannot copy"),
    ],
)
async def test_what_weights_cannot_do_is_refused_and_nothing_is_written(asked, words):
    kongs = Kongs(0.0)
    async with kongs.gateway() as gateway:
        receipt = await gateway.apply(asked, timeout_s=5.0)
        assert (receipt.outcome, kongs.weights()) == (Applied.REFUSED, {})
        assert words in receipt.detail
        assert (await gateway.verify("bot")).proof is Proof.REFUSED


async def test_a_database_that_is_down_is_unreachable():
    kongs = Kongs(0.0)
    async with kongs.gateway() as gateway:
        assert (await gateway.apply(at(1_000), timeout_s=5.0)).outcome is Applied.CONFIRMED
        kongs.stores[0].is_reachable = False
        receipt = await gateway.apply(at(0), timeout_s=5.0)
        assert receipt.outcome is Applied.UNREACHABLE
        assert "database may be down" in receipt.detail
        assert (await gateway.verify("bot")).proof is Proof.UNREACHABLE


async def test_a_hand_is_found_whatever_it_changed():
    kongs = Kongs(0.0)
    store = kongs.stores[0]
    async with kongs.gateway() as gateway:
        assert (await gateway.verify("bot")).proof is Proof.PENDING
        await gateway.apply(at(1_000, stickiness=Stickiness(header="x-session")), timeout_s=5.0)
        verification = await gateway.verify("bot")
        assert (verification.proof, "observed share" in verification.detail) == (Proof.APPLIED, True)
        upstream = store.find("upstreams", "bot.turnout")
        store.update("upstreams", upstream, {"hash_on": "none"})
        assert (await gateway.verify("bot")).proof is Proof.DRIFTED
        await gateway.apply(at(1_000), timeout_s=5.0)
        store.update("targets", store.find("targets", B), {"weight": 500})
        assert "weight 500, not 100" in (await gateway.verify("bot")).detail
        store.delete("upstreams", store.find("upstreams", "bot.turnout"))
        assert (await gateway.verify("bot")).proof is Proof.DRIFTED
        assert (await gateway.apply(at(1_000), timeout_s=5.0)).outcome is Applied.CONFIRMED


async def test_a_restart_is_told_from_a_hand():
    kongs = Kongs(0.0, database="off")
    store, api = kongs.stores[0], kongs.apis[0]
    file = {"_format_version": "3.0", "upstreams": [{"name": "bot.turnout", "targets": [{"target": A}]}]}
    both = {**file, "upstreams": [{"name": "bot.turnout", "targets": [{"target": A}, {"target": B}]}]}
    async with kongs.gateway() as gateway:
        for begins_with, node_id, proof in (
            (file, "another", Proof.RESET),
            ({"_format_version": "3.0"}, "another", Proof.RESET),
            (both, "another", Proof.RESET),
            (both, None, Proof.DRIFTED),
        ):
            assert (await gateway.apply(at(1_000), timeout_s=5.0)).outcome is Applied.CONFIRMED
            store.load(begins_with, flatten=False)
            api.node_id = f"{node_id}-{api.node_id}" if node_id else api.node_id
            verification = await gateway.verify("bot")
            assert verification.proof is proof, f"a person is asked about a restart, or not about a hand: {begins_with}"


async def test_an_agent_that_goes_leaves_everything_with_stable():
    kongs = Kongs(0.0)
    async with kongs.gateway() as gateway:
        await gateway.apply(at(1_000), timeout_s=5.0)
        await gateway.remove("bot")
        await gateway.remove("bot")
        assert kongs.weights() == {A: 100}, "a candidate would be served for ever"
        assert (await gateway.verify("bot")).proof is Proof.PENDING


async def test_a_removal_that_fails_can_be_tried_again():
    kongs = Kongs(0.0)
    async with kongs.gateway() as gateway:
        await gateway.apply(at(1_000), timeout_s=5.0)
        kongs.stores[0].is_reachable = False
        with pytest.raises(GatewayError):
            await gateway.remove("bot")
        kongs.stores[0].is_reachable = True
        await gateway.remove("bot")
        assert B not in kongs.weights()


async def test_nothing_is_counted_without_a_log():
    kongs = Kongs(0.0)
    async with kongs.gateway() as gateway:
        observation = await gateway.observe("bot")
        assert (dict(observation.tallies), dict(observation.in_flight)) == ({}, {})
        assert not gateway.capabilities.counts_per_version
        assert gateway.capabilities == CAPABILITIES
        assert gateway.log_port is None
        await gateway.cut("bot", "1.0")


async def test_what_kong_logs_is_counted_per_version():
    kongs = Kongs(0.0)
    async with kongs.gateway(http_log="127.0.0.1:0") as gateway, aiohttp.ClientSession() as kong:
        await gateway.start([at(0)])
        assert gateway.capabilities.counts_per_version
        assert gateway.capabilities.reports_latency
        entry = {"service": {"host": "bot.turnout"}, "tries": [{"ip": "10.0.0.2", "port": 80}]}
        batch = [{**entry, "response": {"status": status}} for status in (200, 500)]
        async with kong.post(f"http://127.0.0.1:{gateway.log_port}", json=batch) as answer:
            assert answer.status == 200
        observation = await gateway.observe("bot")
        assert observation.tallies == {"1.0": Tally(), "1.1": Tally(2, 1)}
        assert observation.age_s == LOG_DELAY_S, "what was sent before a split would count for it"
        assert observation.epoch == (await gateway.observe("bot")).epoch


async def test_a_log_port_that_is_taken_is_told_and_tried_again(caplog):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        kongs = Kongs(0.0)
        async with kongs.gateway(http_log=f"127.0.0.1:{port}") as gateway:
            await gateway.start([at(0)])
            assert "nobody can post the log" in caplog.text
            with pytest.raises(GatewayError):
                await gateway.observe("bot")
            taken.close()
            await gateway.observe("bot")
            assert gateway.log_port == port
