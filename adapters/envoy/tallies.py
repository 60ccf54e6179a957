"""Load reports, which are deltas of one node each, summed to cumulative counts per agent and version. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from adapters.port import Tally, Track
from xds.load_reports import LoadReport, VersionLoad

OUTCOME_PREFIX = "named_metrics."
VERSIONS_MAX = 32
"""Of one agent, the versions whose counts are kept; the one that was heard of longest ago goes first."""

NODES_MAX = 4_096
"""Of one gateway, the nodes that are remembered; the one that was heard of longest ago goes first."""


@dataclass(slots=True)
class _Node:
    """What one node said last: when, and who had how many requests in flight."""

    at_s: float
    in_flight: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(slots=True)
class Tallies:
    """What the nodes of one gateway have reported since it was made."""

    _counts: dict[str, dict[str, Tally]] = field(default_factory=dict)
    _nodes: dict[str, _Node] = field(default_factory=dict)

    def take(self, report: LoadReport, now_s: float) -> None:
        """Add one report. What it leaves out has nothing in flight, and nothing new."""
        self._nodes.pop(report.node_id, None)
        node = self._nodes[report.node_id] = _Node(now_s)
        while len(self._nodes) > NODES_MAX:
            del self._nodes[next(iter(self._nodes))]
        for load in report.clusters:
            agent, _, track = load.cluster.rpartition("/")
            if track not in {Track.STABLE.value, Track.CANDIDATE.value}:
                continue
            for version in load.versions:
                key = (agent, version.version)
                node.in_flight[key] = node.in_flight.get(key, 0) + version.in_flight
                self._add(agent, version)

    def _add(self, agent: str, load: VersionLoad) -> None:
        versions = self._counts.setdefault(agent, {})
        before = versions.pop(load.version, Tally())
        versions[load.version] = _plus(before, load)
        while len(versions) > VERSIONS_MAX:
            del versions[next(iter(versions))]

    def of(self, agent: str, known: Collection[str]) -> dict[str, Tally]:
        """Cumulative counts per version; a version that is ``known`` to the nodes and has none counts zero."""
        return {**dict.fromkeys(known, Tally()), **self._counts.get(agent, {})}

    def in_flight(self, agent: str, known: Collection[str], nodes: Collection[str]) -> dict[str, int]:
        """Requests in flight per version, over ``nodes``; empty unless each of them has reported."""
        if not nodes or not all(node in self._nodes for node in nodes):
            return {}
        return {
            version: sum(self._nodes[node].in_flight.get((agent, version), 0) for node in nodes) for version in known
        }

    def age_s(self, nodes: Collection[str], now_s: float) -> float | None:
        """How long ago the quietest of ``nodes`` reported; None if one of them never did."""
        if not nodes or not all(node in self._nodes for node in nodes):
            return None
        return max(now_s - self._nodes[node].at_s for node in nodes)

    def silent(self, nodes: Iterable[str]) -> set[str]:
        """Those of ``nodes`` that have never reported."""
        return {node for node in nodes if node not in self._nodes}

    def keep(self, agents: Collection[str], nodes: Collection[str]) -> None:
        """Forget everybody else."""
        self._counts = {agent: counts for agent, counts in self._counts.items() if agent in agents}
        self._nodes = {name: node for name, node in self._nodes.items() if name in nodes}


def _plus(before: Tally, load: VersionLoad) -> Tally:
    indicators: Mapping[str, tuple[int, float]] = before.indicators
    if load.outcomes:
        summed = dict(indicators)
        for metric, outcome in load.outcomes.items():
            name = metric.removeprefix(OUTCOME_PREFIX)
            count, total = summed.get(name, (0, 0.0))
            summed[name] = (count + outcome.requests, total + outcome.total)
        indicators = summed
    return replace(
        before,
        requests=before.requests + load.successes + load.errors,
        errors=before.errors + load.errors,
        indicators=indicators,
    )
