from __future__ import annotations

import base64

from tests.unit.controller.api.world import TOKENS, access, world


async def test_a_token_is_told_what_it_is_good_for(tmp_path):
    async with world(tmp_path, tokens=access()) as at:
        for role, may in {
            "viewer": ["read"],
            "operator": ["read", "steer"],
            "approver": ["consent", "read"],
        }.items():
            status, told = await at.ask("GET", "/v1/caller", Authorization=f"Bearer {TOKENS[role]}")
            assert status == 200
            assert told == {"name": f"ann-{role}", "role": role, "may": may}, "a page would offer what is refused"


async def test_a_browsers_password_is_good_for_reading_only(tmp_path):
    async with world(tmp_path, tokens=access()) as at:
        basic = base64.b64encode(f"me:{TOKENS['operator']}".encode()).decode()
        _, told = await at.ask("GET", "/v1/caller", Authorization=f"Basic {basic}")
        assert (told["role"], told["may"]) == ("operator", ["read"]), "the page would not ask for the token"


async def test_where_no_token_is_asked_for_everybody_may(tmp_path):
    async with world(tmp_path) as at:
        _, told = await at.ask("GET", "/v1/caller", X_Turnout_Actor="ann")
        assert (told["name"], told["role"]) == ("ann", None)
        assert {"read", "steer", "consent"} <= set(told["may"])
