from __future__ import annotations

import logging

import pytest

from controller.api.errors import ChangedError, Fault, InputError, Missed
from controller.api.problems import HEADERS, problem
from controller.errors import UnavailableError
from tests.unit.controller.api.world import AGENT, CANDIDATE, world

PATH = f"/v1/agents/{AGENT}"


async def test_every_answer_has_the_security_headers(tmp_path):
    async with world(tmp_path) as at:
        for path in ("/v1/agents", "/nowhere", "/healthz", "/metrics"):
            response = await at.request("GET", path)
            assert {name: response.headers[name] for name in HEADERS} == dict(HEADERS), path
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]


async def test_a_path_that_is_not_there(tmp_path):
    async with world(tmp_path) as at:
        response = await at.request("GET", "/v1/nothing")
        assert (response.status, response.content_type) == (404, "application/problem+json")
        told = await response.json()
        assert told["instance"] == "/v1/nothing"
        assert "/openapi.json" in told["remedy"]


async def test_a_method_that_is_not_taken(tmp_path):
    async with world(tmp_path) as at:
        response = await at.request("PATCH", f"{PATH}/split", {})
        assert response.status == 405
        assert response.headers["Allow"] == "PUT"
        assert (await response.json())["code"] == "method-not-allowed"


async def test_a_body_that_is_too_large(tmp_path):
    async with world(tmp_path) as at:
        status, told = await at.ask("POST", f"{PATH}/pause", {"reason": "x" * 70_000})
        assert (status, told["code"]) == (413, "too-large")


async def test_a_body_that_is_no_json(tmp_path):
    async with world(tmp_path) as at:
        for body, media, status, code in (
            ("reason=x", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
            ("{}", "text/plain", 415, "unsupported-media-type"),
            ("{", "application/json", 400, "bad-request"),
            ('{"reason": NaN}', "application/json", 422, "invalid-input"),
            ("[" * 10_000, "application/json", 400, "bad-request"),
            ("\xff", "application/json", 400, "bad-request"),
            ("[]", "application/json", 422, "invalid-input"),
        ):
            response = await at.client.post(
                f"{PATH}/pause", data=body.encode("latin-1"), headers={"Content-Type": media}
            )
            told = await response.json()
            assert (response.status, told["code"]) == (status, code), body[:20]


async def test_every_field_at_fault_is_named(tmp_path):
    async with world(tmp_path) as at:
        body = {**CANDIDATE, "endpoints": ["10.0.0.1:80", "nowhere"], "http2": "yes", "colour": "red"}
        del body["version"]
        status, told = await at.ask("PUT", f"{PATH}/candidate", body)
        assert status == 422
        assert {fault["field"]: fault["message"] for fault in told["faults"]} == {
            "version": "is missing",
            "endpoints[1]": "'nowhere' is not an endpoint. Write host:port, such as 10.0.0.11:3000, "
            "agent.internal:3000 or [::1]:3000.",
            "http2": "input should be a valid boolean",
            "colour": "is not known here",
        }


async def test_what_nobody_expected_is_told_by_an_id_and_logged(tmp_path, monkeypatch, caplog):
    async with world(tmp_path) as at:
        monkeypatch.setattr(at.journal, "read", None)
        with caplog.at_level(logging.ERROR):
            status, told = await at.ask("GET", "/v1/journal")
        assert (status, told["code"]) == (500, "internal")
        assert "Traceback" not in str(told), "a stranger was shown our insides"
        assert "NoneType" not in str(told)
        number = told["detail"].rpartition("id ")[2].rstrip(".")
        (record,) = [record for record in caplog.records if number in record.getMessage()]
        assert record.exc_info, "the log has the id and not the trace"


@pytest.mark.parametrize(
    ("error", "more"),
    [
        (InputError([Fault("a", "is missing")]), {"faults": [{"field": "a", "message": "is missing"}]}),
        (ChangedError("late", Missed(7), remedy="look"), {"change": 7, "missed": [], "missed_all": True}),
        (UnavailableError("full", remedy="later"), {"retryable": True, "remedy": "later", "status": 503}),
    ],
)
def test_an_error_keeps_what_it_knows(error, more):
    told = problem(error, "/x").model_dump(exclude_none=True)
    assert told["type"] == f"urn:turnout:problem:{error.code}"
    assert {key: told[key] for key in more} == more
