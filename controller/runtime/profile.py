"""What the operator's settings say about one agent, as the runtime needs it. Made in ``controller.app``."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.port import Assignment, Route, Stickiness, Version
from controller.analysis.verdict import Judge
from controller.evolution.gates import Gate
from controller.metrics.promql import Query
from controller.rollout.events import SettingsChanged
from controller.rollout.plan import OnDrift, Plan
from controller.rollout.state import State


@dataclass(frozen=True, slots=True)
class Profile:
    """One agent's settings.

    Attributes:
        agent: its name.
        gateways: the names of the gateways that carry its traffic.
        route: which requests belong to it.
        stable: the stable version that the settings name.
        candidate: the candidate to be guided by hand that the settings name, if any.
        plan: the steps of its rollouts.
        gate: what a proposal must bring.
        judge: what its candidates are judged by; None where there are no objectives.
        stickiness, dead_man_s, request_timeout_s, retries, indicators, latency_limits_s, drain_deadline_s: see
            :class:`~adapters.port.Assignment`.
        on_drift: what is done when somebody has changed one of its gateways by hand.
        queries: the indicators that a Prometheus is asked for.
    """

    agent: str
    gateways: tuple[str, ...]
    route: Route
    stable: Version
    plan: Plan
    gate: Gate
    candidate: Version | None = None
    judge: Judge | None = None
    stickiness: Stickiness | None = None
    dead_man_s: float | None = None
    request_timeout_s: float | None = None
    retries: int = 0
    indicators: tuple[str, ...] = ()
    latency_limits_s: tuple[float, ...] = ()
    queries: tuple[Query, ...] = ()
    on_drift: OnDrift = OnDrift.ASK
    drain_deadline_s: float = 60.0

    def declared(self, now_s: float) -> SettingsChanged:
        """What the settings say, as the event that a change of them is."""
        return SettingsChanged(
            now_s=now_s,
            stable=self.stable,
            candidate=self.candidate,
            gateways=frozenset(self.gateways),
            drain_deadline_s=self.drain_deadline_s,
            keep_s=self.plan.keep_s,
        )

    def assignment(self, state: State) -> Assignment:
        """All that a gateway must know of the agent in this state. Pure."""
        serving = {version.name for version in (state.stable, state.candidate) if version}
        waiting = [drain.version for drain in state.drains]
        if state.previous is not None:
            waiting.append(state.previous)
        draining = {version.name: version for version in waiting if version.name not in serving}
        return Assignment(
            agent=self.agent,
            route=self.route,
            stable=state.stable,
            candidate=state.candidate,
            split=state.split,
            draining=tuple(draining.values()),
            stickiness=self.stickiness,
            dead_man_s=self.dead_man_s,
            request_timeout_s=self.request_timeout_s,
            retries=self.retries,
            indicators=self.indicators,
            latency_limits_s=self.latency_limits_s,
            drain_deadline_s=self.drain_deadline_s,
        )
