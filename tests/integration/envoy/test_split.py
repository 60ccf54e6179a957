"""Splits as clients get them: the share that was asked for, and never a failed request on the way."""

import pytest
from scipy.stats import binom

from tests.integration.envoy.stage import acting, agent, echoing, flood, gateway, loading, staged, version

NEVER = 1e-6
"""How often a test may fail by chance."""


async def test_the_candidate_gets_its_share_at_every_scale(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    async with (
        echoing("1.0") as stable,
        echoing("1.1") as candidate,
        staged(tmp_path, gateway(listen), agent(version("1.0", stable), version("1.1", candidate))) as stage,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        for percent, requests in [(50, 3_000), (10, 3_000), (1, 6_000), (0.1, 15_000), (0.01, 30_000), (0, 3_000)]:
            await stage.split(percent)
            found = (await flood(listen, requests))["1.1"]
            least, most = binom.ppf([NEVER / 2, 1 - NEVER / 2], requests, percent / 100)
            assert least <= found <= most, f"at {percent} % the candidate had {found} of {requests} requests"


async def test_a_hundred_changes_cost_no_request_and_each_holds_from_its_receipt(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    async with (
        acting("1.0") as stable,
        acting("1.1") as candidate,
        staged(tmp_path, gateway(listen), agent(stable.spec(), candidate.spec())) as stage,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        async with loading(listen, stage.app.pulse) as load:
            for turn in range(100):
                percent = (100, 37, 0, 5)[turn % 4]
                since_s = await stage.split(percent)
                await load.more(5)
                seen = {answer.version for answer in tuple(load.answers) if answer.sent_s >= since_s}
                if percent in (0, 100):
                    old = "1.1" if percent == 0 else "1.0"
                    assert old not in seen, "a request that was sent after the confirmation went to the old version"
        assert load.failed == [], f"{len(load.failed)} of {len(load.answers)} requests failed"


@pytest.mark.parametrize("delta", [False, True])
async def test_a_promotion_swaps_stable_under_load(tmp_path, start_envoy, free_port, delta):
    listen = f"127.0.0.1:{free_port()}"
    strategy = {"steps": [{"weight": 20, "hold": "100ms"}], "bake": "100ms", "keep": "100ms"}
    async with (
        acting("1.0") as old,
        acting("1.1") as new,
        staged(tmp_path, gateway(listen), agent(old.spec(), strategy=strategy)) as stage,
    ):
        await start_envoy(stage.port, node_id="one", delta=delta)
        await stage.settled()
        async with loading(listen, stage.app.pulse) as load:
            await load.more(50)
            await stage.propose(new.version())
            await stage.until(lambda: stage.state().stable.name == "1.1", "the candidate is stable")
            await stage.settled()
            # The way is at its end once the old version is neither kept nor drained.
            await stage.until(lambda: stage.state().previous is None and not stage.state().drains, "1.0 has gone")
            await stage.settled()
            asked = len(old.seen)
            await load.more(50)
            assert len(old.seen) == asked, "the old version was asked after it had been replaced"
        assert load.failed == [], f"{len(load.failed)} of {len(load.answers)} requests failed"
        assert set(load.by_version()) == {"1.0", "1.1"}
