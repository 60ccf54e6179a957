"""From what gateways observed to what the ledger counts. Pure."""

from __future__ import annotations

from math import isfinite

from adapters.port import Observation, Tally
from controller.analysis.counters import Cumulative, Reading, Series
from controller.analysis.indicators import ERROR


def reading(observation: Observation) -> Reading:
    """One gateway's observation as a reading: errors over requests, and each outcome over those that reported it.

    An outcome is 0 or 1 per request. A gateway hands on sums only, so a sum that is no whole number is rounded down,
    and one that is larger than the number of requests counts them all. One that is no number at all says nothing.
    """
    counters: dict[Series, Cumulative] = {}
    for version, tally in observation.tallies.items():
        counters[Series(version, ERROR)] = Cumulative(tally.requests, min(tally.errors, tally.requests))
        counters.update(_outcomes(version, tally))
    return Reading(observation.gateway, observation.epoch, counters)


def _outcomes(version: str, tally: Tally) -> dict[Series, Cumulative]:
    return {
        Series(version, name): Cumulative(count, max(0, min(int(total), count)))
        for name, (count, total) in tally.indicators.items()
        if count >= 0 and isfinite(total)
    }
