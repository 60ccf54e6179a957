from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from controller.rollout.commands import Announce, CheckGates, Command, Probe


@pytest.mark.parametrize("kind", get_args(Command))
def test_a_command_says_what_it_is_about(kind):
    """An answer names its command back; one that could belong to two rollouts would be believed by the wrong one."""
    assert dataclasses.fields(kind), f"{kind.__name__} names nothing that its answer could name"
    assert kind.__dataclass_params__.frozen


def test_commands_are_values():
    assert {CheckGates("p1"), CheckGates("p1"), Probe("p1")} == {CheckGates("p1"), Probe("p1")}
    assert Announce("step", "1 %") != Announce("step", "2 %")
