"""One agent's assignment as Traefik's dynamic configuration. Pure.

An agent is one weighted service, ``turnout.<agent>``, over one load balancing service per version,
``turnout.<agent>.<version>``: Traefik counts per service, so versions are counted apart, also across a promotion.
Versions that drain stay at weight 0: Traefik forgets the counters of a service that goes.

A share that is copied becomes a second weighted service: that part of stable's requests goes through a mirroring
service that copies each of them. Traefik's own percentage is a whole number; weights are exact to a basis point.

Source: https://doc.traefik.io/traefik/routing/services/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.port import WHOLE_BP, Assignment, Version

from .rules import Rule, rules_of

PREFIX = "turnout."
"""What every name of ours begins with."""

ASIDE = "~"
"""Stands in names that are no version's, and in no version's name."""

Part = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How Traefik looks whether an instance lives: a GET of ``path``, every ``interval_s``, at most ``timeout_s``."""

    path: str
    interval_s: float = 5.0
    timeout_s: float = 2.0


@dataclass(frozen=True, slots=True)
class AgentParts:
    """What one agent contributes to the document; each by its name.

    Attributes:
        rules: of its routers.
        router: what all its routers have in common.
        services: the agent's own first.
        middlewares: none, or the one that tries again.
        transports: none, or the one that has a limit of time.
    """

    rules: Mapping[str, Rule]
    router: Part
    services: Mapping[str, Part]
    middlewares: Mapping[str, Part] = field(default_factory=dict)
    transports: Mapping[str, Part] = field(default_factory=dict)


def agent_name(agent: str) -> str:
    """The agent's weighted service, its first router, its middleware, its transport."""
    return f"{PREFIX}{agent}"


def version_name(agent: str, version: str) -> str:
    """The load balancing service of one version."""
    return f"{PREFIX}{agent}.{version}"


def translate(
    assignment: Assignment, *, entry_points: tuple[str, ...] = (), health_check: HealthCheck | None = None
) -> AgentParts:
    """An assignment as parts of the document.

    Args:
        assignment: what is wanted.
        entry_points: where its routers listen; empty for Traefik's default ones.
        health_check: how instances are looked after; None trusts every one of them.
    """
    name = agent_name(assignment.agent)
    middlewares = {name: {"retry": {"attempts": assignment.retries + 1}}} if assignment.retries else {}
    transports: dict[str, Part] = {}
    if assignment.request_timeout_s is not None:
        transports[name] = {"forwardingTimeouts": {"responseHeaderTimeout": in_go(assignment.request_timeout_s)}}
    router: dict[str, Any] = {"service": name}
    if entry_points:
        router["entryPoints"] = list(entry_points)
    if middlewares:
        router["middlewares"] = [name]
    rules = rules_of(assignment.route)
    return AgentParts(
        rules={name if at == 0 else f"{name}{ASIDE}{at + 1}": rule for at, rule in enumerate(rules)},
        router=router,
        services=_services(assignment, health_check, name if transports else None),
        middlewares=middlewares,
        transports=transports,
    )


def _services(assignment: Assignment, check: HealthCheck | None, transport: str | None) -> dict[str, Part]:
    agent, split = assignment.agent, assignment.split
    name, stable = agent_name(agent), version_name(agent, assignment.stable.name)
    services: dict[str, Part] = {}
    shares = {stable: split.stable_bp}
    if assignment.candidate is not None:
        candidate = version_name(agent, assignment.candidate.name)
        shares[candidate] = split.candidate_bp
        if split.mirror_bp:
            copied, mirroring = f"{name}{ASIDE}stable", f"{name}{ASIDE}copied"
            shares = {copied: split.stable_bp, candidate: split.candidate_bp}
            services[copied] = _weighted({mirroring: split.mirror_bp, stable: WHOLE_BP - split.mirror_bp}, check)
            services[mirroring] = _mirroring(stable, candidate, check)
    for version in assignment.draining:
        shares.setdefault(version_name(agent, version.name), 0)
    own = _weighted(shares, check)
    if assignment.stickiness is not None and assignment.stickiness.cookie is not None:
        own["weighted"]["sticky"] = {"cookie": _cookie(assignment.stickiness.cookie, assignment.route.path_prefix)}
    services = {name: own, **services}
    for version in assignment.versions:
        services.setdefault(version_name(agent, version.name), _load_balancer(version, check, transport))
    return services


def _weighted(shares: Mapping[str, int], check: HealthCheck | None) -> dict[str, Any]:
    """Its own (empty) health check lets a share whose instances are all down go to the others."""
    entries = [{"name": name, "weight": weight} for name, weight in shares.items()]
    return {"weighted": {"services": entries, **({"healthCheck": {}} if check else {})}}


def _mirroring(stable: str, candidate: str, check: HealthCheck | None) -> Part:
    mirrors = [{"name": candidate, "percent": 100}]
    return {"mirroring": {"service": stable, "mirrors": mirrors, **({"healthCheck": {}} if check else {})}}


def _cookie(name: str, path: str) -> Part:
    """Agents that share a host and a cookie's name keep their cookies apart by their paths."""
    return {"name": name, "httpOnly": True, **({"path": path} if path != "/" else {})}


def _load_balancer(version: Version, check: HealthCheck | None, transport: str | None) -> Part:
    scheme = "h2c" if version.http2 else "http"
    inner: dict[str, Any] = {"servers": [{"url": f"{scheme}://{endpoint}"} for endpoint in version.endpoints]}
    if check is not None:
        inner["healthCheck"] = {
            "path": check.path,
            "interval": in_go(check.interval_s),
            "timeout": in_go(check.timeout_s),
        }
    if transport is not None:
        inner["serversTransport"] = transport
    return {"loadBalancer": inner}


def in_go(duration_s: float) -> str:
    """A duration as Go reads it."""
    return f"{round(duration_s * 1000)}ms"
