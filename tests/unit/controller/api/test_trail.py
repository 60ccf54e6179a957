from __future__ import annotations

import pytest

from controller.journal.records import Record, verify
from tests.unit.controller.api.world import AGENT, CANDIDATE, world


async def test_the_trail_says_who_did_what(tmp_path):
    async with world(tmp_path) as at:
        await at.ask("PUT", f"/v1/agents/{AGENT}/candidate", {**CANDIDATE, "reason": "a try"}, X_Turnout_Actor="ann")
        _, told = await at.ask("GET", f"/v1/journal?agent={AGENT}&kind=transition")
        declared = [record for record in told["records"] if record["actor"] == "ann"]
        assert len(declared) == 1, "who declared the candidate is not in the audit trail"
        assert declared[0]["body"]["details"]["reason"] == "a try"
        assert "ann" in declared[0]["text"]


async def test_the_trail_is_read_page_by_page_and_proves_itself(tmp_path):
    async with world(tmp_path) as at:
        for percent in (0, 10, 20, 30):
            await at.ask("PUT", f"/v1/agents/{AGENT}/candidate", CANDIDATE)
            await at.ask("PUT", f"/v1/agents/{AGENT}/split", {"candidate_percent": percent})
        records, after = [], 0
        while after is not None:
            _, told = await at.ask("GET", f"/v1/journal?after={after}&limit=2")
            assert len(told["records"]) <= 2
            records += told["records"]
            after = told["next_after"]
        assert [record["seq"] for record in records] == list(range(1, len(records) + 1)), "a record was left out"
        held = await at.journal.read(limit=1000)
        assert [record["digest"] for record in records] == [record.digest for record in held][: len(records)]
        verify(
            Record(
                r["seq"], h.at_s, r["agent"], r["kind"], r["actor"], r["body"], r["version"], r["previous"], r["digest"]
            )
            for r, h in zip(records, held, strict=False)
        )


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "after=-1", "after=1_0", "agent=A B", "kind=?", "x=1"]
)
async def test_a_page_that_cannot_be_meant_is_refused(tmp_path, query):
    async with world(tmp_path) as at:
        status, problem = await at.ask("GET", f"/v1/journal?{query}")
        assert status == 422, query
        assert problem["faults"][0]["field"] == query.partition("=")[0]
