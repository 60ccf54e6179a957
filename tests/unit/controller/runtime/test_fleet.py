import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from adapters.port import ALL_STABLE, Applied, GatewayError, Split
from controller.errors import NotFoundError
from controller.journal.errors import JournalError
from controller.journal.transitions import TRANSITION, transition_body
from controller.rollout import events as e
from controller.runtime.fleet import RECALL_PATIENCE_S, RESTART_MIN_S, Fleet, GatewayProfile, Roster
from controller.runtime.leave import LAST_WORD_S, RETRY_S
from controller.runtime.tasks import Tasks
from tests.sim.clock import now_s, passes, until
from tests.unit.controller.runtime.stage import (
    AGENT,
    NEW,
    OLD,
    PROFILE,
    Gateway,
    asks,
    guided,
    guided_profile,
    never,
    set_split,
)

OTHER = replace(PROFILE, agent="translator")
EDGE, INNER = GatewayProfile("edge", "fake", 1), GatewayProfile("inner", "fake", 1)


def roster(*profiles, gateways=(EDGE,)):
    return Roster({gateway.name: gateway for gateway in gateways}, {profile.agent: profile for profile in profiles})


@pytest.fixture
def made():
    return []


@asynccontextmanager
async def running(stage, made, first, kind=Gateway):
    def make(profile):
        made.append(kind(profile.name, stage.log))
        return made[-1]

    fleet, ready = Fleet(make, stage.around), asyncio.Event()
    async with Tasks() as tasks:
        tasks.start("fleet", fleet.run(first, ready))
        await ready.wait()
        yield fleet


async def test_a_gateway_knows_every_agent_from_the_first_moment(stage, made):
    async with running(stage, made, roster(PROFILE, OTHER)):
        assert set(made[0].started[0]) == {AGENT, "translator"}, "the others' traffic would be dropped"


async def test_a_restart_begins_where_the_journal_ends(stage, made):
    profile = replace(PROFILE, stable=replace(OLD, endpoints=("10.0.0.99:3000",)))
    async with running(stage, made, roster(PROFILE)) as fleet:
        await fleet.configure(roster(profile))
        await until(lambda: fleet.drivers[AGENT].state.stable == profile.stable)
    async with running(stage, made, roster(PROFILE)) as fleet:
        assert fleet.drivers[AGENT].state.stable == profile.stable
        assert made[1].started[0][AGENT].stable == profile.stable, "a gateway was first told what was before"


async def test_a_journal_that_cannot_be_read_starts_nothing(stage, made):
    stage.journal.full()
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(5.0), running(stage, made, roster(PROFILE)):
            pass
    assert caught.group_contains(JournalError)
    assert not made, "a gateway was told something by a controller that did not know where it was"


async def test_who_is_new_comes_and_who_is_gone_goes(stage, made):
    async with running(stage, made, roster(PROFILE)) as fleet:
        await fleet.configure(roster(OTHER))
        await until(lambda: "translator" in made[0].held)
        assert set(fleet.drivers) == {"translator"}
        await until(lambda: made[0].removed == [AGENT])
        with pytest.raises(NotFoundError, match="translator"):
            fleet.driver(AGENT)
        assert fleet.driver("translator").profile == OTHER


@pytest.fixture
def away():
    return GatewayError("edge", "unreachable", "no answer", retryable=True)


async def test_a_gateway_that_is_away_forgets_an_agent_when_it_is_back(stage, made, away):
    async with running(stage, made, roster(PROFILE, OTHER)) as fleet:
        await until(lambda: len(made[0].held) == 2)
        made[0].answers += [away, away]
        await fleet.configure(roster(OTHER))
        assert set(fleet.roster.agents) == {"translator"}, "new settings were lost because a gateway was away"
        await passes(RETRY_S)
        assert not made[0].removed
        await until(lambda: made[0].removed == [AGENT], within_s=2 * RETRY_S)
        await passes(3 * RETRY_S)
        assert len(made[0].removed) == 1


async def test_what_a_gateway_is_to_forget_outlives_its_options(stage, made, away):
    profile = guided_profile()
    async with running(stage, made, roster(profile, OTHER)) as fleet:
        await guided(fleet.drivers[AGENT], made[0])
        made[0].answers += [away] * 100
        await fleet.configure(roster(OTHER))
        await fleet.configure(roster(OTHER, gateways=(replace(EDGE, options=2),)))
        await until(lambda: made[1].removed == [AGENT])
        assert [each.split for each in made[1].asked if each.agent == AGENT] == [ALL_STABLE], (
            "the candidate of an agent that is gone keeps its share"
        )


async def test_an_agent_that_comes_back_is_not_forgotten_after_all(stage, made, away):
    async with running(stage, made, roster(PROFILE, OTHER)) as fleet:
        await until(lambda: len(made[0].held) == 2)
        made[0].answers.append(away)
        await fleet.configure(roster(OTHER))
        await passes(RETRY_S / 2)
        await fleet.configure(roster(PROFILE, OTHER))
        await passes(3 * RETRY_S)
        assert made[0].removed == [], "the traffic of an agent that is served was dropped"


async def test_an_agent_that_comes_back_with_other_options_of_its_gateway_is_not_dropped_meanwhile(stage, made, away):
    class Slow(Gateway):
        async def start(self, assignments):
            await passes(0.1)
            await super().start(assignments)

    other = replace(OTHER, gateways=("edge", "inner"))
    async with running(stage, made, roster(PROFILE, other, gateways=(EDGE, INNER)), kind=Slow) as fleet:
        await until(lambda: len(made[0].held) == 2)
        made[0].answers += [away] * 100
        await fleet.configure(roster(other, gateways=(EDGE, INNER)))
        await passes(RETRY_S / 2)
        changed = replace(EDGE, options=2), replace(INNER, options=2)
        await fleet.configure(roster(PROFILE, other, gateways=changed))
        await until(lambda: AGENT in made[2].held)
        await passes(3 * RETRY_S)
        assert not made[2].removed, "the traffic of an agent that is served was dropped"


async def test_what_an_agent_left_before_it_was_dropped_is_left_all_the_same(stage, made, away):
    both = guided_profile(gateways=("edge", "inner"))
    async with running(stage, made, roster(both, OTHER, gateways=(EDGE, INNER))) as fleet:
        await guided(fleet.drivers[AGENT], made[1])
        made[1].answers += [away, away]
        await fleet.configure(roster(replace(both, gateways=("edge",)), OTHER, gateways=(EDGE, INNER)))
        await until(lambda: fleet.drivers[AGENT].state.leaving == {"inner"})
        await fleet.configure(roster(OTHER, gateways=(EDGE, INNER)))
        await until(lambda: made[1].removed == [AGENT], within_s=3 * RETRY_S)


@pytest.mark.parametrize("is_dismissed", [False, True])
async def test_a_gateway_that_is_let_go_of_is_left_with_stable(stage, made, is_dismissed):
    profile = guided_profile(gateways=("edge", "inner"))
    async with running(stage, made, roster(profile, gateways=(EDGE, INNER))) as fleet:
        await guided(fleet.drivers[AGENT], made[1])
        agents = () if is_dismissed else (replace(profile, gateways=("edge",)),)
        await fleet.configure(roster(*agents))
        edge, inner = made
        assert inner.closed
        assert inner.shares[-1] == 0, "a candidate keeps its share where nobody watches it"
        assert inner.held[AGENT].candidate == NEW, "what is in flight was lost"
        assert is_dismissed or edge.shares[-1] == 50


async def test_a_gateway_that_is_let_go_of_and_is_frozen_holds_nothing_up_for_long(stage, made, caplog):
    profile = guided_profile(gateways=("edge", "inner"))
    async with running(stage, made, roster(profile, gateways=(EDGE, INNER))) as fleet:
        await guided(fleet.drivers[AGENT], made[1])
        made[1].answers += [never, never]
        began_s = now_s()
        await fleet.configure(roster(replace(profile, gateways=("edge",))))
        assert now_s() - began_s <= LAST_WORD_S
        assert made[1].closed
        assert "nobody looks after that any more" in caplog.text


async def test_no_driver_gives_anything_to_a_gateway_that_is_being_let_go_of(stage, made):
    profile = guided_profile(gateways=("edge", "inner"))
    async with running(stage, made, roster(profile, gateways=(EDGE, INNER))) as fleet, Tasks() as tasks:
        driver = fleet.drivers[AGENT]
        await guided(driver, made[1])
        frozen = asyncio.Event()

        async def thaw():
            await frozen.wait()
            return Applied.CONFIRMED

        made[1].answers.append(thaw)
        tasks.start("configure", fleet.configure(roster(replace(profile, gateways=("edge",)))))
        await until(lambda: made[1].shares[-1] == 0)
        await set_split(driver, 90)
        await passes(1.0)
        frozen.set()
        await until(lambda: made[1].closed)
        assert made[1].shares[-1] == 0, "a candidate keeps its share where nobody watches it"


async def test_a_gateway_that_does_not_start_is_applied_to_all_the_same(stage, made, caplog):
    class Failing(Gateway):
        async def start(self, assignments):
            await super().start(assignments)
            if len(made) > 1:
                raise KeyError("a bug")

    async with running(stage, made, roster(PROFILE), kind=Failing) as fleet:
        await until(lambda: made[0].held)
        await fleet.configure(roster(PROFILE, gateways=(replace(EDGE, options=2),)))
        assert "edge did not start" in caplog.text
        await until(lambda: AGENT in made[1].held)
        assert fleet.adapters["edge"] is made[1], "no rollback would reach it any more"


async def test_a_gateway_that_cannot_be_made_changes_nothing(stage, made):
    async with running(stage, made, roster(PROFILE)) as fleet:
        await until(lambda: made[0].held)

        def refuse(profile):
            if profile.name == "inner":
                raise ValueError("two listeners of one name")
            made.append(Gateway(profile.name, stage.log))
            return made[-1]

        fleet._make = refuse
        with pytest.raises(ValueError, match="two listeners"):
            await fleet.configure(roster(OTHER, gateways=(replace(EDGE, options=2), INNER)))
        assert fleet.adapters["edge"] is made[0]
        assert not made[0].closed, "what ran before does not go on"
        assert made[1].closed, "what was made for settings that are refused is left behind"
        assert set(fleet.drivers) == {AGENT}


async def test_a_rollback_while_a_gateway_is_being_replaced_is_applied_to_the_new_one(stage, made):
    slow = asyncio.Event()

    class Slow(Gateway):
        async def start(self, assignments):
            await super().start(assignments)
            if len(made) > 1:
                await slow.wait()

    profile = guided_profile()
    async with running(stage, made, roster(profile), kind=Slow) as fleet, Tasks() as tasks:
        driver = fleet.drivers[AGENT]
        await guided(driver, made[0])
        tasks.start("configure", fleet.configure(roster(profile, gateways=(replace(EDGE, options=2),))))
        await until(lambda: len(made) == 2 and made[1].started)
        state = await driver.ask(asks(e.RollbackAsked))
        assert state.split == ALL_STABLE
        slow.set()
        await until(lambda: made[1].shares and driver.state.all_confirmed)
        assert made[1].shares[-1] == 0, "the new gateway keeps the candidate's share for good"


async def test_what_has_not_changed_is_not_touched(stage, made):
    async with running(stage, made, roster(PROFILE)) as fleet:
        await until(lambda: made[0].held)
        driver, asked = fleet.drivers[AGENT], len(made[0].asked)
        await fleet.configure(roster(PROFILE))
        await passes(1.0)
        assert fleet.drivers[AGENT] is driver
        assert len(made) == 1
        assert len(made[0].asked) == asked


async def test_a_gateway_with_other_options_is_started_anew_with_all_its_agents(stage, made):
    async with running(stage, made, roster(PROFILE, OTHER)) as fleet:
        await fleet.configure(roster(PROFILE, OTHER, gateways=(replace(EDGE, options=2),)))
        old, new = made
        assert old.closed
        assert set(new.started[0]) == {AGENT, "translator"}
        await until(lambda: set(new.held) == {AGENT, "translator"})


async def test_gateways_come_and_go(stage, made):
    async with running(stage, made, roster(PROFILE)) as fleet:
        both = replace(PROFILE, gateways=("edge", "inner"))
        await fleet.configure(roster(both, gateways=(EDGE, INNER)))
        await until(lambda: fleet.drivers[AGENT].state.gateways == {"edge", "inner"})
        await fleet.configure(roster(replace(PROFILE, gateways=("inner",)), gateways=(INNER,)))
        await until(lambda: fleet.drivers[AGENT].state.gateways == {"inner"})
        assert [gateway.closed for gateway in made] == [True, False]
        assert set(fleet.adapters) == {"inner"}


async def test_a_driver_that_fails_begins_again_from_the_journal_and_takes_nobody_with_it(stage, made):
    async with running(stage, made, roster(PROFILE, OTHER)) as fleet:
        await until(lambda: len(made[0].held) == 2)
        failed, other = fleet.drivers[AGENT], fleet.drivers["translator"]
        made[0].answers.append(ZeroDivisionError("a bug"))
        await failed.configure(replace(PROFILE, retries=1))
        await until(lambda: fleet.drivers[AGENT] is not failed, within_s=2 * RESTART_MIN_S)
        assert replace(fleet.drivers[AGENT].state, confirmed=failed.state.confirmed) == failed.state
        assert fleet.drivers["translator"] is other
        await until(lambda: fleet.drivers[AGENT].state.all_confirmed)


async def test_settings_that_come_while_a_driver_is_down_are_not_lost(stage, made):
    async with running(stage, made, roster(PROFILE)) as fleet:
        await until(lambda: made[0].held)
        failed = fleet.drivers[AGENT]
        made[0].answers.append(ZeroDivisionError("a bug"))
        await failed.configure(replace(PROFILE, retries=1))
        await passes(RESTART_MIN_S / 2)
        await fleet.configure(roster(replace(PROFILE, retries=2)))
        await until(lambda: made[0].held[AGENT].retries == 2)


async def test_a_journal_that_fails_just_then_holds_nobody_up(stage, made):
    async with running(stage, made, roster(PROFILE, OTHER)) as fleet:
        await until(lambda: len(made[0].held) == 2)
        failed = fleet.drivers[AGENT]
        stage.journal.full()
        made[0].answers.append(ZeroDivisionError("a bug"))
        await failed.configure(replace(PROFILE, retries=1))
        await until(lambda: fleet.drivers[AGENT] is not failed, within_s=2 * RESTART_MIN_S)
        await until(lambda: fleet.drivers[AGENT].state.all_confirmed)
        drained = fleet.drivers["translator"].ask(asks(e.DrainAsked, version_name="9.9.9", deadline_s=1.0))
        with pytest.raises(Exception, match="not known"):
            await drained


async def test_a_rollback_that_the_disk_did_not_take_outlives_a_driver_that_fails(stage, made):
    profile = guided_profile()
    async with running(stage, made, roster(profile)) as fleet:
        failed = fleet.drivers[AGENT]
        await guided(failed, made[0])
        stage.journal.full()
        await failed.ask(asks(e.RollbackAsked))
        await until(lambda: failed.state.all_confirmed)
        stage.journal.trouble = None  # it can be read, and does not know of the rollback
        made[0].answers.append(ZeroDivisionError("a bug"))
        await failed.configure(replace(profile, retries=1))
        await until(lambda: fleet.drivers[AGENT] is not failed, within_s=2 * RESTART_MIN_S)
        await until(lambda: fleet.drivers[AGENT].state.all_confirmed)
        assert made[0].shares[-1] == 0, "a candidate got back the traffic that had been taken from it"
        assert 50 not in made[0].shares[made[0].shares.index(0, 2) :]


async def test_a_driver_that_fails_waits_for_no_disk_that_hangs(stage, made):
    async with running(stage, made, roster(PROFILE)) as fleet:
        await until(lambda: made[0].held)
        failed = fleet.drivers[AGENT]
        stage.journal.frozen = True
        made[0].answers.append(ZeroDivisionError("a bug"))
        await failed.configure(replace(PROFILE, retries=1))
        within_s = 2 * RESTART_MIN_S + RECALL_PATIENCE_S
        await until(lambda: fleet.drivers[AGENT] is not failed, within_s=within_s)
        await until(lambda: fleet.drivers[AGENT].state.all_confirmed)


async def test_a_step_that_was_refused_and_got_to_the_disk_late_is_not_gone_on_with(stage, made):
    profile = guided_profile()
    async with running(stage, made, roster(profile)) as fleet:
        failed = fleet.drivers[AGENT]
        await guided(failed, made[0], 10)
        ahead = replace(failed.state, split=Split(9_000), changes=failed.state.changes + 1)
        event = asks(e.SplitSet, split=Split(9_000))
        body = transition_body(event, ahead, judge_seq=0)
        await stage.journal.append(AGENT, TRANSITION, body, actor="ann", at_s=now_s())
        made[0].answers.append(ZeroDivisionError("a bug"))
        await failed.configure(replace(profile, retries=1))
        await until(lambda: fleet.drivers[AGENT] is not failed, within_s=2 * RESTART_MIN_S)
        await until(lambda: fleet.drivers[AGENT].state.all_confirmed)
        assert 90 not in made[0].shares, "a candidate got what an operator had been told it did not get"


async def test_on_leaving_every_gateway_is_let_go(stage, made):
    async with running(stage, made, roster(PROFILE, gateways=(EDGE, INNER))):
        pass
    assert [gateway.closed for gateway in made] == [True, True]
