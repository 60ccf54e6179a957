"""From the operator's settings to what the runtime works with. Pure."""

from __future__ import annotations

from adapters.envoy.gateway import EnvoyOptions
from adapters.haproxy.options import HaproxyOptions
from adapters.haproxy.plan import Layout
from adapters.kong.gateway import KongOptions
from adapters.nginx_plus.gateway import NginxPlusOptions
from adapters.openresty.control import TokenAt
from adapters.openresty.gateway import OpenRestyOptions
from adapters.port import WHOLE_BP, Split
from adapters.traefik.client import Credential
from adapters.traefik.gateway import TraefikOptions
from adapters.traefik.translation import HealthCheck
from controller.analysis.indicators import latency_over
from controller.analysis.objectives import Objective
from controller.analysis.verdict import Judge
from controller.evolution.gates import Gate
from controller.metrics.promql import Query
from controller.rollout.plan import OnDrift, Plan, Step, WhenUndecided
from controller.runtime.fleet import GatewayProfile, Roster
from controller.runtime.profile import Profile
from controller.settings.agent import AgentSettings
from controller.settings.gateway import GatewaySettings
from controller.settings.haproxy import HaproxySettings
from controller.settings.kong import KongSettings
from controller.settings.loading import Settings
from controller.settings.nginx_plus import NginxPlusSettings
from controller.settings.objective import ObjectiveSpec
from controller.settings.strategy import StepSpec, StrategySpec
from controller.settings.traefik import TraefikSettings

SILENCE_MAX_S = 10.0
"""No event from the candidate for this long is called ``no-data``; what is left of the deadline then begins to run.
Where a Prometheus is asked less often than that, it is longer."""


def roster_of(settings: Settings) -> Roster:
    """Every gateway and agent of the settings."""
    return Roster(
        gateways={name: gateway_profile(gateway) for name, gateway in settings.gateways.items()},
        agents={name: profile_of(agent) for name, agent in settings.agents.items()},
    )


def gateway_profile(gateway: GatewaySettings) -> GatewayProfile:
    """One gateway, with the options of its own kind."""
    options: object = None
    if gateway.spec.envoy is not None:
        envoy = gateway.spec.envoy
        options = EnvoyOptions(str(envoy.listen), envoy.load_report_interval_s, envoy.api_listener)
    elif gateway.spec.haproxy is not None:
        options = _haproxy_options(gateway.spec.haproxy)
    elif gateway.spec.kong is not None:
        options = _kong_options(gateway.spec.kong)
    elif gateway.spec.nginx_plus is not None:
        options = _nginx_plus_options(gateway.spec.nginx_plus)
    elif gateway.spec.openresty is not None:
        nginx = gateway.spec.openresty
        token = TokenAt(nginx.token_file, nginx.token_env)
        options = OpenRestyOptions(nginx.control, token, nginx.timeout_s, nginx.observe_interval_s)
    elif gateway.spec.traefik is not None:
        options = _traefik_options(gateway.spec.traefik)
    return GatewayProfile(gateway.name, gateway.type, options)


def _traefik_options(traefik: TraefikSettings) -> TraefikOptions:
    check, file, env = traefik.health_check, traefik.authorization_file, traefik.authorization_env
    return TraefikOptions(
        api_url=traefik.api,
        metrics_url=traefik.metrics,
        directory=traefik.directory,
        listen=traefik.listen,
        poll_interval_s=traefik.poll_interval_s,
        throttle_s=traefik.throttle_s,
        entry_points=traefik.entry_points,
        health_check=HealthCheck(check.path, check.interval_s, check.timeout_s) if check else None,
        credential=Credential(file, env) if file or env else None,
    )


def _nginx_plus_options(nginx: NginxPlusSettings) -> NginxPlusOptions:
    return NginxPlusOptions(
        nodes=tuple(nginx.nodes),
        upstream=nginx.upstream,
        keyval=nginx.keyval.zone if nginx.keyval else None,
        percentages=tuple(nginx.keyval.percentages) if nginx.keyval else (),
        authorization_env=nginx.authorization_env,
        authorization_file=nginx.authorization_file,
        ca_file=nginx.ca_file,
    )


def _haproxy_options(haproxy: HaproxySettings) -> HaproxyOptions:
    if haproxy.divide_by == "map":
        layout = Layout(haproxy.stable_backend, haproxy.candidate_backend, haproxy.map)
    else:
        layout = Layout(haproxy.backend, haproxy.backend, None)
    return HaproxyOptions(
        sockets=tuple(haproxy.sockets),
        layout=layout,
        master=haproxy.master,
        state_file=haproxy.state_file,
        map_file=haproxy.map_file,
        timeout_s=haproxy.timeout_s,
        latency_log=haproxy.latency_log,
    )


def _kong_options(kong: KongSettings) -> KongOptions:
    return KongOptions(
        nodes=tuple(kong.nodes),
        upstream=kong.upstream,
        workspace=kong.workspace,
        token_env=kong.token_env,
        token_file=kong.token_file,
        ca_file=kong.ca_file,
        timeout_s=kong.timeout_s,
        http_log=str(kong.http_log.listen) if kong.http_log else None,
    )


def profile_of(agent: AgentSettings) -> Profile:
    """One agent."""
    strategy, gate = agent.spec.strategy, agent.spec.gate
    return Profile(
        agent=agent.name,
        gateways=agent.gateways,
        route=agent.route(),
        stable=agent.stable_version(),
        candidate=agent.candidate_version(),
        plan=plan_of(agent),
        gate=Gate(gate.min_verification_score, gate.min_interval_s),
        judge=judge_of(agent),
        stickiness=agent.stickiness(),
        dead_man_s=agent.dead_man_s,
        request_timeout_s=strategy.request_timeout_s,
        retries=strategy.retries,
        indicators=agent.indicators(),
        latency_limits_s=agent.latency_limits_s(),
        queries=queries_of(agent),
        on_drift=OnDrift(agent.spec.on_drift),
        drain_deadline_s=agent.drain_deadline_s,
    )


def judge_of(agent: AgentSettings) -> Judge | None:
    """What the agent's candidates are judged by; None where it has no objectives."""
    analysis = agent.spec.analysis
    if not agent.spec.objectives:
        return None
    objectives = tuple(_objective(spec) for spec in agent.spec.objectives)
    return Judge(objectives, analysis.alpha, _silence_s(agent))


def queries_of(agent: AgentSettings) -> tuple[Query, ...]:
    """The indicators of its objectives that a Prometheus is asked for, each once."""
    found = (_query(spec) for spec in agent.spec.objectives)
    return tuple(dict.fromkeys(query for query in found if query is not None))


def plan_of(agent: AgentSettings) -> Plan:
    """The way of the agent's rollouts."""
    strategy, analysis, gate = agent.spec.strategy, agent.spec.analysis, agent.spec.gate
    return Plan(
        steps=_steps(strategy),
        bake_s=strategy.bake_s,
        keep_s=strategy.keep_s,
        progress_deadline_s=strategy.progress_deadline_s,
        approval_timeout_s=gate.consent_timeout_s,
        no_data_deadline_s=analysis.no_data_deadline_s - _silence_s(agent),
        undecided=WhenUndecided(analysis.undecided),
        watched=bool(agent.spec.objectives),
        consent=gate.consent == "required",
    )


def _steps(strategy: StrategySpec) -> tuple[Step, ...]:
    if strategy.type == "blue-green":
        return (Step(Split(candidate_bp=WHOLE_BP), hold_s=0.0),)
    return tuple(_step(spec, mirrored=strategy.type == "mirror") for spec in strategy.stops())


def _step(spec: StepSpec, *, mirrored: bool) -> Step:
    split = Split(mirror_bp=spec.weight_bp) if mirrored else Split(candidate_bp=spec.weight_bp)
    return Step(split, spec.hold_s, approval=spec.approval == "required")


def _objective(spec: ObjectiveSpec) -> Objective:
    metric, limit_s, query = spec.indicator.metric, spec.indicator.latency_over_s, _query(spec)
    if limit_s is not None:
        metric = latency_over(limit_s)
    elif query is not None:
        metric = query.indicator
    assert metric is not None, "an indicator is a metric, a latency limit or a query"
    return Objective(spec.name, metric, spec.max_ratio, spec.margin_ratio, spec.guardrail)


def _query(spec: ObjectiveSpec) -> Query | None:
    asked = spec.indicator.prometheus
    if asked is None:
        return None
    return Query(spec.name, asked.url, asked.bad, asked.total, asked.pace_s, asked.window_s)


def _silence_s(agent: AgentSettings) -> float:
    """A source that is looked at rarely is not silent before its third look; half of the deadline is left in any case.

    Else every pause between two of its looks would be taken for missing data.
    """
    paces = [query.every_s for query in queries_of(agent)]
    return min(max(SILENCE_MAX_S, 3 * max(paces, default=0.0)), agent.spec.analysis.no_data_deadline_s / 2)
