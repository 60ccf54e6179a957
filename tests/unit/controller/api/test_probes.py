from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from controller.journal.records import draft
from tests.unit.controller.api.world import AGENT, CANDIDATE, world


async def test_a_controller_that_lives_says_so(tmp_path):
    async with world(tmp_path) as at:
        assert await at.ask("GET", "/healthz") == (200, {"status": "ok"})
        assert await at.ask("GET", "/readyz") == (200, {"status": "ok"})


async def test_a_controller_that_is_not_brought_up_is_not_ready(tmp_path):
    async with world(tmp_path) as at:
        at.ready[0] = False
        status, problem = await at.ask("GET", "/readyz")
        assert (status, problem["code"]) == (503, "not-ready"), "traffic was sent to a controller that still starts"
        assert (await at.ask("GET", "/healthz"))[0] == 200, "a controller that starts would be killed"


async def test_a_controller_whose_disk_fails_stays_ready(tmp_path):
    async with world(tmp_path) as at:
        at.journal._journal.defer(draft(AGENT, "test", {}, actor="test", at_s=0.0))
        answer = await at.ask("GET", "/readyz")
        assert answer == (200, {"status": "ok"}), "its Envoys would lose the controller that has to roll back"


async def test_prometheus_can_read_the_metrics(tmp_path):
    async with world(tmp_path) as at:
        await at.ask("PUT", f"/v1/agents/{AGENT}/candidate", CANDIDATE)
        await at.ask("PUT", f"/v1/agents/{AGENT}/split", {"candidate_percent": 10})
        await at.until_confirmed()
        response = await at.request("GET", "/metrics")
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = {family.name: family for family in text_string_to_metric_families(await response.text())}
        shares = {
            (sample.labels["gateway"], sample.labels["track"]): sample.value
            for sample in families["turnout_split_confirmed_ratio"].samples
        }
        assert shares == {("edge", "stable"): 0.9, ("edge", "candidate"): 0.1}
        assert families["turnout_gateway_up"].samples[0].value == 1.0
