"""An operator with a browser: sets, rolls back, is refused, comes second."""

from __future__ import annotations

import pytest

ENTER, TAB = "\ue007", "\ue004"
BOT = "[aria-label='Steer bot']"
CARD = "[aria-labelledby='agent-bot']"
ROLLBACK = f"{CARD} .do-rollback"
BACK_TOLD = f"{CARD} > .outcome"


async def test_a_percentage_that_is_set_in_the_page_is_wanted_and_confirmed(page, program):
    await page.write("#name", "ann")
    await page.write("#share-bot", "12,5")
    await page.write("#reason-bot", "a try")
    await page.click(f"{BOT} .do-split")
    await page.says(f"{BOT} .outcome", "every gateway has confirmed")
    told = await program.agent("bot")
    assert told["wanted"]["candidate_percent"] == 12.5, "the candidate got another share than was set"
    assert told["changed_by"].startswith("ann:"), "the journal would not say who it was"
    assert "a try" in told["changed_by"], "the reason is lost"
    await page.says(f"{CARD} .wanted", "12.5 %")
    await page.says(f"{CARD} .tracks", "edge confirmed")
    assert await page.run("return document.querySelector('#reason-bot').value") == "", (
        "the next one is given this reason"
    )


@pytest.mark.parametrize(("at", "typed"), [("0", "0.05"), ("1", "1.05"), ("10", "10.01"), ("5", "0.5")])
async def test_a_share_that_is_typed_key_by_key_is_the_one_that_is_set(page, program, at, typed):
    await program.ask("PUT", "/v1/agents/bot/split", {"candidate_percent": float(at)})
    await page.shows("bot", f"{CARD} .wanted", f"{at} %")
    await page.run("document.querySelector('#share-bot').select()")
    for key in typed:
        await page.keys(key)
        assert typed.startswith(await page.run("return document.querySelector('#share-bot').value")), (
            "it is written over"
        )
    await page.keys(ENTER)
    await page.says(f"{BOT} .outcome", "every gateway has confirmed")
    told = await program.agent("bot")
    assert told["wanted"]["candidate_percent"] == float(typed), "the candidate gets a hundred times what was typed"


async def test_one_click_takes_everything_back(page, program):
    await page.write("#share-bot", "10")
    await page.click(f"{BOT} .do-split")
    await program.until("bot", lambda bot: bot["wanted"]["candidate_percent"] == 10, "the share is wanted")
    await page.says(f"{CARD} .wanted", "10 %")
    await page.click(ROLLBACK)
    await page.says(BACK_TOLD, "Decided")
    told = await program.agent("bot")
    assert told["wanted"]["candidate_percent"] == 0, "the way back takes more than one click"
    await page.says("#news", "rolled it back")


async def test_everything_can_be_done_with_the_keyboard(page, program):
    await page.run("document.querySelector('#share-bot').select()")
    await page.keys("7", ENTER)
    await program.until("bot", lambda bot: bot["wanted"]["candidate_percent"] == 7, "Enter sets what was written")
    await page.run("document.querySelector('#name').focus()")
    await page.keys(TAB)
    assert await page.run("return document.activeElement.textContent") == "Roll back", "the way back is not next"
    await page.keys(ENTER)
    await program.until("bot", lambda bot: bot["wanted"]["candidate_percent"] == 0, "Enter rolls back")


async def test_a_refusal_is_told_in_its_own_words(page, program):
    before = await program.agent("bot")
    await page.click(ROLLBACK)
    await page.says(BACK_TOLD, "there is nothing to roll back")
    await page.says(BACK_TOLD, "Propose the version that you want.")
    await page.write("#share-bot", "120")
    await page.click(f"{BOT} .do-split")
    await page.says(f"{BOT} .outcome", "Invalid input")
    await page.write("#share-bot", "much")
    await page.click(f"{BOT} .do-split")
    await page.says(f"{BOT} .outcome", "is no percentage")
    assert (await program.agent("bot"))["change"] == before["change"], "something was done that was refused"


async def test_the_second_of_two_operators_is_told_what_came_in_between(page, program):
    await page.write("#share-bot", "50")
    body = {"candidate_percent": 20, "reason": "Tuesday's trial"}
    await program.ask("PUT", "/v1/agents/bot/split", body, X_Turnout_Actor="bob")
    await page.says(f"{BOT} .moved", "Since you began: bob")
    await page.click(f"{BOT} .do-split")
    await page.says(f"{BOT} .outcome", "it has changed since you looked")
    await page.says(f"{BOT} .missed", "Tuesday's trial")
    told = await program.agent("bot")
    assert told["wanted"]["candidate_percent"] == 20, "what bob set was overwritten by who had not seen it"
    assert await page.run("return document.querySelector('#share-bot').value") == "50", "it must be written again"
    await page.click(f"{BOT} .do-split")
    await program.until("bot", lambda bot: bot["wanted"]["candidate_percent"] == 50, "who has been told may insist")


async def test_a_click_just_after_a_change_is_not_taken_for_knowing_it(page, program):
    """The picture changes under the finger: the page names what could be read, and the controller tells the rest."""
    seen = await page.run("""
        const { seen } = cards.get("bot");
        const read = seen.read().change;
        seen.show({ ...seen.newest, change: read + 1 });
        return [read, seen.decidesOn.change];
    """)
    assert seen[0] == seen[1], "a change that nobody could have read counts as seen"
    await page.until("cards.get('bot').seen.decidesOn.change > " + str(seen[0]), "half a second later it has been read")


async def test_a_rollback_is_not_held_up_by_what_came_in_between(page, program):
    await page.write("#reason-bot", "it looks bad")
    await program.ask("PUT", "/v1/agents/bot/split", {"candidate_percent": 20}, X_Turnout_Actor="bob")
    await page.says(f"{CARD} .wanted", "20 %")
    await page.click(ROLLBACK)
    told = await program.until("bot", lambda bot: bot["wanted"]["candidate_percent"] == 0, "the first click rolls back")
    assert "it looks bad" in told["changed_by"]


async def test_a_controller_that_is_gone_is_told_and_the_way_back_stays_open(page, program):
    program.process.kill()
    await program.process.wait()
    await page.says("#link", "Cannot read")
    await page.click(ROLLBACK)
    await page.says(BACK_TOLD, "did not answer")


async def test_a_double_click_goes_back_once_and_no_version_further(page, program):
    await program.ask("PUT", "/v1/agents/bot/split", {"candidate_percent": 100})
    await program.until(
        "bot", lambda bot: all(gateway["up_to_date"] for gateway in bot["gateways"]), "100 % is confirmed"
    )
    await program.ask("POST", "/v1/agents/bot/promote")
    await program.ask("PUT", "/v1/agents/bot/candidate", {"version": "1.2", "endpoints": [program.endpoint]})
    await program.ask("PUT", "/v1/agents/bot/split", {"candidate_percent": 10})
    await page.says(f"{CARD} .versions", "1.2")
    await page.says(f"{CARD} .wanted", "10 %")
    await page.click_twice(ROLLBACK)
    await page.says(BACK_TOLD, "Decided")
    await page.says(ROLLBACK, "Roll back to 1.0")
    await page.until(f"!document.querySelector({ROLLBACK!r}).disabled", "it can be clicked again")
    told = await program.agent("bot")
    assert told["wanted"]["candidate_percent"] == 0
    assert told["stable"]["version"] == "1.1", "the second of two clicks took back a version that nobody meant"
