"""A state that breaks an invariant cannot be made, and so cannot be read from a journal either."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from adapters.port import Split
from controller.rollout.state import RESTING, SERVING, UNSERVED, Phase, State, Timer, new_state
from tests.unit.controller.rollout.playbook import GUARDED, NEW, NEXT, OLD, play_to


def test_every_phase_is_resting_unserved_serving_or_on_its_way_back():
    groups = [RESTING, UNSERVED, SERVING, {Phase.ROLLING_BACK}]
    assert sorted(phase for group in groups for phase in group) == sorted(Phase)


@pytest.mark.parametrize(
    ("phase", "changes", "why"),
    [
        (Phase.IDLE, {"split": Split(100)}, "a split without a candidate"),
        (Phase.IDLE, {"phase": Phase.PENDING}, "a phase without a rollout"),
        (Phase.PENDING, {"candidate": NEW, "split": Split(100)}, "traffic in a wrong phase"),
        (Phase.PROMOTED, {"candidate": NEXT, "split": Split(100)}, "traffic in a wrong phase"),
        (Phase.ROLLING_BACK, {"split": Split(100)}, "traffic in a wrong phase"),
        (Phase.DEPLOYING, {"split": Split(100)}, "more than the step allows"),
        (Phase.HEALTH_CHECK, {"split": Split(101)}, "more than the step allows"),
        (Phase.PAUSED, {"split": Split(1000)}, "more than the step allows"),
        (Phase.HEALTH_CHECK, {"candidate": NEXT}, "another candidate"),
    ],
)
def test_what_must_never_be_cannot_be_made(phase, changes, why):
    state = play_to(phase).state
    with pytest.raises(AssertionError, match=why):
        replace(state, **changes)


def test_a_tampered_record_is_not_read():
    adapter = TypeAdapter(State)
    record = json.loads(adapter.dump_json(play_to(Phase.HEALTH_CHECK).state))
    record["split"]["candidate_bp"] = 9000
    with pytest.raises((AssertionError, ValueError), match="more than the step allows"):
        adapter.validate_python(record)


@pytest.mark.parametrize("phase", Phase)
def test_a_state_of_every_phase_survives_the_journal(phase):
    adapter, state = TypeAdapter(State), play_to(phase).state
    assert adapter.validate_json(adapter.dump_json(state)) == state, "a restart goes on from another state"


def test_nothing_is_confirmed_by_no_gateway():
    assert not new_state("code-assistant", OLD, frozenset()).all_confirmed


def test_the_most_that_is_allowed_follows_the_phase():
    allowed = {phase: play_to(phase).state.bp_max for phase in Phase}
    with_traffic = {phase: bp for phase, bp in allowed.items() if bp}
    assert with_traffic == {Phase.HEALTH_CHECK: 100, Phase.PAUSED: 100, Phase.PROMOTING: 10_000}


def test_a_version_serves_by_its_name():
    state = play_to(Phase.HEALTH_CHECK).state
    assert state.serves(replace(NEW, endpoints=()))
    assert state.serves(OLD)
    assert not state.serves(NEXT)
    assert not play_to(Phase.DEPLOYING).state.serves(NEW), "a candidate at 0 % serves nothing"


def test_a_timer_is_set_moved_and_taken_away():
    state = new_state("code-assistant", OLD, frozenset({"edge"}))
    twice = state.timed(Timer.HOLD, 1.0).timed(Timer.KEEP, 2.0).timed(Timer.HOLD, 3.0)
    assert twice.timers == {Timer.HOLD: 3.0, Timer.KEEP: 2.0}
    assert twice.timed(Timer.HOLD, None).timers == {Timer.KEEP: 2.0}
    assert not state.timers, "a state was changed in place"


def test_the_present_step_is_none_once_it_promotes():
    assert play_to(Phase.HEALTH_CHECK).rollout.present_step == GUARDED.steps[0]
    assert play_to(Phase.PROMOTING).rollout.present_step is None
