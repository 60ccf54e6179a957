from dataclasses import replace

from adapters.port import ALL_STABLE, Split, Stickiness, Version
from controller.rollout.state import Drain
from tests.unit.controller.runtime.stage import NEW, OLD, PROFILE, STATE

OLDER = Version("1.1.0", ("10.0.0.9:3000",))


def test_a_gateway_is_told_everything_it_needs():
    profile = replace(
        PROFILE,
        stickiness=Stickiness(header="x-session-id"),
        dead_man_s=30.0,
        request_timeout_s=5.0,
        retries=1,
        indicators=("unsafe",),
    )
    told = profile.assignment(replace(STATE, candidate=NEW, split=Split(1000)))
    assert (told.agent, told.route) == (PROFILE.agent, PROFILE.route)
    assert (told.stable, told.candidate, told.split) == (OLD, NEW, Split(1000))
    assert (told.stickiness, told.dead_man_s) == (profile.stickiness, 30.0)
    assert (told.request_timeout_s, told.retries, told.indicators) == (5.0, 1, ("unsafe",))


def test_an_agent_without_a_candidate_is_all_stable():
    told = PROFILE.assignment(STATE)
    assert (told.candidate, told.split, told.draining) == (None, ALL_STABLE, ())


def test_what_drains_and_what_may_return_stays_known():
    state = replace(STATE, drains=(Drain(NEW, 5.0),), previous=OLDER)
    assert PROFILE.assignment(state).draining == (NEW, OLDER), "an instant return would need a warm-up"


def test_a_version_is_known_in_one_role_only():
    state = replace(STATE, drains=(Drain(OLDER, 5.0),), previous=OLDER)
    assert PROFILE.assignment(state).draining == (OLDER,)
    state = replace(STATE, candidate=NEW, drains=(Drain(NEW, 5.0),))
    assert PROFILE.assignment(state).draining == (), "a version that serves would be drained"
