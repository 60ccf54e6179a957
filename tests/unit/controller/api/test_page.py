from __future__ import annotations

import base64
import hashlib
import re

from controller.api.page import page, policy
from tests.unit.controller.api.world import world


async def test_the_page_is_served_with_its_own_policy(tmp_path):
    async with world(tmp_path) as at:
        response = await at.request("GET", "/")
        assert response.content_type == "text/html"
        assert response.headers["Content-Security-Policy"] == policy()
        assert await response.text() == page()


def test_the_policy_lets_in_what_stands_in_the_page_and_nothing_else():
    (script,) = re.findall("<script>(.*?)</script>", page(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy(), "the page's own script would not run"
    assert "unsafe" not in policy()
    assert "default-src 'none'" in policy()


def test_the_page_takes_nothing_from_elsewhere():
    assert "//" not in page().replace("<!doctype html>", ""), "an address of somewhere else stands in the page"
    assert not re.search(r"\son\w+=|style=|innerHTML", page()), "text of others could become code"
