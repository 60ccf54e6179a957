"""A reviewer and an operator with a browser: consent to exactly what was shown, and a rollout on its way."""

from __future__ import annotations

CARD = "[aria-labelledby='agent-mail']"
MAIL = "[aria-label='Steer mail']"
CONSENT = f"{CARD} .consent"
HOSTILE = "<img src=x onerror=alert(1)> is what it says"


async def test_a_rollout_is_consented_to_held_and_promoted(page, program):
    proposal = await program.propose("2.0", HOSTILE)
    await page.shows("mail", CONSENT, proposal["digest"])
    await page.says(CONSENT, HOSTILE)
    await page.says(CONSENT, program.endpoint)
    await page.click(f"{CONSENT} .do-approve")
    await program.until("mail", lambda mail: mail["rollout"]["step"] == 1, "consent lets it in")
    (approved,) = [event for event in await program.events("mail") if event["event"] == "Approved"]
    assert approved["details"]["digest"] == proposal["digest"], "the consent is to something else than was shown"

    await page.shows("mail", CONSENT, "May 2.0 leave this step?")
    await page.click(f"{CONSENT} .do-approve")
    await program.until("mail", lambda mail: mail["rollout"]["step"] == 2, "the approval leaves the step")

    await page.says(f"{CARD} .waits", "held for another")
    await page.shows("mail", f"{CARD} .waits", "Step 2 of 2")
    assert not await page.is_enabled("#share-mail"), "a step's limit looks as if it could be overstepped by hand"
    await page.click(f"{MAIL} .do-pause")
    await page.shows("mail", f"{CARD} .card-name", "paused")
    await page.click(f"{MAIL} .do-resume")
    await page.shows("mail", f"{CARD} .card-name", "health-check")
    await page.until(f'!document.querySelector("{MAIL} .do-promote").disabled', "it can be promoted")
    await page.click(f"{MAIL} .do-promote")
    assert (await program.agent("mail"))["phase"] == "health-check", "one slip gives the candidate everything"
    await page.click(f"{MAIL} .do-promote")
    await program.until("mail", lambda mail: mail["phase"] == "promoting", "the second click promotes")
    await page.click(f"{CARD} .do-rollback")
    await program.until("mail", lambda mail: mail["wanted"]["candidate_percent"] == 0, "one click takes it back")


async def test_a_consent_is_never_given_to_a_proposal_that_took_the_place_of_what_was_read(page, program):
    first = await program.propose("2.0")
    await page.shows("mail", CONSENT, first["digest"])
    await page.write("#reason-mail", "I have read 2.0")
    second = await program.propose("2.1")
    await page.shows("mail", CONSENT, second["digest"])
    await page.click(f"{CONSENT} .do-approve")
    await page.says(CARD, f"Proposal {first['id']} is over: superseded")
    assert (await program.agent("mail"))["phase"] == "awaiting-consent", "somebody agreed to what they had not read"


async def test_a_proposal_can_be_rejected(page, program):
    proposal = await program.propose("2.0")
    await page.shows("mail", CONSENT, proposal["digest"])
    await page.write("#reason-mail", "not on a Friday")
    await page.click(f"{CONSENT} .do-reject")
    told = await program.until("mail", lambda mail: mail["phase"] == "rejected", "it is rejected")
    assert "not on a Friday" in told["rollout"]["reason"]


async def test_a_proposal_that_came_this_moment_is_not_decided_upon(page, program):
    await page.write("#reason-mail", "I began before it came")
    proposal = await program.propose("2.0")
    await page.shows("mail", CONSENT, proposal["digest"])
    await page.click(f"{CONSENT} .do-approve")
    await page.says(CARD, "This has come only now")
    assert (await program.agent("mail"))["phase"] == "awaiting-consent", "a click meant for something else consents"
    await page.click(f"{CONSENT} .do-approve")
    await program.until("mail", lambda mail: mail["rollout"]["step"] == 1, "who has been told may insist")
