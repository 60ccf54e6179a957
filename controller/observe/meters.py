"""The controller's own meters, in a registry of their own.

What happens is counted as it happens. What merely *is* (splits, phases, evidence) is read when Prometheus asks, so that
a gauge never tells of an agent that is gone. Nothing here knows the fleet: figures come in as plain values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_APPLY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ACK_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_APPEND_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)

ENDS = ("promoted", "rolled-back", "rejected", "expired", "superseded")
"""How a rollout can end."""

GatewayTrack = tuple[str, str]
"""(gateway, track)."""


@dataclass(frozen=True, slots=True)
class AgentFigures:
    """One agent in plain values. Shares are ratios from 0 to 1.

    Attributes:
        agent: its name.
        phase: the one that it is in, of ``phases``.
        phases: every phase there is.
        wanted: share per track.
        confirmed, observed: share per gateway and track; a pair that is absent is not known.
        requests: (good, bad) per gateway and track, cumulative.
        in_flight: per gateway and track.
        evidence: per objective: 1 is a breach.
    """

    agent: str
    phase: str
    phases: Sequence[str]
    wanted: Mapping[str, float]
    confirmed: Mapping[GatewayTrack, float] = field(default_factory=dict)
    observed: Mapping[GatewayTrack, float] = field(default_factory=dict)
    requests: Mapping[GatewayTrack, tuple[int, int]] = field(default_factory=dict)
    in_flight: Mapping[GatewayTrack, int] = field(default_factory=dict)
    evidence: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figures:
    """All that is read when Prometheus asks."""

    agents: Sequence[AgentFigures] = ()
    gateways_up: Mapping[str, bool] = field(default_factory=dict)


class _Refusal(Protocol):
    """The part of an xDS refusal that is counted."""

    @property
    def type(self) -> str: ...


class Meters:
    """Everything that the controller counts."""

    def __init__(self, version: str) -> None:
        self._registry = registry = CollectorRegistry()
        build = Gauge("turnout_build_info", "The program that runs; always 1.", ["version"], registry=registry)
        build.labels(version).set(1)
        self._rollouts = Counter(
            "turnout_rollouts_total", "Rollouts that ended, by how.", ["agent", "outcome"], registry=registry
        )
        self._apply = Histogram(
            "turnout_gateway_apply_seconds",
            "From asking a gateway to its answer.",
            buckets=_APPLY_BUCKETS_S,
            registry=registry,
        )
        self._gateway_errors = Counter(
            "turnout_gateway_errors_total",
            "Attempts that a gateway did not confirm.",
            ["gateway", "code"],
            registry=registry,
        )
        self._append = Histogram(
            "turnout_journal_append_seconds",
            "From handing records to the journal's disk until they are safe there.",
            buckets=_APPEND_BUCKETS_S,
            registry=registry,
        )
        self._reloads = Counter(
            "turnout_config_reloads_total",
            "Changes of the settings, by what came of them.",
            ["result"],
            registry=registry,
        )
        for result in ("ok", "refused"):
            self._reloads.labels(result)
        self.xds = XdsMeter(registry)

    def receipt(self, gateway: str, code: str, took_s: float) -> None:
        """A gateway answered; ``code`` says why it did not confirm, and is empty when it did."""
        self._apply.observe(took_s)
        if code:
            self._gateway_errors.labels(gateway, code).inc()

    def news(self, agent: str, what: str, phase: str) -> None:
        """Something was announced. It counts when it says that a rollout has ended."""
        if what in ENDS and what == phase:
            self._rollouts.labels(agent, what).inc()

    def journal_append(self, took_s: float) -> None:
        """Records were written, or could not be."""
        self._append.observe(took_s)

    def config_reload(self, *, accepted: bool) -> None:
        """The settings changed, and were taken over or refused."""
        self._reloads.labels("ok" if accepted else "refused").inc()

    def render(self, figures: Figures) -> bytes:
        """Everything in Prometheus' text format, version 0.0.4."""
        return generate_latest(_Scrape(self._registry, figures))


class XdsMeter:
    """What the xDS server counts: hand it in as its ``meter``. Types are ``cds``, ``eds``, ``lds``, ``rds``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._streams = Gauge("turnout_xds_streams", "Discovery streams that are open.", ["gateway"], registry=registry)
        self._pushes = Counter("turnout_xds_pushes_total", "Responses sent.", ["type"], registry=registry)
        self._nacks = Counter("turnout_xds_nacks_total", "Responses refused.", ["type"], registry=registry)
        self._acks = Histogram(
            "turnout_xds_ack_seconds",
            "From sending a response until it is taken.",
            buckets=_ACK_BUCKETS_S,
            registry=registry,
        )
        self._open: dict[str, int] = {}

    def stream_opened(self, group: str) -> None:
        """Count a stream in."""
        self._open[group] = self._open.get(group, 0) + 1
        self._streams.labels(group).set(self._open[group])

    def stream_closed(self, group: str) -> None:
        """Count a stream out; a group without any is forgotten, because anybody may name one."""
        self._open[group] -= 1
        if self._open[group]:
            self._streams.labels(group).set(self._open[group])
        else:
            del self._open[group]
            self._streams.remove(group)

    def pushed(self, group: str, type_: str, size_bytes: int) -> None:
        """Count a response."""
        del group, size_bytes
        self._pushes.labels(type_).inc()

    def acked(self, group: str, type_: str, after_s: float) -> None:
        """Count how long it took to be taken."""
        del group, type_
        self._acks.observe(after_s)

    def nacked(self, refusal: _Refusal) -> None:
        """Count a refusal."""
        self._nacks.labels(refusal.type).inc()


class _Scrape(Collector):
    """What was counted, and what is, together."""

    def __init__(self, registry: CollectorRegistry, figures: Figures) -> None:
        self._registry = registry
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Every family, without the moments at which its counters were made: nobody asked for those."""
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family
        yield from _families(self._figures)


def _families(figures: Figures) -> Iterable[Metric]:
    agent, track, gateway = "agent", "track", "gateway"
    wanted = GaugeMetricFamily("turnout_split_wanted_ratio", "The share that is wanted.", labels=[agent, track])
    confirmed = GaugeMetricFamily(
        "turnout_split_confirmed_ratio", "The share that the gateway has confirmed.", labels=[agent, gateway, track]
    )
    observed = GaugeMetricFamily(
        "turnout_split_observed_ratio",
        "The share of requests since the gateway confirmed the present split.",
        labels=[agent, gateway, track],
    )
    requests = CounterMetricFamily(
        "turnout_requests_total", "Requests that the gateways counted.", labels=[agent, track, gateway, "outcome"]
    )
    in_flight = GaugeMetricFamily("turnout_in_flight", "Requests that are open.", labels=[agent, track, gateway])
    evidence = GaugeMetricFamily(
        "turnout_evidence_ratio", "Log e-value over log threshold: 1 is a breach.", labels=[agent, "objective"]
    )
    phase = GaugeMetricFamily("turnout_phase", "1 for the phase that the agent is in.", labels=[agent, "phase"])
    up = GaugeMetricFamily("turnout_gateway_up", "Whether the gateway can be spoken to.", labels=[gateway])
    for found in figures.agents:
        name = found.agent
        for (at, on), (good, bad) in found.requests.items():
            requests.add_metric([name, on, at, "ok"], good)
            requests.add_metric([name, on, at, "error"], bad)
        for family, shares in ((confirmed, found.confirmed), (observed, found.observed)):
            for (at, on), ratio in shares.items():
                family.add_metric([name, at, on], ratio)
        for on, ratio in found.wanted.items():
            wanted.add_metric([name, on], ratio)
        for (at, on), count in found.in_flight.items():
            in_flight.add_metric([name, on, at], count)
        for objective, ratio in found.evidence.items():
            evidence.add_metric([name, objective], ratio)
        for each in found.phases:
            phase.add_metric([name, each], float(each == found.phase))
    for name, reachable in figures.gateways_up.items():
        up.add_metric([name], float(reachable))
    return wanted, confirmed, observed, requests, in_flight, evidence, phase, up
