import socket
from dataclasses import replace

import aiohttp
import pytest

from adapters.kong.gateway import CAPABILITIES, HASHED
from adapters.kong.http_log import DELAY_S
from adapters.port import Applied, GatewayError, Proof, Split, Stickiness, Tally

from .kongs import A, B, Kongs, at

pytestmark = pytest.mark.timeout(30)


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
        receipt = await gateway.apply(at(1_000), timeout_s=1.5)
        assert receipt.outcome is Applied.UNCONFIRMED
        assert kongs.urls[1] in receipt.detail
        assert kongs.urls[0] not in receipt.detail
        verification = await gateway.verify("bot")
        assert verification.proof is Proof.PENDING, "what is written and not done is called done"


async def test_a_dead_node_keeps_no_other_from_being_written():
    kongs = Kongs(0.0)
    async with kongs.gateway("http://127.0.0.1:1") as gateway:
        receipt = await gateway.apply(at(1_000), timeout_s=1.5)
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
        assert (await gateway.verify("bot")).proof is Proof.APPLIED
        upstream = store.find("upstreams", "bot.turnout")
        store.update("upstreams", upstream, {"hash_on": "none"})
        assert (await gateway.verify("bot")).proof is Proof.DRIFTED
        await gateway.apply(at(1_000), timeout_s=5.0)
        store.update("targets", store.find("targets", B), {"weight": 500})
        assert "weight 500, not 100" in (await gateway.verify("bot")).detail
        store.delete("upstreams", store.find("upstreams", "bot.turnout"))
        assert (await gateway.verify("bot")).proof is Proof.DRIFTED
        assert (await gateway.apply(at(1_000), timeout_s=5.0)).outcome is Applied.CONFIRMED


async def test_it_is_said_that_a_hash_gives_another_share():
    kongs, sticky = Kongs(0.0), Stickiness(header="x-session")
    async with kongs.gateway() as gateway:
        for candidate_bp, detail in ((1_000, HASHED), (10_000, ""), (0, "")):
            receipt = await gateway.apply(at(candidate_bp, stickiness=sticky), timeout_s=5.0)
            assert (receipt.outcome, receipt.detail) == (Applied.CONFIRMED, detail), "weight is taken for share"
            found = await gateway.verify("bot")
            assert (found.proof, found.detail) == (Proof.APPLIED, detail), "it is said for five seconds only"


async def test_a_hash_that_nobody_wants_any_more_is_undone():
    kongs, sticky = Kongs(0.0), Stickiness(header="x-session")
    store = kongs.stores[0]
    upstream = store.create("upstreams", {"name": "bot.turnout", "algorithm": "least-connections", "tags": ["theirs"]})
    before = {**upstream, "updated_at": None}
    async with kongs.gateway() as gateway:
        for end in (lambda: gateway.apply(at(1_000), timeout_s=5.0), lambda: gateway.remove("bot")):
            await gateway.apply(at(1_000, stickiness=sticky), timeout_s=5.0)
            assert store.find("upstreams", "bot.turnout")["hash_on"] == "header"
            assert (await gateway.verify("bot")).proof is Proof.APPLIED
            await end()
            now = {**store.find("upstreams", "bot.turnout"), "updated_at": None}
            assert now == before, "sessions stay hashed, or somebody else's setting is gone"


@pytest.mark.parametrize("tags", [None, ["theirs"]])
async def test_a_hash_is_undone_without_a_database_too(tags):
    kongs, sticky = Kongs(0.0, database="off"), Stickiness(cookie="turnout")
    store = kongs.stores[0]
    store.load({"_format_version": "3.0", "upstreams": [{"name": "bot.turnout", "tags": tags}]}, flatten=False)
    stamps = {"created_at": None, "updated_at": None}
    before = {**store.find("upstreams", "bot.turnout"), **stamps}
    async with kongs.gateway() as gateway:
        await gateway.apply(at(1_000, stickiness=sticky), timeout_s=5.0)
        assert store.find("upstreams", "bot.turnout")["hash_on_cookie"] == "turnout"
        assert (await gateway.apply(at(1_000), timeout_s=5.0)).outcome is Applied.CONFIRMED
        assert {**store.find("upstreams", "bot.turnout"), **stamps} == before


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
        assert observation.age_s == DELAY_S, "what was sent before a split would count for it"
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


async def test_sessions_count_under_a_split_that_is_confirmed_and_under_no_other():
    kongs, sticky = Kongs(0.0), {"stickiness": Stickiness(header="x-session"), "drain_deadline_s": 0.0}

    def ask(session):
        entry = {
            "service": {"host": "bot.turnout"},
            "tries": [{"ip": "10.0.0.2", "port": 80}],
            "request": {"headers": {"x-session": session}},
            "latencies": {"request": 1},
            "started_at": 1e15,
        }
        kongs.now_s += 10
        gateway._http_log.take(entry)
        kongs.now_s += 100

    async with kongs.gateway(http_log="127.0.0.1:0") as gateway:
        assert (await gateway.apply(at(1_000, **sticky), timeout_s=5.0)).outcome is Applied.CONFIRMED
        ask("one")
        assert (await gateway.observe("bot")).sessions.counts == {"1.0": 0, "1.1": 1}, "no session is ever judged"
        assert (await gateway.apply(at(5, **sticky), timeout_s=5.0)).outcome is Applied.REFUSED
        ask("two")
        assert (await gateway.observe("bot")).sessions.counts["1.1"] == 1, "nobody knows what has guided it"
