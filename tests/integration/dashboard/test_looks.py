"""What is seen: on a phone, in the dark, without one complaint of the browser."""

from __future__ import annotations

import pytest


async def test_the_browser_complains_of_nothing(page, program):
    await program.ask("PUT", "/v1/agents/bot/split", {"candidate_percent": 10})
    await page.says("[aria-labelledby='agent-bot'] .tracks", "10 %")
    assert await page.complaints() == [], "the policy, or a fault, keeps a part of the page from working"


@pytest.mark.parametrize("width", [500, 1200])
async def test_nothing_has_to_be_scrolled_sideways(page, program, width):
    await page.resize(width, 900)
    wide, room = await page.run("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= room, "on a phone, buttons lie beyond the edge"


async def test_what_is_pressed_or_written_into_has_a_name(page, program):
    nameless = """
        return [...document.querySelectorAll("button, input")].filter(each => each.offsetParent)
          .filter(each => !(each.innerText || each.ariaLabel || each.labels?.length)).map(each => each.outerHTML);
    """
    assert await page.run(nameless) == [], "a screen reader cannot tell what this is"
    bars = "return [...document.querySelectorAll('.track-bar')].map(bar => bar.ariaLabel)"
    assert "Wanted: candidate 0 %" in await page.run(bars), "the share is told by colour alone"


async def test_what_was_decided_before_the_page_was_opened_is_told(browser, program):
    await program.ask("PUT", "/v1/agents/bot/split", {"candidate_percent": 10}, X_Turnout_Actor="bob")
    await browser.open(program.url)
    await browser.says("#news", "bob set")
    news = await browser.text("#news")
    assert "lost" not in news, "it begins with a loss that never was"
