import asyncio
import contextlib

import pytest

from adapters.nginx_plus.gateway import CONNECTIONS_MAX, NginxPlusGateway, NginxPlusOptions
from adapters.port import Applied, Assignment, GatewayError, Proof, Route, Split, Version
from tests.contract.simulators.forwarding import port_of, serve
from tests.contract.simulators.nginx_plus.api import Api
from tests.contract.simulators.nginx_plus.upstreams import ApiError, Memory
from tests.sim.clock import until
from tests.unit.adapters.silence import frozen

pytestmark = pytest.mark.timeout(30)

A, B, C = "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"
OLD, NEW, NEXT = Version("1.0", (A,)), Version("1.1", (B,)), Version("1.2", (C,))


def at(candidate_bp, candidate=NEW, agent="bot", stable=OLD, **more):
    return Assignment(agent, Route(), stable, candidate, split=Split(candidate_bp), **more)


@contextlib.asynccontextmanager
async def playing(*memories, first=(), elsewhere=(), is_writable=True, **options):
    apis = [Api(memory, is_writable=is_writable) for memory in memories]
    runners = [await serve(api.app(), 0) for api in apis]
    nodes = tuple(f"http://127.0.0.1:{port_of(runner)}/api" for runner in runners)
    gateway = NginxPlusGateway("edge", NginxPlusOptions((*first, *nodes, *elsewhere), **options))
    gateway.apis, gateway.runners = apis, runners
    try:
        yield gateway
    finally:
        await gateway.close()
        for runner in runners:
            await runner.cleanup()


def memory():
    return Memory({"bot": [{"server": A}]})


def shares(found, upstream="bot"):
    return {row["server"]: 0 if row["down"] else row["weight"] for row in found.upstream(upstream).rows()}


async def test_every_instance_is_written_and_read_back():
    first, second = memory(), memory()
    async with playing(first, second) as gateway:
        assert (await gateway.verify("bot")).proof is Proof.PENDING
        receipt = await gateway.apply(at(1_000), timeout_s=5.0)
        assert receipt.outcome is Applied.CONFIRMED, receipt
        assert shares(first) == shares(second) == {A: 9, B: 1}
        assert (await gateway.verify("bot")).proof is Proof.APPLIED
        assert (await gateway.status()).reachable


async def test_an_instance_that_is_away_keeps_no_other_from_being_written():
    found = memory()
    async with playing(found, elsewhere=("http://127.0.0.1:1/api",)) as gateway:
        receipt = await gateway.apply(at(1_000), timeout_s=5.0)
        assert (receipt.outcome, shares(found)) == (Applied.UNCONFIRMED, {A: 9, B: 1})
        assert "127.0.0.1:1" in receipt.detail
        assert (await gateway.verify("bot")).proof is Proof.UNREACHABLE
        assert not (await gateway.status()).reachable


async def test_a_refusal_by_any_instance_is_one():
    refusing = memory()
    async with playing(refusing, first=("http://127.0.0.1:1/api",)) as gateway:
        gateway.apis[0]._authorization = "Basic c2VjcmV0"
        receipt = await gateway.apply(at(1_000), timeout_s=5.0)
        assert (receipt.outcome, receipt.code) == (Applied.REFUSED, "denied"), "a wrong password would be waited for"
        assert "127.0.0.1:1" in receipt.detail


async def test_what_is_half_done_is_called_partial():
    async with playing(memory(), first=("http://127.0.0.1:1/api",)) as gateway:
        assert (await gateway.apply(at(1_000), timeout_s=5.0)).code == "partial"
    with frozen() as (url,):
        async with playing(memory(), first=(f"{url}/api",), timeout_s=60.0) as gateway:
            receipt = await gateway.apply(at(1_000), timeout_s=1.0)
            assert (receipt.outcome, receipt.code) == (Applied.UNCONFIRMED, "partial")
            assert url in receipt.detail, "nobody is told which instance is frozen"


async def test_a_way_back_waits_for_no_word_of_the_instance_itself():
    found = memory()
    async with playing(found) as gateway:
        await gateway.apply(at(5_000), timeout_s=5.0)
        answered = gateway.apis[0]._answer

        async def answer(request):
            if request.path.endswith("/nginx"):
                raise ApiError(403, "forbidden", "Forbidden")
            return await answered(request)

        gateway.apis[0]._answer = answer
        receipt = await gateway.apply(at(0), timeout_s=5.0)
        assert shares(found)[B] == 0, "the candidate would keep its share"
        assert (receipt.outcome, receipt.code) == (Applied.REFUSED, "denied")


async def test_a_frozen_instance_takes_no_connection_from_the_others():
    agents = [f"bot{index}" for index in range(CONNECTIONS_MAX + 8)]
    found = Memory({agent: [{"server": A}] for agent in agents})
    with frozen() as (url,):
        async with playing(found, first=(f"{url}/api",), timeout_s=60.0) as gateway, asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(gateway.apply(at(1_000, agent=agent), timeout_s=60.0)) for agent in agents]
            await until(lambda: all(shares(found, agent) == {A: 9, B: 1} for agent in agents))
            for task in asked:
                task.cancel()


async def test_an_api_that_only_reads_refuses():
    async with playing(memory(), is_writable=False) as gateway:
        receipt = await gateway.apply(at(1_000), timeout_s=5.0)
        assert (receipt.outcome, receipt.code) == (Applied.REFUSED, "read-only")
        assert "MethodDisabled" in receipt.detail


async def test_a_way_back_is_down_and_not_drain():
    found = memory()
    async with playing(found) as gateway:
        await gateway.apply(at(10_000), timeout_s=5.0)
        await gateway.apply(at(0), timeout_s=5.0)
        assert [peer.state for peer in found.upstream("bot").peers.values()] == ["up", "down"]
        found.upstream("bot").change("1", {"down": False, "drain": True})
        assert (await gateway.verify("bot")).proof is Proof.DRIFTED, "sticky sessions would stay on the candidate"


async def test_only_what_we_added_is_taken_away_and_zombies_are_not_forgotten():
    found = memory()
    async with playing(found) as gateway:
        await gateway.apply(at(1_000), timeout_s=5.0)
        upstream = found.upstream("bot")
        upstream.peers[1].active = upstream.peers[1].requests = 1
        rolled_back = at(0, candidate=None, draining=(NEW,))
        await gateway.apply(rolled_back, timeout_s=5.0)
        assert (await gateway.observe("bot")).in_flight == {"1.0": 0, "1.1": 1}
        upstream.remove("1")
        assert (await gateway.observe("bot")).in_flight == {"1.0": 0}, "what still serves is said to have ended"
        await gateway.apply(at(1_000, candidate=NEXT), timeout_s=5.0)
        await gateway.apply(at(0, candidate=None), timeout_s=5.0)
        assert shares(found) == {A: 1}


async def test_peers_are_counted_per_version():
    found = memory()
    async with playing(found) as gateway:
        with pytest.raises(GatewayError, match="never applied"):
            await gateway.observe("bot")
        await gateway.apply(at(1_000), timeout_s=5.0)
        candidate = found.upstream("bot").peers[1]
        candidate.requests, candidate.active, candidate.total, candidate.failed = 10, 1, 8, 3
        tally = (await gateway.observe("bot")).tallies["1.1"]
        assert (tally.requests, tally.errors) == (9, 4), "a request without any answer is no error"


async def test_an_agent_that_goes_leaves_everything_with_stable():
    found = memory()
    async with playing(found) as gateway:
        await gateway.apply(at(1_000), timeout_s=5.0)
        await gateway.remove("bot")
        await gateway.remove("bot")
        assert shares(found) == {A: 1}


async def test_an_agent_that_goes_leaves_every_living_instance_with_stable():
    first, second = memory(), memory()
    dead = ("http://127.0.0.1:1/api", "http://127.0.0.1:2/api")
    async with playing(first, second, first=dead[:1], elsewhere=dead[1:]) as gateway:
        await gateway.apply(at(1_000), timeout_s=5.0)
        with pytest.raises(GatewayError) as raised:
            await gateway.remove("bot")
        assert shares(first) == shares(second) == {A: 1}, "a candidate would be served for ever"
        assert raised.value.code == "partial"
        assert all(url in str(raised.value) for url in dead)


async def test_a_restart_is_no_hand_for_any_of_the_agents():
    found = Memory({"bot": [{"server": A}], "other": [{"server": A}]})
    async with playing(found) as gateway:
        for agent in ("bot", "other"):
            await gateway.apply(at(1_000, agent=agent), timeout_s=5.0)
            found.upstream(agent).change("0", {"weight": 5})
        gateway.apis[0].about["load_timestamp"] = "later"
        assert (await gateway.apply(at(1_000), timeout_s=5.0)).outcome is Applied.CONFIRMED
        proof = (await gateway.verify("other")).proof
        assert proof is Proof.RESET, "the second agent's rollout would pause for a person who did nothing"


async def test_a_hand_after_a_reload_that_lost_nothing_is_one():
    found = memory()
    async with playing(found) as gateway:
        await gateway.apply(at(1_000), timeout_s=5.0)
        gateway.apis[0].about["load_timestamp"] = "later"
        assert (await gateway.verify("bot")).proof is Proof.APPLIED
        found.upstream("bot").change("0", {"weight": 5})
        proof = (await gateway.verify("bot")).proof
        assert proof is Proof.DRIFTED, "a person's change would be taken back without a word"


async def test_a_change_is_found_behind_an_instance_that_is_away():
    first, second = memory(), memory()
    async with playing(first, second) as gateway:
        await gateway.apply(at(1_000), timeout_s=5.0)
        second.upstream("bot").change("0", {"weight": 5})
        await gateway.runners[0].cleanup()
        assert (await gateway.verify("bot")).proof is Proof.DRIFTED


async def test_a_restart_is_told_from_a_hand():
    found = memory()
    async with playing(found) as gateway:
        await gateway.apply(at(1_000), timeout_s=5.0)
        found.upstream("bot").change("0", {"weight": 5})
        assert (await gateway.verify("bot")).proof is Proof.DRIFTED
        gateway.apis[0].about["load_timestamp"] = "later"
        assert (await gateway.verify("bot")).proof is Proof.RESET, "a person would be asked about a restart"


async def test_a_keyval_is_one_change():
    found = Memory({"bot-stable": [{"server": A}], "bot-candidate": []}, keyvals=["splits"])
    async with playing(found, keyval="splits", percentages=(50, 1_000)) as gateway:
        assert (await gateway.apply(at(1_000), timeout_s=5.0)).outcome is Applied.CONFIRMED
        assert (found.keyvals["splits"], shares(found, "bot-candidate")) == ({"bot": "10"}, {B: 1})
        assert (await gateway.apply(at(50), timeout_s=5.0)).outcome is Applied.CONFIRMED
        assert found.keyvals["splits"] == {"bot": "0.5"}
        refused = await gateway.apply(at(2_000), timeout_s=5.0)
        assert refused.outcome is Applied.REFUSED
        assert "no split_clients for 20 %" in refused.detail
        await gateway.apply(at(1_000), timeout_s=5.0)
        for value in ("50", "nonsense"):
            found.keyvals["splits"]["bot"] = value
            assert (await gateway.verify("bot")).proof is Proof.DRIFTED
        assert (await gateway.apply(at(0), timeout_s=5.0)).outcome is Applied.CONFIRMED
        assert found.keyvals["splits"] == {"bot": "0"}


async def test_a_keyval_that_is_not_there_is_named():
    found = Memory({"bot-stable": [{"server": A}], "bot-candidate": []})
    async with playing(found, keyval="splits", percentages=(1_000,)) as gateway:
        receipt = await gateway.apply(at(1_000), timeout_s=5.0)
        assert (receipt.outcome, "no keyval zone splits" in receipt.detail) == (Applied.REFUSED, True)
