"""Candidates that clients are shielded from: mirrored, retried, or switched to at once."""

import time

from controller.rollout.state import Phase
from tests.integration.envoy.stage import acting, agent, gateway, loading, staged

ERRORS = {"name": "errors", "indicator": "error", "max": "20%", "margin": "10%"}


async def test_a_mirrored_candidate_is_judged_by_copies_that_no_client_sees(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    strategy = {"type": "mirror", "steps": [{"weight": 100, "hold": "1m"}]}
    async with (
        acting("1.0") as stable,
        acting("1.1", status=500) as candidate,
        staged(tmp_path, gateway(listen), agent(stable.spec(), strategy=strategy, objectives=[ERRORS])) as stage,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        async with loading(listen, stage.app.pulse, clients=2) as load:
            await stage.propose(candidate.version())
            await stage.phase(Phase.ROLLED_BACK)
            copies = len(candidate.seen)
            await load.more(50)
        assert copies > 0, "the candidate got no copy"
        assert len(candidate.seen) == copies, "copies were sent after the rollback"
        assert set(load.by_version()) == {"1.0"}, "a client got an answer of a mirrored candidate"
        assert load.failed == [], "a client saw a failure of a mirrored candidate"
        assert "errors" in stage.state().rollout.reason


async def test_blue_green_switches_everything_at_once(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    strategy = {"type": "blue-green", "bake": "300ms", "keep": "1m"}
    async with (
        acting("1.0") as blue,
        acting("1.1") as green,
        staged(tmp_path, gateway(listen), agent(blue.spec(), strategy=strategy)) as stage,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        async with loading(listen, stage.app.pulse) as load:
            await stage.propose(green.version())
            await stage.phase(Phase.PROMOTED)
            await stage.settled()
            confirmed_s = time.monotonic()
            await load.more(50)
            assert set(load.by_version(confirmed_s)) == {"1.1"}, "blue was asked after the switch"
        assert load.failed == []
        switched = [answer.version for answer in sorted(load.answers, key=lambda answer: answer.sent_s)]
        assert switched.index("1.1") > 0
        late = switched[switched.index("1.1") + 4 :]
        assert set(late) == {"1.1"}, "versions alternated, beyond the four requests that were under way"


async def test_a_retry_hides_a_broken_candidate_whose_errors_count(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    strategy = {"type": "ab", "steps": [{"weight": 5, "hold": "1m"}], "retries": 5}
    async with (
        acting("1.0") as stable,
        acting("1.1", status=503) as candidate,
        staged(tmp_path, gateway(listen), agent(stable.spec(), strategy=strategy, objectives=[ERRORS])) as stage,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        async with loading(listen, stage.app.pulse, clients=2) as load:
            await stage.propose(candidate.version())
            await stage.phase(Phase.ROLLED_BACK)
        assert len(candidate.seen) > 0
        assert load.failed == [], "clients saw a candidate that a retry should have hidden"
        assert set(load.by_version()) == {"1.0"}
