"""The driver: decide, write down, act; on the way back act first."""

import asyncio
from dataclasses import replace

import pytest

from adapters.port import ALL_STABLE, Applied, GatewayError, Split
from controller.errors import UnavailableError
from controller.journal.errors import JournalError
from controller.rollout import events as e
from controller.rollout.plan import WhenUndecided
from controller.rollout.refusal import Refusal
from controller.rollout.state import Phase
from controller.runtime.driver import DISK_PATIENCE_S, INBOX_MAX, JOURNAL_RETRY_S, Driver
from tests.sim.clock import now_s, passes, until
from tests.unit.controller.runtime.stage import (
    AGENT,
    NEW,
    OLD,
    PLAN,
    PROFILE,
    asks,
    guided,
    guided_profile,
    never,
    proposal,
    set_split,
)


class TestWriteAhead:
    async def test_on_the_way_forward_the_journal_comes_first(self, stage, edge):
        async with stage.driving(guided_profile()) as driver:
            await guided(driver, edge, 50)
            wrote = max(place for place, entry in enumerate(stage.log) if entry == ("journal", "SplitSet"))
            acted = stage.log.index(("edge", 5000))
            assert wrote < acted, "a restart would not know of a share that a gateway already gives"

    async def test_on_the_way_back_the_gateways_come_first(self, stage, edge):
        async with stage.driving(guided_profile()) as driver:
            await guided(driver, edge, 50)
            stage.journal.frozen = True
            gone = until(lambda: edge.shares[-1] == 0.0, within_s=0.1)
            state, _ = await asyncio.gather(driver.ask(asks(e.RollbackAsked)), gone)
            assert state.split == ALL_STABLE, "a rollback waited for a disk"

    async def test_a_rollback_is_answered_when_a_restart_would_know_of_it(self, stage, edge):
        async with stage.driving(guided_profile()) as driver:
            await guided(driver, edge)
            await driver.ask(asks(e.RollbackAsked))
            assert "RollbackAsked" in stage.journal.events
            await set_split(driver, 50)
            stage.journal.frozen = True
            began_s = now_s()
            await driver.ask(asks(e.RollbackAsked))
            assert now_s() - began_s == DISK_PATIENCE_S, "it was answered before a restart would know of it"


class TestFullDisk:
    async def test_a_rollback_is_carried_out_and_written_later(self, stage, edge):
        async with stage.driving(guided_profile()) as driver:
            await guided(driver, edge)
            stage.journal.full()
            state = await driver.ask(asks(e.RollbackAsked))
            assert state.split == ALL_STABLE
            await until(lambda: edge.shares[-1] == 0.0, within_s=0.1)
            assert "RollbackAsked" not in stage.journal.events
            await until(lambda: driver.state.all_confirmed, within_s=0.1)
            stage.journal.trouble = None
            await until(lambda: "RollbackAsked" in stage.journal.events)
            late = next(record for record in stage.journal.records if record.body.get("event") == "RollbackAsked")
            assert late.body["late"], "who reads the journal would take it for written in time"

    async def test_a_command_forward_is_refused_with_the_reason_and_changes_nothing(self, stage, edge):
        async with stage.driving(guided_profile()) as driver:
            await guided(driver, edge, 10)
            stage.journal.full()
            with pytest.raises(JournalError, match="no space left"):
                await set_split(driver, 50)
            await passes(5.0)
            assert driver.state.split == Split(1000), "done, and a restart would undo it"
            assert 50.0 not in edge.shares
            stage.journal.trouble = None
            await passes(JOURNAL_RETRY_S)
            assert (await set_split(driver, 50)).split == Split(5000)

    async def test_what_the_world_said_meanwhile_is_not_lost(self, stage, edge):
        async with stage.driving(guided_profile()) as driver:
            await guided(driver, edge, 10)
            asked = asyncio.Event()

            async def answer():
                await asked.wait()
                return Applied.CONFIRMED

            edge.answers.append(answer)
            await set_split(driver, 50)
            stage.journal.full()
            asked.set()
            await passes(3.0)
            assert not driver.state.all_confirmed
            stage.journal.trouble = None
            await until(lambda: driver.state.all_confirmed, within_s=2 * JOURNAL_RETRY_S)

    async def test_settings_that_wait_come_in_their_order(self, stage):
        async with stage.driving() as driver:
            await until(lambda: driver.state.all_confirmed)
            stage.journal.full()
            for port in (1, 2, 3):
                moved = replace(OLD, endpoints=(f"10.0.0.11:{port}",))
                await driver.configure(replace(PROFILE, stable=moved))
            await passes(3.5)
            stage.journal.trouble = None
            await passes(3.0)
            assert driver.state.stable.endpoints == ("10.0.0.11:3",), "settings of long ago came back"

    async def test_a_breach_goes_back(self, stage, edge):
        async with stage.driving(guided_profile()) as driver:
            stage.traffic()
            await guided(driver, edge)
            stage.journal.full()
            stage.traffic(new_bad=0.6)
            await until(lambda: edge.shares[-1] == 0.0, within_s=5.0)


class TestFrozenDisk:
    async def test_a_breach_goes_back(self, stage, edge):
        async with stage.driving(guided_profile()) as driver:
            stage.traffic()
            await guided(driver, edge)
            stage.journal.frozen = True
            stage.traffic(new_bad=0.6)
            await until(lambda: edge.shares[-1] == 0.0, within_s=10.0)

    async def test_a_rollback_waits_at_most_for_the_one_before_it(self, stage, edge):
        async with stage.driving(guided_profile()) as driver:
            await guided(driver, edge, 10)
            stage.journal.frozen = True

            async def forward():
                with pytest.raises(JournalError, match="does not answer"):
                    await set_split(driver, 50)

            began_s = now_s()
            await asyncio.gather(
                forward(), driver.ask(asks(e.RollbackAsked)), until(lambda: edge.shares[-1] == 0.0, within_s=5.0)
            )
            assert 50.0 not in edge.shares
            assert now_s() - began_s <= 3 * DISK_PATIENCE_S


class TestInbox:
    async def test_it_is_bounded_and_says_so(self, stage):
        driver = Driver(PROFILE, stage.around, None)
        for _ in range(INBOX_MAX):
            driver._inbox.put_nowait(e.TimerFired(now_s=0.0, timer="hold"))
        with pytest.raises(UnavailableError, match="wait already"):
            await driver.ask(asks(e.PauseAsked))

    async def test_who_waits_when_it_stops_is_told(self, stage, edge):
        driver = Driver(PROFILE, stage.around, None)

        async def waits():
            with pytest.raises(UnavailableError, match="stopping"):
                await driver.ask(asks(e.PauseAsked))

        async with asyncio.TaskGroup() as group:
            group.create_task(waits())
            await passes(0.1)
            driver._turn_away()

    async def test_one_that_has_stopped_takes_no_commands(self, stage):
        driver = Driver(PROFILE, stage.around, None)
        driver._turn_away()
        with pytest.raises(UnavailableError):
            await driver.ask(asks(e.PauseAsked))
        await driver.configure(PROFILE)
        assert driver._inbox.empty(), "settings went to one that will never read them"

    async def test_a_refusal_is_the_askers_to_hear(self, stage):
        async with stage.driving() as driver:
            with pytest.raises(Refusal, match="no candidate"):
                await set_split(driver, 10)

    async def test_two_operators_at_once(self, stage, edge):
        async with stage.driving(guided_profile()) as driver:
            await guided(driver, edge, 10)
            seen = driver.state.changes
            first, second = await asyncio.gather(
                driver.ask(asks(e.SplitSet, split=Split(2000), seen=seen)),
                driver.ask(asks(e.SplitSet, split=Split(3000), seen=seen)),
                return_exceptions=True,
            )
            assert first.split == Split(2000)
            assert isinstance(second, Refusal), "the second overwrote what they had not seen"


class TestRollout:
    async def test_a_good_candidate_becomes_stable_by_itself(self, stage, edge):
        async with stage.driving() as driver:
            stage.traffic()
            await driver.ask(proposal())
            await until(lambda: driver.state.phase is Phase.PROMOTED)
            assert driver.state.stable == NEW
            assert edge.shares[:1] == [0.0]
            assert [share for share in edge.shares if share] == [10.0, 100.0]

    async def test_a_bad_candidate_is_gone_within_seconds(self, stage, edge):
        async with stage.driving() as driver:
            stage.traffic(new_bad=0.6)
            await driver.ask(proposal())
            await until(lambda: 10.0 in edge.shares)
            began_s = now_s()
            await until(lambda: edge.shares[-1] == 0.0)
            assert now_s() - began_s < 5.0
            await until(lambda: driver.state.phase is Phase.ROLLED_BACK)
            assert "errors" in driver.state.rollout.reason

    async def test_with_everything_on_the_candidate_nobody_waits_for_stable(self, stage, edge):
        async with stage.driving(guided_profile()) as driver:
            stage.traffic()
            await guided(driver, edge, percent=50)
            await set_split(driver, 100)
            stage.traffic(old_per_look=0)
            await passes(5.0)
            stage.traffic(new_bad=0.5, old_per_look=0)
            began_s = now_s()
            await until(lambda: edge.shares[-1] == 0.0, within_s=30.0)
            assert now_s() - began_s < 5.0, "in the bake a bad candidate would have a minute more"

    async def test_a_silent_candidate_never_passes(self, stage, edge):
        async with stage.driving() as driver:
            await driver.ask(proposal(replace(PLAN, undecided=WhenUndecided.ADVANCE)))
            await until(lambda: driver.state.phase is Phase.ROLLED_BACK)
            assert 100.0 not in edge.shares, "a step was left on missing data"

    async def test_a_new_stable_version_is_watched_while_the_next_proposal_waits(self, stage, edge):
        plan = replace(PLAN, steps=(), bake_s=2.0)
        async with stage.driving() as driver:
            stage.traffic()
            await driver.ask(proposal(plan))
            await until(lambda: driver.state.phase is Phase.PROMOTED)
            await driver.ask(proposal(replace(plan, consent=True), "p2", replace(NEW, name="1.4.0")))
            await until(lambda: driver.state.phase is Phase.AWAITING_CONSENT)
            stage.traffic(new_bad=0.9, per_look=500)
            await until(lambda: driver.state.stable == OLD, within_s=30.0)

    async def test_a_dead_gateway_holds_no_rollback_at_another(self, stage, edge, inner):
        profile = replace(guided_profile(), gateways=("edge", "inner"))
        async with stage.driving(profile) as driver:
            await until(lambda: driver.state.candidate == NEW and driver.state.all_confirmed)
            await set_split(driver, 50)
            await until(lambda: driver.state.all_confirmed)
            inner.answers += [never] * 100
            inner.observation = GatewayError("inner", "unreachable", "dead", retryable=True)
            await driver.ask(asks(e.RollbackAsked))
            await until(lambda: edge.shares[-1] == 0.0, within_s=0.1)


class TestSettings:
    async def test_moved_endpoints_are_told_to_the_gateway(self, stage, edge):
        moved = replace(OLD, endpoints=("10.0.0.99:3000",))
        async with stage.driving() as driver:
            await driver.configure(replace(PROFILE, stable=moved))
            await until(lambda: edge.held[AGENT].stable == moved if edge.held else None)

    async def test_what_is_no_state_is_told_too(self, stage, edge):
        async with stage.driving() as driver:
            await until(lambda: driver.state.all_confirmed)
            await driver.configure(replace(PROFILE, retries=3))
            await until(lambda: edge.held[AGENT].retries == 3)

    async def test_a_gateway_that_carries_it_no_more_forgets_it(self, stage, edge, inner):
        async with stage.driving(replace(guided_profile(), gateways=("edge", "inner"))) as driver:
            await until(lambda: driver.state.candidate == NEW and driver.state.all_confirmed)
            await set_split(driver, 50)
            await driver.configure(guided_profile())
            await until(lambda: inner.removed == [AGENT])
            assert driver.state.gateways == {"edge"}, "its share would stay at the gateway for ever"

    async def test_a_gateway_that_the_settings_no_longer_name_stops_nobody(self, stage, edge, inner):
        both = replace(PROFILE, gateways=("edge", "inner"))
        async with stage.driving(both) as driver:
            await until(lambda: driver.state.all_confirmed)
        del stage.gateways["inner"]
        async with stage.driving(PROFILE) as driver:
            await until(lambda: driver.state.gateways == {"edge"} and driver.state.all_confirmed)

    async def test_objectives_that_come_late_are_watched(self, stage, edge):
        async with stage.driving(replace(guided_profile(), judge=None)) as driver:
            stage.traffic(new_bad=0.6)
            await guided(driver, edge)
            await passes(5.0)
            assert edge.shares[-1] == 50.0
            await driver.configure(guided_profile())
            await until(lambda: edge.shares[-1] == 0.0, within_s=10.0)
