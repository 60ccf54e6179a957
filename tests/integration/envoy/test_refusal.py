"""What an Envoy refuses: told in its own words, without harm to anybody else, and mended by the next good push."""

import asyncio
import socket
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from envoy_data_plane.envoy.config.cluster import v3 as cluster

from adapters.envoy import gateway as module
from adapters.port import Applied, Proof
from controller.rollout import events
from controller.rollout.state import Phase
from tests.integration.envoy.stage import acting, agent, gateway, loading, staged
from xds.resources import Resource, ResourceType

BAD = "refused"
WORDS = "ConnectTimeout"
STEPS = {"steps": [{"weight": 10, "hold": "10m"}]}


@pytest.fixture
def spoiled(monkeypatch):
    """A candidate whose version is "refused" becomes a cluster that Envoy does not take."""
    real = module.translate

    def translate(assignment, addresses, *, for_grpc=False):
        made = real(assignment, addresses, for_grpc=for_grpc)
        if assignment.candidate is None or assignment.candidate.name != BAD:
            return made
        name = f"{assignment.agent}/candidate"
        message = cluster.Cluster(name=name, type=cluster.ClusterDiscoveryType.EDS, connect_timeout=timedelta(0))
        bad = Resource.of(ResourceType.CLUSTER, name, bytes(message), [(ResourceType.ENDPOINTS, name)])
        kept = [bad if (r.type, r.name) == (bad.type, name) else r for r in made.clusters]
        return replace(made, clusters=tuple(kept))

    monkeypatch.setattr(module, "translate", translate)


def two_agents(stable, other, candidate):
    return (
        agent(stable.spec(), name="bot", strategy=STEPS, route={"pathPrefix": "/bot"}),
        agent(other.spec(), candidate.spec(), name="other", strategy=STEPS, route={"pathPrefix": "/other"}),
    )


@pytest.mark.parametrize("delta", [False, True])
async def test_a_refused_candidate_ends_its_own_rollout_and_holds_up_nobody_else(
    tmp_path, start_envoy, free_port, spoiled, delta
):
    listen = f"127.0.0.1:{free_port()}"
    async with (
        acting("1.0") as stable,
        acting("2.0") as other,
        acting("2.1") as candidate,
        acting(BAD) as bad,
        staged(tmp_path, gateway(listen), *two_agents(stable, other, candidate)) as stage,
    ):
        await start_envoy(stage.port, node_id="one", delta=delta)
        await stage.settled("bot")
        await stage.settled("other")
        async with (
            loading(listen, stage.app.pulse, 2, "/bot") as ours,
            loading(listen, stage.app.pulse, 2, "/other") as theirs,
        ):
            await ours.more(20)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(stage.propose(bad.version(), "bot"))
                for percent in (100, 30, 0, 100):
                    await stage.split(percent, "other")
            await stage.phase(Phase.ROLLED_BACK, "bot")
            await stage.settled("bot")
            confirmed_s = time.monotonic()
            await theirs.more(30)
            assert set(theirs.by_version(confirmed_s)) == {"2.1"}, "another agent's split did not hold"
        assert ours.failed == theirs.failed == [], "what was refused broke what was served"
        assert bad.seen == [], "a refused candidate got a request"
        refusals = [receipt for receipt in stage.receipts("bot") if receipt.outcome is Applied.REFUSED]
        assert any(WORDS in receipt.detail for receipt in refusals), "Envoy's own words are missing"
        assert WORDS in stage.state("bot").rollout.reason
        others = {receipt.outcome for receipt in stage.receipts("other")}
        assert Applied.REFUSED not in others, "an agent was blamed for another's candidate"
        way_back = stage.receipts("bot")[-1]
        assert way_back.outcome is Applied.CONFIRMED


async def test_what_was_refused_is_not_sent_again_and_the_next_good_candidate_is_taken(
    tmp_path, start_envoy, free_port, spoiled, caplog
):
    listen = f"127.0.0.1:{free_port()}"
    async with (
        acting("1.0") as stable,
        acting("1.1") as good,
        acting(BAD) as bad,
        staged(tmp_path, gateway(listen), agent(stable.spec(), strategy=STEPS)) as stage,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        await stage.ask(events.CandidateDeclared, candidate=bad.version())
        await stage.settled()
        receipt = stage.receipts()[-1]
        assert receipt.outcome is Applied.CONFIRMED, "the way back must not need the candidate"
        assert WORDS in receipt.detail
        refused = refusals(caplog)
        assert refused > 0
        edge = stage.app.fleet.adapters["edge"]
        assert (await edge.verify("bot")).proof is Proof.APPLIED, "what was confirmed does not stand"
        wanted = stage.app.fleet.driver("bot").profile.assignment(stage.state())
        assert (await edge.apply(wanted, timeout_s=5)).outcome is Applied.CONFIRMED
        await stage.reported("one", 10)
        assert refusals(caplog) == refused, "what was refused was sent again"
        async with loading(listen, stage.app.pulse) as load:
            await stage.ask(events.CandidateDeclared, candidate=good.version())
            await stage.settled()
            await stage.split(100)
            confirmed_s = time.monotonic()
            await load.more(30)
            assert set(load.by_version(confirmed_s)) == {"1.1"}, "the next good candidate is not taken"
        assert load.failed == []
        assert bad.seen == []


def refusals(caplog) -> int:
    """How many responses were refused, as operators read it in the log."""
    return sum(record.getMessage().startswith("refused node=") for record in caplog.records)


async def test_a_listener_whose_port_is_taken_is_refused_in_envoys_words(tmp_path, start_envoy, free_port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        async with (
            acting("1.0") as stable,
            acting("1.1") as candidate,
            staged(tmp_path, gateway(listen), agent(stable.spec(), candidate.spec())) as stage,
        ):
            await start_envoy(stage.port, node_id="one")
            await stage.until(
                lambda: any(receipt.outcome is Applied.REFUSED for receipt in stage.receipts()), "it is refused"
            )
            receipt = next(receipt for receipt in stage.receipts() if receipt.outcome is Applied.REFUSED)
            assert "one: " in receipt.detail
            assert "in use" in receipt.detail.lower(), receipt.detail
            assert not stage.state().all_confirmed
