from __future__ import annotations

import base64
import hashlib
import re

from controller.api.page import FOLDER, SCRIPTS, STYLES, page, policy
from controller.api.routes import OPERATIONS
from tests.unit.controller.api.world import world


async def test_the_page_is_served_with_its_own_policy(tmp_path):
    async with world(tmp_path) as at:
        response = await at.request("GET", "/")
        assert response.content_type == "text/html"
        assert response.headers["Content-Security-Policy"] == policy()
        assert await response.text() == page()


def test_the_policy_lets_in_what_stands_in_the_page_and_nothing_else():
    for tag in ("script", "style"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", page(), re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy(), f"the page's own {tag} would not be used"
    assert "unsafe" not in policy()
    assert "default-src 'none'" in policy()
    assert "form-action 'none'" in policy(), "a token that is typed into a form could end up in an address"
    assert "trusted-types 'none'" in policy(), "text of others could become code"


def test_the_page_takes_nothing_from_elsewhere():
    assert "//" not in page().replace("<!doctype html>", ""), "an address of somewhere else stands in the page"
    assert not re.search(r"\son\w+=|style=|innerHTML", page()), "text of others could become code"


def test_the_page_keeps_nothing_in_the_browser():
    assert not re.search(r"localStorage|sessionStorage|indexedDB|document\.cookie|history\.", page()), (
        "a token would still be there for whoever sits down next"
    )


def test_every_file_of_the_page_is_in_it():
    assert {path.name for path in FOLDER.iterdir()} == {"index.html", *STYLES, *SCRIPTS}, "a part of the page is lost"
    assert all((FOLDER / name).read_text(encoding="utf-8") in page() for name in (*STYLES, *SCRIPTS))


def test_what_the_page_asks_for_is_served():
    served = {re.sub(r"\{\w+\}.*", "", operation.path) for operation in OPERATIONS}
    asked = set(re.findall(r'"(/v1/[a-z/]+)"', page()))
    assert asked, "the page asks for nothing"
    assert asked <= served, f"the page asks in vain for {asked - served}"
