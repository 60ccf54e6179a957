import numpy as np
import pytest

from controller.analysis.alarm import Alarm
from controller.analysis.indicators import Counts


def fed(alarm, max_rate, rng, rate, blocks, size=100):
    for _ in range(blocks):
        alarm = alarm.after(Counts(size, int(rng.binomial(size, rate))), max_rate)
    return alarm


@pytest.mark.parametrize(("max_rate", "normal", "outage"), [(0.01, 0.005, 0.3), (0.05, 0.01, 0.4), (0.2, 0.1, 0.6)])
def test_it_rises_in_a_block_and_falls_soon(max_rate, normal, outage):
    rng = np.random.default_rng(3)
    alarm = fed(Alarm(), max_rate, rng, normal, 200)
    assert not alarm.up
    alarm = fed(alarm, max_rate, rng, outage, 1)
    assert alarm.up, "the first second of a shared outage would not be seen as shared"
    alarm = fed(alarm, max_rate, rng, outage, 600)
    alarm = fed(alarm, max_rate, rng, normal, 5)
    assert not alarm.up, "a long outage that has ended would excuse the candidate for long"


def test_it_seldom_cries_wolf_at_the_very_limit():
    rng, false_alarms, was_up = np.random.default_rng(4), 0, False
    alarm = Alarm()
    for _ in range(5_000):
        alarm = fed(alarm, 0.01, rng, 0.01, 1, size=50)
        false_alarms += alarm.up and not was_up
        was_up = alarm.up
    assert false_alarms <= 10, "a stable version right at its objective would pause rollouts all day"


def test_silence_changes_nothing():
    alarm = Alarm().after(Counts(50, 20), 0.01)
    assert alarm.after(Counts(), 0.01).up == alarm.up is True
