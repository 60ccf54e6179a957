"""Endpoints that are host names: who waits for a resolver, and what comes of its answers."""

import asyncio

from adapters.envoy import gateway as module
from adapters.port import Applied, Proof, Version
from tests.unit.adapters.envoy.nodes import (
    NAMED,
    FakeNode,
    FakeServer,
    Names,
    apply,
    cluster_of,
    edge,
    routes,
    served,
    wanted,
)
from xds.resources import ResourceType


async def test_nobodys_rollback_waits_for_a_name_that_did_not_resolve_at_the_start():
    server, names = FakeServer(FakeNode("one")), Names()
    gateway = edge(server, names)
    await gateway.start([wanted(100, agent="bot"), wanted(agent="lost", stable=NAMED)])
    assert (await apply(gateway, wanted(agent="bot"))).outcome is Applied.CONFIRMED, "a rollback waited for a name"
    assert b"/lost" in routes(server), "an Envoy was told to drop the agent whose name does not resolve"
    assert served(server).sets[ResourceType.ENDPOINTS].unknown == {"lost/stable"}, "an Envoy would lose its endpoints"
    assert "lost (agent.test:80)" in (await gateway.status()).detail


async def test_the_way_back_of_an_agent_without_addresses_asks_no_resolver():
    server, names = FakeServer(FakeNode("one")), Names()
    gateway = edge(server, names)
    await gateway.start([wanted(100, stable=NAMED)])
    asked = names.asked
    receipt = await apply(gateway, wanted(stable=NAMED))
    assert (receipt.outcome, "agent.test:80" in receipt.detail) == (Applied.CONFIRMED, True)
    assert names.asked == asked, "a rollback waited for a resolver"


async def test_a_name_that_resolves_later_is_noticed_and_its_endpoints_are_sent():
    server, names = FakeServer(FakeNode("one")), Names()
    gateway = edge(server, names)
    await gateway.start([wanted(agent="bot"), wanted(agent="late", stable=NAMED)])
    await apply(gateway, wanted(agent="late", stable=NAMED))
    assert (await gateway.verify("late")).proof is Proof.APPLIED
    names.known["agent.test"] = "10.0.0.9"
    assert (await gateway.verify("late")).proof is Proof.PENDING, "the name is never looked up again"
    receipt = await apply(gateway, wanted(agent="late", stable=NAMED))
    assert (receipt.outcome, receipt.detail) == (Applied.CONFIRMED, "")
    assert b"10.0.0.9" in cluster_of(served(server), "late/stable")
    assert (await gateway.status()).detail == ""


async def test_another_stable_version_without_addresses_does_not_pass_for_the_one_that_the_nodes_have():
    server = FakeServer(FakeNode("one"))
    gateway = edge(server)
    await gateway.start([wanted(candidate=None, stable=NAMED)])
    other = Version("2.0", ("other.test:80",))
    assert (await apply(gateway, wanted(candidate=None, stable=other))).outcome is Applied.UNREACHABLE
    assert (await apply(gateway, wanted(candidate=None))).outcome is Applied.CONFIRMED
    receipt = await apply(gateway, wanted(candidate=None, stable=NAMED))
    assert receipt.outcome is Applied.UNREACHABLE, "the nodes have endpoints of another version by now"


async def test_once_served_an_agent_without_addresses_holds_up_nobody():
    server = FakeServer(FakeNode("one"))
    gateway = edge(server)
    await gateway.start([wanted(5_000)])
    receipt = await apply(gateway, wanted(agent="lost", stable=NAMED))
    assert (receipt.outcome, receipt.code) == (Applied.UNREACHABLE, "not-found")
    assert "agent.test:80" in receipt.detail
    assert (await apply(gateway, wanted(0))).outcome is Applied.CONFIRMED, "a rollback waited for another agent's name"


async def test_a_candidate_without_addresses_gets_nothing_and_stable_is_served():
    server = FakeServer(FakeNode("one"))
    gateway = edge(server)
    lost = Version("1.1", ("agent.test:80",))
    await gateway.start([wanted(1_000, candidate=lost)])
    assert cluster_of(served(server), "bot/stable")
    receipt = await apply(gateway, wanted(1_000, candidate=lost))
    assert (receipt.outcome, receipt.code) == (Applied.UNREACHABLE, "not-found")
    assert cluster_of(served(server), "bot/candidate") is None
    receipt = await apply(gateway, wanted(0, candidate=lost))
    assert (receipt.outcome, receipt.detail) == (Applied.CONFIRMED, "no address of agent.test:80 is known")
    found = await gateway.verify("bot")
    assert (found.proof, found.detail) == (Proof.APPLIED, receipt.detail), "it is told for five seconds only"


async def test_the_way_back_looks_no_name_up():
    server, names = FakeServer(FakeNode("one")), Names(agent_test="10.0.0.9")
    gateway = edge(server, names)
    await gateway.start([wanted(5_000, stable=NAMED)])
    names.known.clear()
    asked = names.asked
    assert (await apply(gateway, wanted(0, stable=NAMED))).outcome is Applied.CONFIRMED
    assert names.asked == asked, "a rollback waited for a resolver"


async def test_a_name_with_other_addresses_is_drift_and_applying_mends_it():
    server, names = FakeServer(FakeNode("one")), Names(agent_test="10.0.0.9")
    gateway = edge(server, names)
    await gateway.start([wanted(stable=NAMED)])
    await apply(gateway, wanted(stable=NAMED))
    assert (await gateway.verify("bot")).proof is Proof.APPLIED
    before = cluster_of(served(server), "bot/stable")
    names.known["agent.test"] = "10.0.0.10"
    found = await gateway.verify("bot")
    assert found.proof is Proof.PENDING, "a moved container would stand in the journal as a restart of the gateway"
    assert found.detail == "agent.test:80 is at 10.0.0.10:80 now"
    await apply(gateway, wanted(stable=NAMED))
    assert cluster_of(served(server), "bot/stable") != before
    assert (await gateway.verify("bot")).proof is Proof.APPLIED


class Silent(Names):
    """A resolver that never answers about names that it does not know."""

    def __init__(self, **known: str) -> None:
        super().__init__(**known)
        self.is_asked = asyncio.Event()

    async def __call__(self, host: str, port: int):
        if host not in self.known:
            self.asked += 1
            self.is_asked.set()
            await asyncio.Event().wait()
        return await super().__call__(host, port)


HALF = Version("1.1", ("agent.test:80", "dead.test:80"))


async def test_a_rollback_from_a_candidate_with_a_dead_name_asks_nobody(monkeypatch):
    monkeypatch.setattr(module, "LOOKUP_TIMEOUT_S", 0.02)
    server, names = FakeServer(FakeNode("one")), Silent(agent_test="10.0.0.9")
    gateway = edge(server, names)
    await gateway.start([wanted(candidate=None)])
    await apply(gateway, wanted(5_000, candidate=HALF))
    asked = names.asked
    receipt = await apply(gateway, wanted(0, candidate=HALF))
    assert receipt.outcome is Applied.CONFIRMED
    assert names.asked == asked, "a rollback waited for a resolver"
    assert "dead.test:80" in receipt.detail, "nobody is told which of its names has no address"


async def test_requests_go_back_before_a_name_that_came_with_it_is_looked_up():
    server, names = FakeServer(FakeNode("one")), Silent()
    gateway = edge(server, names)
    await gateway.start([wanted(5_000)])
    divided = routes(server)
    back = wanted(0, draining=(Version("0.9", ("new.test:80",)),))
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        rollback = tasks.create_task(gateway.apply(back, timeout_s=60))
        await names.is_asked.wait()
        assert routes(server) != divided, "requests waited for a resolver"
        rollback.cancel()


async def test_a_candidate_that_is_only_being_deployed_is_looked_up_and_offered():
    server = FakeServer(FakeNode("one"))
    gateway = edge(server, Names(agent_test="10.0.0.9"))
    await gateway.start([wanted(candidate=None)])
    await apply(gateway, wanted(0, candidate=Version("1.1", ("agent.test:80",))))
    assert b"10.0.0.9" in cluster_of(served(server), "bot/candidate"), (
        "its cluster would be new at the first step, and an Envoy drops what a new cluster counts first"
    )


async def test_the_way_back_takes_addresses_that_need_no_resolver_at_once():
    server, names = FakeServer(FakeNode("one")), Silent()
    gateway = edge(server, names)
    await gateway.start([wanted(5_000)])
    before = cluster_of(served(server), "bot/stable")
    moved = Version("1.0", ("127.0.0.1:4000", "lost.test:80"))
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        rollback = tasks.create_task(gateway.apply(wanted(0, stable=moved), timeout_s=60))
        await names.is_asked.wait()
        assert cluster_of(served(server), "bot/stable") != before, "an address waited for a name beside it"
        rollback.cancel()


async def test_a_step_waits_for_a_resolver_no_longer_than_half_of_its_time():
    server, names = FakeServer(FakeNode("one")), Silent(agent_test="10.0.0.9")
    gateway = edge(server, names)
    await gateway.start([wanted(candidate=None)])
    receipt = await gateway.apply(wanted(1_000, candidate=HALF), timeout_s=0.05)
    assert receipt.outcome is Applied.CONFIRMED
    assert receipt.detail == "dead.test:80 does not resolve: no answer within 0.025 s"
    assert b"10.0.0.9" in cluster_of(served(server), "bot/candidate")


async def test_a_start_goes_on_with_the_names_that_resolve_in_time(monkeypatch, caplog):
    monkeypatch.setattr(module, "LOOKUP_TIMEOUT_S", 0.05)
    server, names = FakeServer(FakeNode("one")), Silent(agent_test="10.0.0.9")
    gateway = edge(server, names)
    dead = tuple(f"dead{number}.test:80" for number in range(100))
    await gateway.start([wanted(agent="bot", stable=NAMED), wanted(agent="lost", stable=Version("1.0", dead))])
    assert b"10.0.0.9" in cluster_of(served(server), "bot/stable"), "dead names kept an agent from being served"
    assert "dead99.test:80 does not resolve: no answer within 0.05 s" in caplog.text


async def test_a_name_that_two_agents_share_is_mended_for_both():
    server, names = FakeServer(FakeNode("one")), Names(agent_test="10.0.0.9")
    gateway = edge(server, names)
    agents = [wanted(agent=name, candidate=None, stable=NAMED) for name in ("bot", "other")]
    await gateway.start(agents)
    for each in agents:
        await apply(gateway, each)
    names.known["agent.test"] = "10.0.0.10"
    found = [(await gateway.verify(each.agent)).proof for each in agents]
    assert found == [Proof.PENDING, Proof.PENDING], "the second agent goes on being sent to an address that is gone"


async def test_a_candidate_that_had_no_address_at_the_way_back_is_noticed_when_it_has():
    server, names = FakeServer(FakeNode("one")), Names()
    gateway = edge(server, names)
    late = wanted(0, candidate=Version("1.1", ("agent.test:80",)))
    await gateway.start([late])
    assert (await apply(gateway, late)).outcome is Applied.CONFIRMED
    assert (await gateway.verify("bot")).proof is Proof.APPLIED
    names.known["agent.test"] = "10.0.0.9"
    assert (await gateway.verify("bot")).proof is Proof.PENDING
    await apply(gateway, late)
    assert b"10.0.0.9" in cluster_of(served(server), "bot/candidate")
