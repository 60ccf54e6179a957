"""Every route against every role, from the one route table; and browsers that ask on behalf of somebody else."""

from __future__ import annotations

import base64

import pytest

from controller.api.access import RIGHTS, Right, check_listen, is_loopback
from controller.api.errors import ExposedError
from controller.api.routes import OPERATIONS
from tests.unit.controller.api.world import AGENT, CANDIDATE, TOKENS, access, world

PATH = f"/v1/agents/{AGENT}"


def bearer(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[role]}"}


async def test_every_route_lets_in_whom_it_should(tmp_path):
    """A body of a wrong kind is sent, so that whoever is let in gets no further, and no stream begins."""
    async with world(tmp_path, tokens=access()) as at:
        for operation in OPERATIONS:
            path = operation.path.replace("{name}", AGENT).replace("{id}", "p0")
            for role in (None, "nobody", *RIGHTS):
                headers = {} if role is None else bearer(role) if role in TOKENS else {"Authorization": "Bearer x"}
                response = await at.client.request(
                    operation.method,
                    path,
                    params={"unknown": "1"},
                    data="{" if operation.in_body else None,
                    headers={**headers, "Content-Type": "application/json"},
                )
                asked = f"{operation.method} {path} as {role}"
                if operation.right is None:
                    assert response.status in (200, 422, 503), f"{asked}: a probe was locked out"
                elif role not in RIGHTS:
                    assert response.status == 401, f"{asked}: somebody without a token was let in"
                    assert response.headers["WWW-Authenticate"].startswith("Bearer")
                elif operation.right not in RIGHTS[role]:
                    assert response.status == 403, f"{asked}: a role did what it may not"
                else:
                    assert response.status in (400, 422), f"{asked}: locked out"


@pytest.mark.parametrize(("given", "words"), [("", "A token is needed"), ("Bearer x", "This token is nobody's here")])
async def test_a_token_that_nobody_has_is_not_called_none(tmp_path, given, words):
    async with world(tmp_path, tokens=access()) as at:
        problem = await (await at.client.get("/v1/agents", headers={"Authorization": given})).json()
        assert words in problem["detail"], "who has given one is told to give one"


def test_every_route_that_changes_something_needs_more_than_reading():
    for operation in OPERATIONS:
        if operation.method not in ("GET", "HEAD"):
            assert operation.right in (Right.STEER, Right.CONSENT, Right.REPORT), (
                f"{operation.path} can be done by a viewer"
            )


def test_whoever_consents_does_not_steer():
    assert Right.STEER not in RIGHTS["approver"]
    assert Right.CONSENT not in RIGHTS["operator"]
    assert all(Right.READ in rights for role, rights in RIGHTS.items() if role != "reporter")


def test_whoever_pushes_outcomes_does_nothing_else():
    assert RIGHTS["reporter"] == {Right.REPORT}, "an agent's machine that is taken over would steer, or read"
    assert not any(Right.REPORT in rights for role, rights in RIGHTS.items() if role != "reporter")


async def test_the_token_says_who_it_was(tmp_path):
    async with world(tmp_path, tokens=access()) as at:
        response = await at.client.put(
            f"{PATH}/candidate", json=CANDIDATE, headers={**bearer("operator"), "X-Turnout-Actor": "mallory"}
        )
        told = await response.json()
        assert told["changed_by"].startswith("ann-operator:"), "an operator could act under another's name"


async def test_a_browsers_password_only_reads(tmp_path):
    async with world(tmp_path, tokens=access()) as at:
        basic = base64.b64encode(f"me:{TOKENS['operator']}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}
        assert (await at.client.get("/", headers=headers)).status == 200, "nobody could open the status page"
        response = await at.client.post(f"{PATH}/pause", json={}, headers=headers)
        assert response.status == 401, "another site could steer with what a browser sends by itself"
        assert (await at.client.get("/", headers={"Authorization": "Basic ???"})).status == 401


async def test_without_tokens_the_actor_may_be_stated(tmp_path):
    async with world(tmp_path) as at:
        _, told = await at.ask("PUT", f"{PATH}/candidate", CANDIDATE, X_Turnout_Actor="ann")
        assert told["changed_by"].startswith("ann:")
        for name in (" ", "x" * 65):
            status, problem = await at.ask("POST", f"{PATH}/pause", {}, X_Turnout_Actor=name)
            assert (status, problem["code"]) == (400, "bad-request")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8900"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "[::1"},
    ],
)
async def test_another_site_cannot_use_this_machines_browser(tmp_path, headers):
    async with world(tmp_path) as at:
        response = await at.client.post(f"{PATH}/rollback", headers=headers)
        assert (response.status, (await response.json())["code"]) == (403, "foreign-origin"), headers
        assert (await at.client.get("/v1/agents", headers=headers)).status == 403


async def test_the_page_of_this_very_origin_may_ask(tmp_path):
    async with world(tmp_path) as at:
        origin = f"http://127.0.0.1:{at.client.port}"
        assert (await at.ask("GET", "/v1/agents", Origin=origin, Sec_Fetch_Site="same-origin"))[0] == 200


def test_loopback_is_told_from_everything_else():
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "LOCALHOST")))
    assert not any(map(is_loopback, ("", "0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com")))


def test_without_tokens_only_this_machine_is_served():
    check_listen("127.0.0.1", None)
    check_listen("10.0.0.1", access())
    for host in ("0.0.0.0", "", "::", "10.0.0.1", "turnout.example.com"):
        with pytest.raises(ExposedError, match="ask nobody for a token"):
            check_listen(host, None)


async def test_each_challenge_stands_in_a_line_of_its_own(tmp_path):
    async with world(tmp_path, tokens=access()) as at:
        response = await at.client.get("/")
        challenges = response.headers.getall("WWW-Authenticate")
        assert [challenge.split()[0] for challenge in challenges] == ["Bearer", "Basic"], (
            "Chromium reads the first of a line alone, and shows no login dialog"
        )
