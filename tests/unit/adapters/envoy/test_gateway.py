import asyncio
import logging

import pytest

from adapters.envoy.gateway import CAPABILITIES, EnvoyGateway, EnvoyOptions
from adapters.port import Applied, GatewayError, Proof, Stickiness, Version
from tests.unit.adapters.envoy.nodes import (
    BAD,
    FakeNode,
    FakeServer,
    cluster_of,
    minds_version,
    wanted,
)
from xds.load_reports import ClusterLoad, LoadReport, VersionLoad
from xds.resources import ResourceType

NAMED = Version("1.0", ("agent.test:80",))


class Names:
    """A resolver that knows what it is told."""

    def __init__(self, **known: str) -> None:
        self.known = {name.replace("_", "."): address for name, address in known.items()}
        self.asked = 0

    async def __call__(self, host: str, port: int):
        self.asked += 1
        if host not in self.known:
            raise OSError("no such name")
        return ((self.known[host], port),)


def edge(server: FakeServer, resolve=None) -> EnvoyGateway:
    return EnvoyGateway(
        "edge", EnvoyOptions("127.0.0.1:10000"), server, resolve=resolve or Names(), now_s=lambda: 100.0
    )


def served(server: FakeServer):
    return server.cache.snapshot("edge")


def routes(server: FakeServer) -> bytes:
    return served(server).sets[ResourceType.ROUTES].resources["edge"].body


async def apply(gateway, assignment):
    return await gateway.apply(assignment, timeout_s=1)


async def test_every_agent_is_offered_before_the_first_node_is_told_anything():
    server = FakeServer(FakeNode("one"))
    gateway = edge(server)
    impossible = wanted(agent="lost", stickiness=Stickiness(cookie="no cookie"))
    await gateway.start([wanted(agent="bot"), impossible])
    assert served(server) is None, "an Envoy would drop the agent that it is not told of"
    receipt = await apply(gateway, wanted(agent="bot"))
    assert receipt.outcome is Applied.UNREACHABLE
    assert "lost" in receipt.detail
    assert "lost" in (await gateway.status()).detail


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
    assert (await gateway.verify("late")).proof is Proof.RESET, "the name is never looked up again"
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


async def test_who_has_not_acked_is_told_at_once():
    cold = FakeNode("cold", frozen=True)
    server = FakeServer(FakeNode("one"), cold)
    gateway = edge(server)
    await gateway.start([wanted(1_000)])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(apply(gateway, wanted(2_000)))
        await asyncio.sleep(0)
        assert "cold" in (await gateway.status()).detail, "an operator waits for the time-out to learn who is frozen"
    cold.frozen = False
    await apply(gateway, wanted(2_000))
    assert (await gateway.status()).detail == ""


async def test_once_served_an_agent_without_addresses_holds_up_nobody():
    server = FakeServer(FakeNode("one"))
    gateway = edge(server)
    await gateway.start([wanted(5_000)])
    receipt = await apply(gateway, wanted(agent="lost", stable=NAMED))
    assert (receipt.outcome, "agent.test:80" in receipt.detail) == (Applied.UNREACHABLE, True)
    assert (await apply(gateway, wanted(0))).outcome is Applied.CONFIRMED, "a rollback waited for another agent's name"


async def test_a_candidate_without_addresses_gets_nothing_and_stable_is_served():
    server = FakeServer(FakeNode("one"))
    gateway = edge(server)
    lost = Version("1.1", ("agent.test:80",))
    await gateway.start([wanted(1_000, candidate=lost)])
    assert cluster_of(served(server), "bot/stable")
    receipt = await apply(gateway, wanted(1_000, candidate=lost))
    assert receipt.outcome is Applied.UNREACHABLE
    assert cluster_of(served(server), "bot/candidate") is None
    assert (await apply(gateway, wanted(0, candidate=lost))).outcome is Applied.CONFIRMED


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
    assert (await gateway.verify("bot")).proof is Proof.RESET
    await apply(gateway, wanted(stable=NAMED))
    assert cluster_of(served(server), "bot/stable") != before
    assert (await gateway.verify("bot")).proof is Proof.APPLIED


async def test_receipts_say_who_is_missing():
    server = FakeServer()
    gateway = edge(server)
    await gateway.start([wanted()])
    receipt = await apply(gateway, wanted())
    assert (receipt.outcome, receipt.detail) == (
        Applied.UNREACHABLE,
        "no Envoy with node.cluster 'edge' is connected",
    )
    server.present = [FakeNode("one"), FakeNode("cold", frozen=True)]
    receipt = await apply(gateway, wanted(2_000))
    assert (receipt.outcome, receipt.detail) == (Applied.UNCONFIRMED, "not ACKed by cold")
    assert (await gateway.verify("bot")).proof is Proof.PENDING
    server.present[1].frozen = False
    assert (await apply(gateway, wanted(2_000))).outcome is Applied.CONFIRMED


async def test_a_refused_step_is_taken_back_and_verify_says_so():
    server = FakeServer(FakeNode("one", minds_version("bad")))
    gateway = edge(server)
    await gateway.start([wanted(1_000)])
    await apply(gateway, wanted(1_000))
    good = served(server)
    receipt = await apply(gateway, wanted(3_000, candidate=BAD))
    assert receipt.outcome is Applied.REFUSED
    assert receipt.detail == "one: bot/candidate is not to my taste"
    assert cluster_of(served(server), "bot/candidate") is None, "another version's share may not go on unasked"
    assert (await gateway.verify("bot")).proof is Proof.REFUSED
    assert (await apply(gateway, wanted(1_000))).outcome is Applied.CONFIRMED
    assert served(server).sets[ResourceType.ENDPOINTS].version == good.sets[ResourceType.ENDPOINTS].version


async def test_a_way_back_is_confirmed_without_the_candidate_that_is_refused():
    server = FakeServer(FakeNode("one", minds_version("bad")))
    gateway = edge(server)
    await gateway.start([wanted(candidate=None)])
    receipt = await apply(gateway, wanted(0, candidate=BAD))
    assert receipt.outcome is Applied.CONFIRMED
    assert receipt.detail.startswith("without the candidate, which was refused: one: ")
    assert (await gateway.verify("bot")).proof is Proof.APPLIED


async def test_what_was_refused_is_not_offered_again_to_the_same_nodes():
    node = FakeNode("one", minds_version("bad"))
    server = FakeServer(node)
    gateway = edge(server)
    await gateway.start([wanted(candidate=None)])
    await apply(gateway, wanted(candidate=None))
    first = await apply(gateway, wanted(1_000, candidate=BAD))
    generation = server.cache.group("edge").generation
    again = await apply(gateway, wanted(1_000, candidate=BAD))
    assert (again.outcome, again.detail) == (first.outcome, first.detail)
    assert server.cache.group("edge").generation == generation, "what was refused was sent again"
    node.minds, node.since_s = (lambda snapshot: []), 7.0
    assert (await apply(gateway, wanted(1_000, candidate=BAD))).outcome is Applied.CONFIRMED, (
        "a new Envoy was not asked"
    )


async def test_values_that_cannot_be_resources_are_refused_without_being_sent(caplog):
    server = FakeServer(FakeNode("one"))
    gateway = edge(server)
    await gateway.start([wanted()])
    receipt = await apply(gateway, wanted(1_000, stickiness=Stickiness(cookie="no cookie")))
    assert receipt.outcome is Applied.REFUSED
    assert "no cookie" in receipt.detail
    with caplog.at_level(logging.ERROR):
        await edge(FakeServer()).start([wanted(1_000, stickiness=Stickiness(cookie="no cookie"))])
    assert "no cookie" in caplog.text, "a controller that does not start should say why"


async def test_endpoints_that_go_stale_are_refreshed_and_confirmations_do_not_mind():
    node = FakeNode("one")
    server = FakeServer(node)
    gateway = edge(server)
    await gateway.start([wanted(1_000, dead_man_s=0.03)])
    assert (await apply(gateway, wanted(1_000, dead_man_s=0.03))).outcome is Applied.CONFIRMED
    generations = []
    changed = asyncio.Event()
    group = server.cache.group("edge")
    group.watchers.add(lambda: (generations.append(group.generation), changed.set()))
    async with asyncio.timeout(5):
        while len(generations) < 3:
            changed.clear()
            await changed.wait()
    assert (await gateway.verify("bot")).proof is Proof.APPLIED, "a refresh undid a confirmation"
    await gateway.close()
    assert gateway._refresher is None, "a closed gateway goes on publishing"


async def test_other_publications_do_not_put_a_refresh_off():
    server = FakeServer(FakeNode("one"))
    gateway = edge(server)
    await gateway.start([wanted(1_000, dead_man_s=60)])
    due_s = gateway._refresher.when()
    for candidate_bp in (1, 2, 3):
        await apply(gateway, wanted(candidate_bp, dead_man_s=60))
    assert gateway._refresher.when() == due_s, "a busy controller would let a candidate go stale"
    await gateway.close()


def report(node: str, version: str, *, ok=0, failed=0, open_=0, cluster="bot/stable") -> LoadReport:
    load = VersionLoad(version, ok, failed, ok + failed, open_)
    return LoadReport(node, "edge", (ClusterLoad(cluster, 1.0, 0, (load,)),))


async def test_observations_are_summed_over_nodes_and_need_each_of_them():
    server = FakeServer()
    gateway = edge(server)
    await gateway.start([wanted()])
    with pytest.raises(GatewayError, match="no Envoy is connected"):
        await gateway.observe("bot")
    server.present = [FakeNode("one"), FakeNode("two")]
    gateway.take_report(report("one", "1.0", ok=5, open_=2))
    with pytest.raises(GatewayError, match="no load report has come yet from two"):
        await gateway.observe("bot")
    gateway.take_report(report("two", "1.1", ok=1, failed=2, open_=3, cluster="bot/candidate"))
    seen = await gateway.observe("bot")
    assert {name: (tally.requests, tally.errors) for name, tally in seen.tallies.items()} == {
        "1.0": (5, 0),
        "1.1": (3, 2),
    }
    assert seen.in_flight == {"1.0": 2, "1.1": 3}
    assert seen.age_s == 0


async def test_a_removed_agent_leaves_nothing_behind():
    server = FakeServer(FakeNode("one"))
    gateway = edge(server)
    await gateway.start([wanted(agent="bot"), wanted(agent="other")])
    await gateway.remove("bot")
    assert b"/bot" not in routes(server)
    assert b"/other" in routes(server)
    assert (await gateway.verify("bot")).proof is Proof.PENDING
    assert (await gateway.status()).nodes == ("one",)


async def test_a_gateway_says_what_it_can_and_who_is_there():
    gateway = edge(FakeServer())
    status = await gateway.status()
    assert (status.reachable, status.kind) == (False, "envoy")
    assert "node.cluster 'edge'" in status.detail
    assert gateway.capabilities.observe_every_s == 0.5
    assert CAPABILITIES.proves_effect
    assert (await gateway.verify("nobody")).proof is Proof.PENDING


async def test_a_closed_gateway_does_not_overwrite_the_one_that_took_its_place():
    server = FakeServer(FakeNode("one"))
    old, new = edge(server), edge(server)
    await old.start([wanted(1_000)])
    await old.close()
    await new.start([wanted(2_000)])
    now = served(server)
    await apply(old, wanted(3_000))
    assert served(server) is now, "an attempt that was still under way undid the new gateway's configuration"
