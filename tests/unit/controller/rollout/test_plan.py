from __future__ import annotations

import pytest

from adapters.port import WHOLE_BP, Split
from controller.rollout.plan import Plan, Step


@pytest.mark.parametrize(("step", "bp"), [(0, 100), (1, 2500), (2, WHOLE_BP), (3, WHOLE_BP)])
def test_a_step_allows_its_share_and_only_promotion_allows_everything(step, bp):
    plan = Plan((Step(Split(100), 1), Step(Split(2500), 1)))
    assert plan.bp_max(step) == bp


def test_a_mirrored_step_allows_no_live_request():
    assert Plan((Step(Split(mirror_bp=500), 1),)).bp_max(0) == 0, "clients would see a candidate that is only mirrored"
