from dataclasses import replace

import pytest

from adapters.port import ALL_STABLE, Split
from controller.analysis.verdict import Verdict
from controller.rollout.plan import Plan, Step
from controller.rollout.state import Phase, Rollout
from controller.runtime.haste import goes_back
from tests.unit.controller.runtime.stage import NEW, OLD, STATE

GUIDED = replace(STATE, candidate=NEW, split=Split(5000))
ROLLOUT = Rollout("p1", NEW, Plan((Step(Split(1000), 5.0), Step(Split(5000), 5.0))), "digest", 1.0)
SERVED = replace(STATE, candidate=NEW, split=Split(1000), phase=Phase.HEALTH_CHECK, rollout=ROLLOUT)
RETURNING = replace(SERVED, phase=Phase.ROLLING_BACK, split=ALL_STABLE)
RETURNED = replace(RETURNING, phase=Phase.ROLLED_BACK, candidate=None)
PROMOTED = replace(STATE, stable=NEW, previous=OLD, phase=Phase.PROMOTED, rollout=ROLLOUT)

BACK = {
    "a rollback": (SERVED, RETURNING),
    "its confirmations": (RETURNING, replace(RETURNING, confirmed=frozenset({"edge"}))),
    "its end": (RETURNING, RETURNED),
    "a share lowered by hand": (GUIDED, replace(GUIDED, split=Split(1000))),
    "a share taken away by hand": (GUIDED, replace(GUIDED, split=ALL_STABLE)),
    "a confirmation that everything is stable's again": (
        replace(GUIDED, split=ALL_STABLE),
        replace(GUIDED, split=ALL_STABLE, confirmed=frozenset({"edge"})),
    ),
    "less to mirror": (replace(GUIDED, split=Split(0, 500)), replace(GUIDED, split=Split(0, 100))),
    "an undone promotion": (PROMOTED, replace(PROMOTED, stable=OLD, previous=None, phase=Phase.ROLLING_BACK)),
    "one undone at rest": (
        replace(PROMOTED, phase=Phase.EXPIRED),
        replace(PROMOTED, phase=Phase.EXPIRED, stable=OLD, previous=None),
    ),
    "one undone while a proposal waits": (
        replace(PROMOTED, phase=Phase.PENDING),
        replace(PROMOTED, phase=Phase.SUPERSEDED, stable=OLD, previous=None),
    ),
    "silence": (replace(SERVED, verdict=Verdict.HEALTHY), replace(SERVED, verdict=Verdict.NO_DATA)),
    "doubt": (replace(SERVED, verdict=Verdict.HEALTHY), replace(SERVED, verdict=Verdict.UNDECIDED)),
    "an outage": (
        replace(SERVED, verdict=Verdict.UNDECIDED),
        replace(SERVED, verdict=Verdict.COMMON_CAUSE, phase=Phase.PAUSED),
    ),
}

HELD = replace(SERVED, confirmed=frozenset({"edge", "inner"}), gateways=frozenset({"edge", "inner"}))
BACK |= {
    "a gateway that began again": (HELD, replace(HELD, confirmed=frozenset({"inner"}))),
    "somebody's hand, taken over": (HELD, replace(HELD, confirmed=frozenset(), revision=HELD.revision + 1)),
    "somebody's hand, asked about": (HELD, replace(HELD, confirmed=frozenset({"inner"}), phase=Phase.PAUSED)),
}

FORWARD = {
    "endpoints that have moved": (
        HELD,
        replace(HELD, stable=replace(OLD, endpoints=("10.0.0.9:1",)), confirmed=frozenset()),
    ),
    "a gateway that joined": (
        HELD,
        replace(HELD, gateways=frozenset({"edge", "inner", "third"}), confirmed=frozenset()),
    ),
    "a return that is not kept any more": (
        replace(PROMOTED, confirmed=frozenset({"edge"})),
        replace(PROMOTED, previous=None, confirmed=frozenset()),
    ),
    "the next step": (SERVED, replace(SERVED, split=Split(5000), rollout=replace(ROLLOUT, step=1))),
    "a larger share by hand": (GUIDED, replace(GUIDED, split=Split(9000))),
    "more to mirror and less to serve": (GUIDED, replace(GUIDED, split=Split(1000, 500))),
    "a promotion": (replace(SERVED, split=Split(10_000), phase=Phase.IDLE, rollout=None), PROMOTED),
    "an operator's pause": (SERVED, replace(SERVED, phase=Phase.PAUSED)),
    "health": (SERVED, replace(SERVED, verdict=Verdict.HEALTHY)),
    "a verdict that ends a step": (
        replace(SERVED, verdict=Verdict.HEALTHY),
        replace(SERVED, verdict=Verdict.UNDECIDED, split=Split(5000), rollout=replace(ROLLOUT, step=1)),
    ),
    "the end of the time to return": (PROMOTED, replace(PROMOTED, previous=None)),
    "anything after a rollback": (RETURNED, replace(RETURNED, drain_deadline_s=1.0)),
    "a confirmation of a share by hand": (GUIDED, replace(GUIDED, confirmed=frozenset({"edge"}))),
    "a confirmation": (SERVED, replace(SERVED, confirmed=frozenset({"edge"}))),
}


@pytest.mark.parametrize("what", BACK)
def test_the_way_back_waits_for_no_disk(what):
    assert goes_back(*BACK[what]), f"{what} would wait for a disk"


@pytest.mark.parametrize("what", FORWARD)
def test_the_way_forward_is_written_first(what):
    assert not goes_back(*FORWARD[what]), f"{what} would be lost in a restart though it was acted upon"
