"""A browser, and a controller with and without tokens."""

from __future__ import annotations

import pytest

from tests.integration.dashboard.browser import browsing, chromium
from tests.integration.dashboard.program import access, running


@pytest.fixture(scope="session")
def session(tmp_path_factory):
    """One browser for all tests: every controller has a port of its own, which is another origin."""
    with chromium(tmp_path_factory.mktemp("chromium") / "profile") as url:
        yield url


@pytest.fixture
async def browser(session):
    async with browsing(session) as opened:
        yield opened


@pytest.fixture
async def program(tmp_path):
    async with running(tmp_path) as run:
        yield run


@pytest.fixture
async def guarded(tmp_path):
    """With tokens."""
    async with running(tmp_path, access()) as run:
        yield run


@pytest.fixture
async def page(browser, program):
    """The page of a controller without tokens, which shows its agents and hears what happens."""
    await browser.open(program.url)
    await browser.until("document.querySelectorAll('.card').length === 2", "both agents are shown")
    await browser.says("#link", "Live")
    return browser
