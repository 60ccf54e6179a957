"""Load reports, which are deltas of one node each, summed to cumulative counts per agent and version. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from adapters.port import Assignment, Tally, Track
from xds.load_reports import LoadReport, VersionLoad

OUTCOME_PREFIX = "named_metrics."
TRACKS = frozenset(track.value for track in Track)
VERSIONS_MAX = 32
"""Of one agent, the versions whose counts are kept; the one that was heard of longest ago goes first."""

NODES_MAX = 10_000
"""Of one gateway, the nodes that are remembered, as many as the xDS server lets in; the one that was heard of longest
ago goes first."""


@dataclass(slots=True)
class _Counts:
    """The counts of one version, in the making: a new tally at each report would cost more than all the rest."""

    requests: int = 0
    errors: int = 0
    indicators: dict[str, tuple[int, float]] = field(default_factory=dict)

    def add(self, load: VersionLoad, wanted: Collection[str]) -> None:
        self.requests += load.successes + load.errors
        self.errors += load.errors
        for metric, outcome in load.outcomes.items():
            name = metric.removeprefix(OUTCOME_PREFIX)
            if name in wanted:  # gRPC's own clients report whatever an agent says
                count, total = self.indicators.get(name, (0, 0.0))
                self.indicators[name] = (count + outcome.requests, total + outcome.total)

    def tally(self) -> Tally:
        return Tally(self.requests, self.errors, dict(self.indicators))


@dataclass(slots=True)
class _Node:
    """What one node said last: when, and who had how many requests in flight; nobody who had none."""

    at_s: float
    in_flight: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(slots=True)
class Tallies:
    """What the nodes of one gateway have reported since it was made.

    It is asked for each agent again and again, so what it is asked costs by what there is to say, not by all nodes.
    """

    _counts: dict[str, dict[str, _Counts]] = field(default_factory=dict)
    _nodes: dict[str, _Node] = field(default_factory=dict)  # the one that was heard of longest ago comes first
    _busy: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _silent: set[str] = field(default_factory=set)
    _silent_of: Mapping[str, float] | None = None

    def take(self, report: LoadReport, now_s: float, wanted: Mapping[str, Assignment]) -> None:
        """Add what one report says of the agents that are ``wanted``. What it leaves out has nothing in flight, and
        nothing new.
        """
        self._clear(report.node_id)
        node = self._nodes[report.node_id] = _Node(now_s)
        self._silent.discard(report.node_id)
        if len(self._nodes) > NODES_MAX:
            self._clear(next(iter(self._nodes)))
            self._silent_of = None
        for load in report.clusters:
            agent, _, track = load.cluster.rpartition("/")
            if agent not in wanted or track not in TRACKS:
                continue
            for version in load.versions:
                if version.in_flight:
                    key = (agent, version.version)
                    node.in_flight[key] = node.in_flight.get(key, 0) + version.in_flight
                    self._busy.setdefault(key, set()).add(report.node_id)
                self._add(agent, version, wanted[agent].indicators)

    def _clear(self, name: str) -> None:
        node = self._nodes.pop(name, None)
        for key in node.in_flight if node else ():
            self._busy[key].discard(name)
            if not self._busy[key]:
                del self._busy[key]

    def _add(self, agent: str, load: VersionLoad, indicators: Collection[str]) -> None:
        versions = self._counts.setdefault(agent, {})
        counts = versions[load.version] = versions.pop(load.version) if load.version in versions else _Counts()
        counts.add(load, indicators)
        while len(versions) > VERSIONS_MAX:
            del versions[next(iter(versions))]

    def of(self, agent: str, known: Collection[str]) -> dict[str, Tally]:
        """Cumulative counts per version; a version that is ``known`` to the nodes and has none counts zero."""
        counted = {version: counts.tally() for version, counts in self._counts.get(agent, {}).items()}
        return {**dict.fromkeys(known, Tally()), **counted}

    def in_flight(self, agent: str, known: Collection[str], nodes: Collection[str]) -> dict[str, int]:
        """Requests in flight per version, over what each of ``nodes`` has said last."""
        return {version: self._open((agent, version), nodes) for version in known}

    def _open(self, key: tuple[str, str], nodes: Collection[str]) -> int:
        return sum(self._nodes[name].in_flight[key] for name in self._busy.get(key, ()) if name in nodes)

    def age_s(self, nodes: Collection[str], now_s: float) -> float | None:
        """How long ago the quietest of ``nodes`` reported, of those that ever did; None if none has."""
        return next((now_s - node.at_s for name, node in self._nodes.items() if name in nodes), None)

    def silent(self, nodes: Mapping[str, float]) -> Collection[str]:
        """Those of ``nodes``, by the moment at which they connected, that have not reported since.

        Args:
            nodes: worked out once for each such object, which does not change.
        """
        if nodes is not self._silent_of:
            self._silent_of = nodes
            self._silent = {
                name for name, since_s in nodes.items() if name not in self._nodes or self._nodes[name].at_s < since_s
            }
        return self._silent

    def __len__(self) -> int:
        return len(self._nodes)

    def keep(self, agents: Collection[str]) -> None:
        """Forget every other agent."""
        self._counts = {agent: counts for agent, counts in self._counts.items() if agent in agents}

    def keep_nodes(self, nodes: Collection[str]) -> None:
        """Forget every other node; what it has counted stays."""
        for name in [name for name in self._nodes if name not in nodes]:
            self._clear(name)
        self._silent_of = None
