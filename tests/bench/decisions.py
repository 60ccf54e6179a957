"""What it costs to judge: the judge's update and assessment per block, and a floor of bare arithmetic."""

from __future__ import annotations

import math
import time

from controller.analysis.indicators import Block, Counts
from controller.analysis.objectives import Objective
from controller.analysis.verdict import Judge

BLOCKS = 2_000
OBJECTIVES = ("error", "task_failed", "unsafe", "over_budget")
ALTERNATIVES = 40


def block_costs(blocks: int) -> tuple[float, float]:
    """Seconds per block of four objectives: (ours, floor)."""
    judge = Judge(tuple(Objective(name, name, 0.05, 0.01) for name in OBJECTIVES), 0.01, 10.0)
    block = {name: Block(candidate=Counts(20, 1), stable=Counts(180, 3)) for name in OBJECTIVES}
    state, began_s = judge.start(0.0), time.perf_counter()
    for number in range(blocks):
        state = judge.update(state, block, float(number))
        judge.assess(state, float(number))
    ours_s = time.perf_counter() - began_s
    return ours_s / blocks, _floor_s(blocks) / blocks


def _floor_s(blocks: int) -> float:
    """One logarithm and two products per alternative and objective: no test can do with less."""
    grid = [0.05 + 0.9 * number / ALTERNATIVES for number in range(ALTERNATIVES)]
    sums = [[0.0] * ALTERNATIVES for _ in OBJECTIVES]
    began_s = time.perf_counter()
    for _ in range(blocks):
        for held in sums:
            for place, rate in enumerate(grid):
                held[place] += math.log(rate) * 1 + math.log1p(-rate) * 19
    return time.perf_counter() - began_s
