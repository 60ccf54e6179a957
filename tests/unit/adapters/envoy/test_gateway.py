import asyncio
import logging
from dataclasses import replace

from adapters.envoy.gateway import CAPABILITIES
from adapters.port import Applied, Proof, Stickiness
from tests.unit.adapters.envoy.nodes import (
    BAD,
    CANDIDATE,
    NOW_S,
    STABLE,
    FakeNode,
    FakeServer,
    apply,
    cluster_of,
    edge,
    minds_version,
    report,
    routes,
    served,
    wanted,
)
from xds.resources import ResourceType


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


async def test_receipts_say_who_is_missing():
    server = FakeServer()
    gateway = edge(server)
    await gateway.start([wanted()])
    receipt = await apply(gateway, wanted())
    nobody = "no Envoy with node.cluster 'edge' is connected"
    assert (receipt.outcome, receipt.code, receipt.detail) == (Applied.UNREACHABLE, "unreachable", nobody)
    server.present = [FakeNode("cold", frozen=True)]
    assert (await apply(gateway, wanted(1_000))).code == "unconfirmed"
    server.present = [FakeNode("one"), FakeNode("cold", frozen=True)]
    receipt = await apply(gateway, wanted(2_000))
    assert (receipt.outcome, receipt.code, receipt.detail) == (Applied.UNCONFIRMED, "partial", "not ACKed by cold")
    assert (await gateway.verify("bot")).proof is Proof.PENDING
    server.present[1].frozen = False
    receipt = await apply(gateway, wanted(2_000))
    assert (receipt.outcome, receipt.code) == (Applied.CONFIRMED, "")


async def test_programs_tell_a_candidate_that_is_refused_from_a_listener_that_is():
    server = FakeServer(FakeNode("one", minds_version("bad")))
    gateway = edge(server)
    await gateway.start([wanted(candidate=None)])
    await apply(gateway, wanted(candidate=None))
    receipt = await apply(gateway, wanted(1_000, candidate=BAD))
    assert (receipt.outcome, receipt.code) == (Applied.REFUSED, "invalid")
    server.present = [FakeNode("two", lambda snapshot: [("lds", "edge", "Address already in use")])]
    receipt = await apply(gateway, wanted(2_000))
    assert (receipt.outcome, receipt.code) == (Applied.REFUSED, "refused"), "an agent was blamed for a port"


async def test_an_agent_that_makes_the_route_table_too_large_is_refused_and_nobodys_rollback_is_lost(monkeypatch):
    server = FakeServer(FakeNode("one"))
    gateway = edge(server)
    await gateway.start([wanted(5_000), *(wanted(agent=f"other-{number}") for number in range(20))])
    await apply(gateway, wanted(5_000))
    monkeypatch.setattr("xds.snapshot.RESOURCE_BYTES_MAX", len(routes(server)) + 20)
    for large in (wanted(1_000, agent="large"), wanted(agent="large", candidate=None)):
        receipt = await apply(gateway, large)
        assert (receipt.outcome, receipt.code) == (Applied.REFUSED, "xds-inconsistent-snapshot")
        assert "rds 'edge' has" in receipt.detail
    assert (await apply(gateway, wanted(0))).outcome is Applied.CONFIRMED, "a rollback was lost for another's size"
    assert b"/large" not in routes(server)


async def test_a_start_with_more_than_a_table_holds_breaks_nothing_and_is_told(monkeypatch, caplog):
    monkeypatch.setattr("xds.snapshot.RESOURCE_BYTES_MAX", 1_000)
    server = FakeServer(FakeNode("one"))
    gateway = edge(server)
    await gateway.start([wanted(agent=f"bot-{number}") for number in range(20)])
    assert "nothing can be served: rds 'edge' has" in caplog.text, "the controller would not come up, and not say why"
    assert (await apply(gateway, wanted(agent="bot-1"))).outcome is Applied.REFUSED


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
    assert (receipt.outcome, receipt.code) == (Applied.REFUSED, "xds-bad-resource")
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
    assert gateway._refresher.due_s is None, "a closed gateway goes on publishing"


async def test_a_candidate_that_is_held_back_while_others_are_tried_is_refreshed_once_it_is_back():
    server = FakeServer(FakeNode("one"))
    gateway = edge(server)
    await gateway.start([wanted(1_000, dead_man_s=60)])
    offering, published = gateway._offering, []
    offer = offering.offered["bot"]
    offering._hold_back("bot")
    offering.publish()
    assert cluster_of(served(server), "bot/candidate") is None
    gateway._refresher._fire()  # due at the moment when there is nothing to refresh
    offering.put(offer)
    offering.publish()
    assert gateway._refresher.due_s is not None, "a candidate would go stale although its controller lives"
    server.cache.group("edge").watchers.add(lambda: published.append(served(server)))
    gateway._refresher._fire()
    assert published
    await gateway.close()


async def test_other_publications_do_not_put_a_refresh_off():
    server = FakeServer(FakeNode("one"))
    gateway = edge(server)
    await gateway.start([wanted(1_000, dead_man_s=60)])
    due_s = gateway._refresher.due_s
    for candidate_bp in (1, 2, 3):
        await apply(gateway, wanted(candidate_bp, dead_man_s=60))
    assert gateway._refresher.due_s == due_s, "a busy controller would let a candidate go stale"
    await gateway.close()


async def test_who_should_have_reported_is_told_to_operators():
    server = FakeServer(FakeNode("old", since_s=0.0), FakeNode("new"))
    gateway = edge(server)
    await gateway.start([wanted()])
    detail = (await gateway.status()).detail
    assert "no load report from old: is load_stats_config in the bootstrap?" in detail
    assert "new" not in detail.partition("no load report")[2], "each Envoy that joins would be called silent"
    server.present[0].since_s = NOW_S
    gateway.take_report(report("old"))
    assert "load report" not in (await gateway.status()).detail


async def test_a_candidate_that_is_refused_at_once_leaves_nothing_to_wait_for():
    server = FakeServer(FakeNode("one", minds_version("bad")))
    gateway = edge(server)
    await gateway.start([wanted(candidate=None)])
    gateway.take_report(report("one", "1.0", open_=1))
    await apply(gateway, wanted(0, candidate=BAD))
    generation = server.cache.group("edge").generation
    assert (await apply(gateway, wanted(1_000, candidate=BAD))).outcome is Applied.REFUSED
    assert server.cache.group("edge").generation == generation, "what was refused was sent again with a share"
    await apply(gateway, wanted(0, candidate=BAD))
    seen = (await gateway.observe("bot")).in_flight
    assert seen == {"1.0": 1, "bad": 0}, "a version that nobody ever took would be drained to its deadline"


async def test_what_was_exposed_is_not_called_idle_when_it_is_out_of_sight():
    server = FakeServer(FakeNode("one"))
    gateway = edge(server)
    await gateway.start([wanted(1_000, draining=(BAD,))])
    gateway.take_report(report("one"))
    server.present[0].minds = minds_version("1.1")
    assert (await apply(gateway, wanted(0, retries=1, draining=(BAD,)))).outcome is Applied.CONFIRMED
    seen = (await gateway.observe("bot")).in_flight
    assert seen == {"1.0": 0}, "what may be in flight since before our start was taken for nothing"


async def test_what_drains_in_another_protocol_is_not_called_done():
    server = FakeServer(FakeNode("one"))
    gateway = edge(server)
    await gateway.start([wanted(5_000)])
    gateway.take_report(report("one", "1.0", open_=7))
    assert (await gateway.observe("bot")).in_flight == {"1.0": 7, "1.1": 0}
    promoted = replace(CANDIDATE, http2=True)
    await apply(gateway, wanted(candidate=None, stable=promoted, draining=(STABLE,)))
    gateway.take_report(report("one", "1.1"))
    assert (await gateway.observe("bot")).in_flight == {"1.1": 0}, "a drain would end with 7 requests in flight"
    same = replace(CANDIDATE, http2=False)
    await apply(gateway, wanted(candidate=None, stable=same, draining=(STABLE,)))
    assert (await gateway.observe("bot")).in_flight == {"1.0": 0, "1.1": 0}


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


async def test_the_programs_that_are_connected_are_told():
    nodes = FakeNode("one"), FakeNode("two"), FakeNode("three")
    nodes[0].program = nodes[1].program = "Envoy 1.38.0"
    nodes[2].program = "Envoy 1.37.0"
    gateway = edge(FakeServer(*nodes))
    assert (await gateway.status()).detail == "Envoy 1.37.0, Envoy 1.38.0", "nobody sees which are still to be upgraded"


async def test_a_closed_gateway_does_not_overwrite_the_one_that_took_its_place():
    server = FakeServer(FakeNode("one"))
    old, new = edge(server), edge(server)
    await old.start([wanted(1_000)])
    await old.close()
    await new.start([wanted(2_000)])
    now = served(server)
    await apply(old, wanted(3_000))
    assert served(server) is now, "an attempt that was still under way undid the new gateway's configuration"
