"""With tokens: who looks does not steer, and a token stays where it was put."""

from __future__ import annotations

import pytest

from tests.integration.dashboard.program import TOKENS

BOT = "[aria-label='Steer bot']"
CARD = "[aria-labelledby='agent-bot']"
STEER = "fetch(location.origin + '/v1/agents/bot/pause', {method: 'POST', credentials: 'include'}).then(r => r.status)"


def bearer(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[role]}"}


@pytest.fixture
async def page(browser, guarded):
    """Opened as people do: with a viewer's token in the browser's own dialog."""
    await browser.open(guarded.url.replace("http://", f"http://ann:{TOKENS['viewer']}@"))
    await browser.until("document.querySelectorAll('.card').length === 2", "the dialog's token reads")
    await browser.says("#caller", "ann-viewer")
    return browser


async def give(page, token: str) -> None:
    await page.write("#token", token)
    await page.click("#who [type=submit]")


async def test_a_viewer_looks_and_does_not_steer(page, guarded):
    await give(page, TOKENS["viewer"])
    await page.says("#caller", "ann-viewer · viewer: may look")
    await page.says(f"{BOT} .hint", "that takes the role operator")
    for button in (f"{BOT} .do-split", f"{CARD} .do-rollback", "#share-bot"):
        assert not await page.is_enabled(button), f"{button} promises a viewer what will be refused"
    asked = "ask('POST', '/v1/agents/bot/rollback', {body: {}}).catch(e => document.title = e.told.code)"
    await page.run(asked)
    await page.until("document.title === 'denied'", "the controller refuses a viewer too")


async def test_what_the_browser_sends_by_itself_does_not_steer(browser, guarded):
    """An operator's token in the dialog: a page that asked with it would be as good as any other site's."""
    await browser.open(guarded.url.replace("http://", f"http://ann:{TOKENS['operator']}@"))
    await browser.says("#caller", "ann-operator · operator: may look")
    await browser.says(f"{BOT} .hint", "give your token above")
    assert not await browser.is_enabled(f"{CARD} .do-rollback")


async def test_an_operators_token_steers_and_says_who_it_was(page, guarded):
    await give(page, TOKENS["operator"])
    await page.says("#caller", "ann-operator · operator: may look and steer")
    await page.says("#link", "Live")
    await page.write("#share-bot", "10")
    await page.click(f"{BOT} .do-split")
    await page.says(f"{BOT} .outcome", "Decided: ann-operator:")
    told = await guarded.agent("bot", **bearer("viewer"))
    assert told["wanted"]["candidate_percent"] == 10
    await page.says("#news", "ann-operator set")  # the events are heard with the token


async def test_a_token_is_kept_in_memory_and_nowhere_else(page, guarded):
    await give(page, TOKENS["operator"])
    await page.says("#caller", "may look and steer")
    kept = """
        const named = performance.getEntriesByType("resource").map(entry => entry.name);
        return JSON.stringify([location.href, document.cookie, {...localStorage}, {...sessionStorage}, named,
          history.length, document.documentElement.outerHTML, document.querySelector("#token").value]);
    """
    assert TOKENS["operator"] not in await page.run(kept), "the token can be read where it was left"
    await page.run("location.reload()")
    await page.says(f"{BOT} .hint", "that takes the role operator")
    assert not await page.is_enabled(f"{BOT} .do-split"), "whoever sits down here next can steer"


async def test_a_token_can_be_forgotten_and_a_wrong_one_is_refused(page, guarded):
    await give(page, "turnout_nobody")
    await page.says("#caller", "This token is nobody's here")
    await give(page, TOKENS["operator"])
    await page.says("#caller", "may look and steer")
    await page.click("#forget")
    await page.says("#caller", "ann-viewer")
    assert not await page.is_enabled(f"{BOT} .do-split")


async def test_an_approver_consents_and_does_not_steer(page, guarded):
    body = {"agent": "mail", "version": "2.0", "endpoints": [guarded.endpoint]}
    await guarded.ask("POST", "/v1/proposals", body, **bearer("operator"))
    await give(page, TOKENS["approver"])
    await page.says("#caller", "may look and consent")
    await page.shows("mail", "[aria-labelledby='agent-mail'] .consent", "May 2.0 come in?")
    assert not await page.is_enabled("[aria-label='Steer mail'] .do-promote")
    await page.click("[aria-labelledby='agent-mail'] .do-approve")
    await page.until("cards.get('mail').seen.newest.rollout.step === 1", "the approver's consent is taken")
