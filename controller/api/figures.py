"""The fleet in figures, for the meters."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.port import WHOLE_BP, GatewayStatus, Split, Track
from controller.observe.meters import AgentFigures, Figures
from controller.rollout.state import Phase
from controller.runtime.driver import Driver
from controller.runtime.fleet import Fleet
from controller.runtime.traffic import track_of


def figures(fleet: Fleet, statuses: Mapping[str, GatewayStatus]) -> Figures:
    """What the gauges show now."""
    return Figures(
        agents=[_agent(fleet.drivers[name]) for name in sorted(fleet.drivers)],
        gateways_up={name: status.reachable for name, status in statuses.items()},
    )


def _agent(driver: Driver) -> AgentFigures:
    state, traffic, assessment = driver.state, driver.traffic, driver.watch.assessment
    confirmed: dict[tuple[str, str], float] = {}
    observed: dict[tuple[str, str], float] = {}
    in_flight: dict[tuple[str, str], int] = {}
    for gateway in sorted(state.gateways):
        link = driver.hands.links.get(gateway)
        if link is not None and link.confirmed is not None:
            confirmed |= {(gateway, track): ratio for track, ratio in _ratios(link.confirmed).items()}
        counted = {track_of(name, state): count for name, count in traffic.share_requests(gateway).items()}
        total = sum(count for track, count in counted.items() if track)
        if total:
            observed |= {(gateway, track.value): counted.get(track, 0) / total for track in Track}
        newest = traffic.newest.get(gateway)
        for name, count in newest.in_flight.items() if newest else ():
            if (track := track_of(name, state)) is not None:
                in_flight[gateway, track.value] = count
    return AgentFigures(
        agent=state.agent,
        phase=state.phase.value,
        phases=[phase.value for phase in Phase],
        wanted=_ratios(state.split),
        confirmed=confirmed,
        observed=observed,
        requests={
            (gateway, track.value): (counts.good, counts.bad) for (gateway, track), counts in traffic.requests.items()
        },
        in_flight=in_flight,
        evidence={finding.objective: finding.evidence_ratio for finding in assessment.findings} if assessment else {},
    )


def _ratios(split: Split) -> dict[str, float]:
    return {Track.STABLE.value: split.stable_bp / WHOLE_BP, Track.CANDIDATE.value: split.candidate_bp / WHOLE_BP}
