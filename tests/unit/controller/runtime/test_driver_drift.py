"""What a gateway no longer holds, through the whole driver: journaled, and answered as the settings say."""

from dataclasses import replace

import pytest

from adapters.port import Proof, Split
from controller.rollout import events as e
from controller.rollout.plan import OnDrift
from controller.rollout.state import Phase
from controller.runtime.link import EPOCH_AGE_S, VERIFY_EVERY_S
from tests.sim.clock import passes, until
from tests.unit.controller.runtime.stage import PLAN, PROFILE, asks, guided, guided_profile, proposal

SLOW = replace(PLAN, steps=(replace(PLAN.steps[0], hold_s=600.0),), watched=False)
FOUND_WITHIN_S = VERIFY_EVERY_S + EPOCH_AGE_S + 1.0


async def in_a_step(driver):
    await driver.ask(proposal(SLOW))
    await until(lambda: driver.state.split == Split(1000) and driver.state.all_confirmed)


async def test_a_restart_is_undone_at_once_and_written_down(stage, edge):
    async with stage.driving() as driver:
        await in_a_step(driver)
        asked = len(edge.asked)
        edge.proofs.append(Proof.RESET)
        await until(lambda: len(edge.asked) > asked and driver.state.all_confirmed, within_s=FOUND_WITHIN_S)
        assert driver.state.phase is Phase.HEALTH_CHECK
        assert stage.journal.events[-2:] == ["Drifted", "Confirmed"]


async def test_a_name_that_moves_in_the_middle_of_a_step_is_followed_and_is_nobodys_restart(stage, edge):
    async with stage.driving() as driver:
        await in_a_step(driver)
        written, asked = list(stage.journal.events), len(edge.asked)
        edge.proofs.append(Proof.PENDING)
        await until(lambda: len(edge.asked) > asked, within_s=FOUND_WITHIN_S)
        await passes(1.0)
        assert (driver.state.phase, driver.state.all_confirmed) == (Phase.HEALTH_CHECK, True)
        assert "Drifted" not in stage.journal.events[len(written) :], "the journal says that the gateway began again"


async def test_somebodys_hand_pauses_and_is_left_until_it_is_answered(stage, edge):
    async with stage.driving() as driver:
        await in_a_step(driver)
        asked = len(edge.asked)
        edge.proofs += [Proof.DRIFTED] * 20
        await until(lambda: driver.state.phase is Phase.PAUSED, within_s=FOUND_WITHIN_S)
        await passes(30.0)
        assert len(edge.asked) == asked, "what somebody did was undone with nobody asked"
        assert stage.journal.events.count("Drifted") == 1, "the journal fills with one finding"
        edge.proofs.clear()
        await driver.ask(asks(e.ResumeAsked))
        await until(lambda: driver.state.all_confirmed)
        assert edge.shares[-1] == 10.0


async def test_a_full_disk_holds_no_answer_up(stage, edge):
    async with stage.driving(replace(guided_profile(), on_drift=OnDrift.TAKE_OVER)) as driver:
        await guided(driver, edge, 10)
        stage.journal.full()
        asked = len(edge.asked)
        edge.proofs.append(Proof.DRIFTED)
        await until(lambda: len(edge.asked) > asked, within_s=FOUND_WITHIN_S)


@pytest.mark.parametrize("answer", OnDrift)
async def test_a_rollback_gives_way_to_nobody(stage, edge, answer):
    async with stage.driving(replace(PROFILE, on_drift=answer)) as driver:
        await in_a_step(driver)
        edge.proofs += [Proof.DRIFTED] * 3
        await until(lambda: "Drifted" in stage.journal.events, within_s=FOUND_WITHIN_S)
        edge.proofs.clear()
        await driver.ask(asks(e.RollbackAsked))
        await until(lambda: edge.shares[-1] == 0.0, within_s=0.5)
