"""The simulation in small, on every run of the tests; `make sim` plays thousands of seeds."""

from __future__ import annotations

import pytest

from .campaign import chance_of_at_least, play, quiet, story
from .sabotage import SABOTAGES
from .scenario import draw
from .world import run

SEEDS = 150
SABOTAGE_SEEDS_MAX = 400
CRASHING_SEED = next(seed for seed in range(1000) if min(draw(seed).kills_at[:1], default=1000) < 50)
"""Its controller is killed early."""


@pytest.fixture(autouse=True)
def _quiet():
    with quiet():
        yield


def test_every_law_holds():
    campaign, broken = play(range(SEEDS))
    assert broken is None, story(broken)
    assert not campaign.promise_broken, campaign.promise_broken
    assert campaign.outcomes["promoted"], "nothing was ever promoted: the simulation proves little"
    assert campaign.outcomes["rolled-back"], "nothing was ever rolled back: the simulation proves little"
    assert campaign.named, "no gateway that gave another share than it said was ever named"
    assert campaign.hands, "no gateway was ever changed by hand"
    assert campaign.restarts, "no controller was ever killed: the simulation proves little"


def test_a_seed_replays_exactly():
    first, second = run(CRASHING_SEED), run(CRASHING_SEED)
    assert first.restarts, "the seed was chosen for its crash"
    assert first.digest == second.digest, "a failure that was found could not be found again"
    assert run(CRASHING_SEED + 1).digest != first.digest


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_broken_core_is_noticed(name):
    with SABOTAGES[name]():
        campaign, broken = play(range(SABOTAGE_SEEDS_MAX))
    assert broken is not None, f"{name}, and {campaign.seeds} seeds did not notice"
    told = story(broken)
    assert f"make sim SEED={broken.seed}" in told, "nobody would know how to see it again"
    assert len(broken.last) <= 30


@pytest.mark.parametrize("of", [200, 5000])
def test_alpha_is_doubted_only_when_it_must_be(of):
    assert chance_of_at_least(of // 20, of, 0.05) > 0.1, "a promise that is just kept would be called broken"
    assert chance_of_at_least(of // 5, of, 0.05) < 1e-6, "four times as many false alarms would pass"
