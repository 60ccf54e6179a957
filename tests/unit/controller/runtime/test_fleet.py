import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from adapters.port import GatewayError
from controller.errors import NotFoundError
from controller.journal.errors import JournalError
from controller.rollout import events as e
from controller.runtime.fleet import RESTART_MAX_S, RESTART_MIN_S, Fleet, GatewayProfile, Roster
from controller.runtime.tasks import Tasks
from tests.sim.clock import passes, until
from tests.unit.controller.runtime.stage import AGENT, OLD, PROFILE, Gateway, asks

OTHER = replace(PROFILE, agent="translator")
EDGE, INNER = GatewayProfile("edge", "fake", 1), GatewayProfile("inner", "fake", 1)


def roster(*profiles, gateways=(EDGE,)):
    return Roster({gateway.name: gateway for gateway in gateways}, {profile.agent: profile for profile in profiles})


@pytest.fixture
def made():
    return []


@asynccontextmanager
async def running(stage, made, first):
    def make(profile):
        made.append(Gateway(profile.name, stage.log))
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
        assert made[0].removed == [AGENT]
        with pytest.raises(NotFoundError, match="translator"):
            fleet.driver(AGENT)
        assert fleet.driver("translator").profile == OTHER


async def test_a_gateway_that_cannot_be_told_to_forget_stops_no_change(stage, made):
    async with running(stage, made, roster(PROFILE)) as fleet:
        await until(lambda: made[0].held)
        made[0].answers.append(GatewayError("edge", "unreachable", "no answer", retryable=True))
        await fleet.configure(roster(OTHER))
        assert set(fleet.roster.agents) == {"translator"}, "new settings were lost because a gateway was away"


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


async def test_a_journal_that_fails_just_then_is_waited_for(stage, made):
    async with running(stage, made, roster(PROFILE, OTHER)) as fleet:
        await until(lambda: len(made[0].held) == 2)
        failed = fleet.drivers[AGENT]
        stage.journal.full()
        made[0].answers.append(ZeroDivisionError("a bug"))
        await failed.configure(replace(PROFILE, retries=1))
        await passes(5.0)
        assert fleet.drivers[AGENT] is failed
        stage.journal.trouble = None
        await until(lambda: fleet.drivers[AGENT] is not failed, within_s=RESTART_MAX_S)
        drained = fleet.drivers["translator"].ask(asks(e.DrainAsked, version_name="9.9.9", deadline_s=1.0))
        with pytest.raises(Exception, match="not known"):
            await drained


async def test_on_leaving_every_gateway_is_let_go(stage, made):
    async with running(stage, made, roster(PROFILE, gateways=(EDGE, INNER))):
        pass
    assert [gateway.closed for gateway in made] == [True, True]
