import re
from dataclasses import replace

import pytest

from adapters.port import Split, Version
from controller.evolution.proposal import Proposal
from controller.rollout.plan import Plan, Step

NEW = Version("1.3.0", ("10.0.0.21:3000",), digest="sha256:new")
PROPOSAL = Proposal("code-assistant", NEW, 0.97, "better at tests")
PLAN = Plan((Step(Split(100), 60.0),))


def test_a_digest_is_stable():
    again = Proposal(
        "code-assistant", Version("1.3.0", ("10.0.0.21:3000",), digest="sha256:new"), 0.97, "better at tests"
    )
    assert PROPOSAL.digest(PLAN) == again.digest(Plan((Step(Split(100), 60.0),)))
    assert re.fullmatch("sha256:[0-9a-f]{64}", PROPOSAL.digest(PLAN))


@pytest.mark.parametrize(
    ("proposal", "plan"),
    [
        (replace(PROPOSAL, agent="translator"), PLAN),
        (replace(PROPOSAL, candidate=replace(NEW, digest="sha256:other")), PLAN),
        (replace(PROPOSAL, candidate=replace(NEW, endpoints=("10.6.6.6:3000",))), PLAN),
        (replace(PROPOSAL, score=0.5), PLAN),
        (replace(PROPOSAL, summary="harmless"), PLAN),
        (PROPOSAL, replace(PLAN, steps=(Step(Split(9000), 60.0),))),
        (PROPOSAL, replace(PLAN, bake_s=1.0)),
        (PROPOSAL, replace(PLAN, consent=True)),
    ],
)
def test_whatever_changes_changes_the_digest(proposal, plan):
    assert proposal.digest(plan) != PROPOSAL.digest(PLAN), "a person would have consented to something else"
