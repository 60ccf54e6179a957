from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.evolution.gates import Gate
from controller.journal.errors import JournalError
from controller.rollout.state import Phase
from tests.unit.controller.api.world import AGENT, CANDIDATE, PLAN, world

NEXT = {"version": "1.4.0", "endpoints": ["10.0.0.31:3000"]}


async def test_a_proposal_gets_an_id_and_a_place(tmp_path):
    async with world(tmp_path) as at:
        body = {"agent": AGENT, **CANDIDATE, "verification_score": 0.97, "summary": "fewer refusals"}
        response = await at.request("POST", "/v1/proposals", body, X_Turnout_Actor="pipeline")
        assert response.status == 201
        told = await response.json()
        assert response.headers["Location"] == f"/v1/proposals/{told['id']}"
        assert told["summary"] == "fewer refusals", "a reviewer must be told what changed"
        assert told["submitted_by"] == "pipeline"
        assert told["digest"].startswith("sha256:")
        status, shown = await at.ask("GET", response.headers["Location"])
        assert (status, shown["id"], shown["verification_score"]) == (200, told["id"], 0.97)


async def test_consent_is_bound_to_the_digest(tmp_path):
    async with world(tmp_path) as at:
        told = await at.propose()
        await at.until(Phase.AWAITING_CONSENT)
        path = f"/v1/proposals/{told['id']}/approve"
        status, problem = await at.ask("POST", path, {"digest": "sha256:another"})
        assert (status, problem["code"]) == (409, "conflict"), "a person consented to something else than they read"
        assert at.driver.state.phase is Phase.AWAITING_CONSENT
        status, _ = await at.ask("POST", path, {})
        assert status == 422, "a consent without a digest is bound to nothing"
        status, told = await at.ask("POST", path, {"digest": told["digest"]}, X_Turnout_Actor="ann")
        assert status == 200
        assert told["phase"] in ("deploying", "health-check")
        status, problem = await at.ask("POST", "/v1/proposals/pffff/approve", {"digest": "x"})
        assert status == 404


async def test_a_rejected_proposal_is_over(tmp_path):
    async with world(tmp_path) as at:
        told = await at.propose()
        await at.until(Phase.AWAITING_CONSENT)
        path = f"/v1/proposals/{told['id']}"
        status, _ = await at.ask("POST", f"{path}/reject", {"digest": "sha256:another"})
        assert status == 409
        status, told = await at.ask("POST", f"{path}/reject", {"reason": "no"})
        assert (status, told["phase"]) == (200, "rejected")
        assert "no" in told["reason"], "the pipeline must be told why"
        status, problem = await at.ask("POST", f"{path}/approve", {"digest": told["digest"]})
        assert status == 409
        assert "rejected" in problem["detail"]


async def test_a_reviewer_who_says_no_to_a_served_candidate_takes_it_back(tmp_path):
    async with world(tmp_path) as at:
        told = await at.at_first_step()
        status, told = await at.ask("POST", f"/v1/proposals/{told['id']}/reject", {"reason": "second thoughts"})
        assert status == 200
        assert at.driver.state.split.candidate_bp == 0, "a no left the candidate its traffic"


async def test_a_newer_proposal_takes_the_place_of_one_that_was_never_served(tmp_path):
    async with world(tmp_path) as at:
        old = await at.propose()
        await at.until(Phase.AWAITING_CONSENT)
        new = await at.propose(**NEXT)
        _, told = await at.ask("GET", f"/v1/proposals?agent={AGENT}")
        assert {each["id"]: each["phase"] for each in told["proposals"]}[old["id"]] == "superseded"
        assert new["id"] in {each["id"] for each in told["proposals"]}


async def test_a_proposal_that_does_not_fit_supersedes_nothing(tmp_path):
    async with world(tmp_path) as at:
        old = await at.propose()
        await at.until(Phase.AWAITING_CONSENT)
        body = {"agent": AGENT, "version": "1.2.3", "endpoints": ["10.0.0.11:3000"]}
        status, problem = await at.ask("POST", "/v1/proposals", body)
        assert status == 409
        assert "stable version already" in problem["detail"]
        assert at.driver.state.rollout.id == old["id"], "a refused proposal threw out the one that waited"
        assert at.driver.state.phase is Phase.AWAITING_CONSENT


async def test_a_proposal_waits_for_nobody_who_is_served(tmp_path):
    async with world(tmp_path) as at:
        await at.at_first_step()
        status, problem = await at.ask("POST", "/v1/proposals", {"agent": AGENT, **NEXT})
        assert (status, problem["code"]) == (409, "refused")
        assert problem["remedy"]


async def test_a_gate_refuses_and_says_why(tmp_path):
    async with world(tmp_path, gate=Gate(score_min=0.9)) as at:
        told = await at.propose(verification_score=0.5)
        await at.until(Phase.REJECTED)
        _, told = await at.ask("GET", f"/v1/proposals/{told['id']}")
        assert told["phase"] == "rejected"
        assert "0.5" in told["reason"]


async def test_a_key_that_comes_twice_makes_one_proposal(tmp_path):
    async with world(tmp_path, plan=replace(PLAN, consent=True)) as at:
        body = {"agent": AGENT, **CANDIDATE, "summary": "once"}
        answers = await asyncio.gather(
            *(at.ask("POST", "/v1/proposals", body, Idempotency_Key="build-17") for _ in range(3))
        )
        assert {status for status, _ in answers} == {201}
        assert len({told["id"] for _, told in answers}) == 1, "a retried request superseded its own proposal"
        status, problem = await at.ask("POST", "/v1/proposals", {**body, "version": "9"}, Idempotency_Key="build-17")
        assert (status, problem["code"]) == (422, "idempotency-key-reused")
        status, problem = await at.ask("POST", "/v1/proposals", body, Idempotency_Key="x" * 300)
        assert status == 400


async def test_a_key_is_remembered_over_a_restart(tmp_path):
    body = {"agent": AGENT, **CANDIDATE}
    async with world(tmp_path) as at:
        _, before = await at.ask("POST", "/v1/proposals", body, Idempotency_Key="build-17")
        await at.until(Phase.AWAITING_CONSENT)
    async with world(tmp_path) as at:
        status, after = await at.ask("POST", "/v1/proposals", body, Idempotency_Key="build-17")
        assert (status, after["id"]) == (201, before["id"]), "a retry after a restart became a second proposal"


async def test_a_no_is_carried_out_and_answered_though_the_journal_cannot_be_read(tmp_path, monkeypatch):
    async with world(tmp_path) as at:
        told = await at.at_first_step()

        async def fails(*_: object, **__: object) -> None:
            raise JournalError("the disk is gone")

        monkeypatch.setattr(at.journal, "read", fails)
        monkeypatch.setattr(at.journal, "last", fails)
        status, told = await at.ask("POST", f"/v1/proposals/{told['id']}/reject", {})
        # A gateway may have confirmed the way back already.
        heard = (status, told["phase"]) in {(200, "rolling-back"), (200, "rolled-back")}
        assert heard, f"a reviewer believes that their no was not heard: {status} {told}"
        status, problem = await at.ask("GET", "/v1/proposals/p0")
        assert (status, problem["code"]) == (503, "journal-unavailable")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("agent", "No Such Name"),
        ("version", ""),
        ("endpoints", []),
        ("endpoints", ["nowhere"]),
        ("endpoints", ["http://10.0.0.1:80"]),
        ("endpoints", ["10.0.0.256:80"]),
        ("drain_url", "ftp://x"),
        ("drain_url", "http://user:secret@x/"),
        ("verification_score", 1.5),
        ("verification_score", "0.9"),
        ("summary", "x" * 1001),
        ("digest", "a b"),
        ("colour", "red"),
    ],
)
async def test_a_field_that_cannot_be_meant_is_named(tmp_path, field, value):
    async with world(tmp_path) as at:
        status, problem = await at.ask("POST", "/v1/proposals", {"agent": AGENT, **CANDIDATE, field: value})
        assert status == 422
        assert problem["faults"][0]["field"].startswith(field), "whoever mistyped a field wants to know which"
        assert "secret" not in str(problem), "a credential was repeated"
        assert at.driver.state.rollout is None
