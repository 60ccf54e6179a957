"""What holds only between fields or documents: one route has one agent, a candidate is not stable, no weight falls.

Each check yields every fault it finds. A reference to a document that is itself faulty is not reported as well:
``known_gateways`` names the gateways that were seen, faulty or not.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from controller.settings.access import AccessSettings
from controller.settings.agent import AgentSettings, VersionSpec
from controller.settings.document import Document
from controller.settings.gateway import LATENCY_SETTINGS, GatewaySettings
from controller.settings.problem import FieldPath, Problem
from controller.settings.quantity import format_weight

AGENTS_MAX = 1_000
"""What one controller is measured with (make bench)."""
GATEWAYS_MAX = 64
"""Every rollout step asks each of its gateways; more than this is a fleet for several controllers."""

AnySettings: TypeAlias = GatewaySettings | AgentSettings | AccessSettings
STEPS: FieldPath = ("spec", "strategy", "steps")


@dataclass(frozen=True, slots=True)
class Placed:
    """A document's settings, and where they were written."""

    document: Document
    settings: AnySettings


def inconsistencies(placed: Sequence[Placed], known_gateways: frozenset[str]) -> Iterator[Problem]:
    """All that is wrong between documents that are each right in themselves."""
    agents = [(each.document, each.settings) for each in placed if isinstance(each.settings, AgentSettings)]
    gateways = {each.settings.name: each.settings for each in placed if isinstance(each.settings, GatewaySettings)}
    yield from _counts(placed)
    yield from _names(placed)
    for document, agent in agents:
        yield from _steps(document, agent)
        yield from _repeated_in_agent(document, agent)
        yield from _candidate(document, agent)
        yield from _gateways(document, agent, gateways, known_gateways)
    for each in placed:
        if isinstance(each.settings, AccessSettings):
            yield from _tokens(each.document, each.settings)
    yield from _routes(agents)


def _counts(placed: Sequence[Placed]) -> Iterator[Problem]:
    for kind, most in ((AgentSettings, AGENTS_MAX), (GatewaySettings, GATEWAYS_MAX), (AccessSettings, 1)):
        these = [each.document for each in placed if isinstance(each.settings, kind)]
        if len(these) > most:
            message = f"There are {len(these):,} documents of this kind; the most is {most:,}."
            yield these[most].problem(("kind",), message, "Merge them, or run another controller.")


def _names(placed: Sequence[Placed]) -> Iterator[Problem]:
    first: dict[tuple[str, str], Document] = {}
    for each in placed:
        kind, name = each.settings.kind, each.settings.name
        before = first.setdefault((kind, name), each.document)
        if before is not each.document:
            message = f"The {kind} '{name}' is there already, in {_place(before, ('metadata', 'name'))}."
            yield each.document.problem(("metadata", "name"), message, "Rename or remove one of them.")


def _steps(document: Document, agent: AgentSettings) -> Iterator[Problem]:
    strategy = agent.spec.strategy
    for index, (before, after) in enumerate(pairwise(strategy.steps), start=1):
        if after.weight_bp < before.weight_bp:
            weights = f"{format_weight(after.weight_bp)} % after {format_weight(before.weight_bp)} %"
            message = f"The weight falls: {weights}."
            yield document.problem((*STEPS, index, "weight"), message, "Order the steps so that it never falls.")
    if strategy.type == "blue-green" and strategy.steps:
        remedy = "Remove the steps, or use type: canary."
        yield document.problem(STEPS, "A blue-green strategy switches everything at once.", remedy)
    if strategy.type == "ab" and len(strategy.steps) != 1:
        message = f"A test of two versions has one fixed split, not {len(strategy.steps)} steps."
        yield document.problem(STEPS, message, "Write one step, such as {weight: 50, hold: 1d}.")


def _repeated_in_agent(document: Document, agent: AgentSettings) -> Iterator[Problem]:
    spec = agent.spec
    yield from _repeated(document, ("spec", "gateways"), spec.gateways)
    yield from _repeated(document, ("spec", "route", "hosts"), spec.route.hosts)
    headers = [header.name.lower() for header in spec.route.headers]
    yield from _repeated(document, ("spec", "route", "headers"), headers, "name")
    yield from _repeated(document, ("spec", "stable", "endpoints"), spec.stable.endpoints)
    if spec.candidate:
        yield from _repeated(document, ("spec", "candidate", "endpoints"), spec.candidate.endpoints)
    yield from _repeated(document, ("spec", "objectives"), [objective.name for objective in spec.objectives], "name")


def _repeated(
    document: Document, path: FieldPath, values: Iterable[Hashable], *inner: str, show: Callable[[object], str] = repr
) -> Iterator[Problem]:
    first: dict[Hashable, int] = {}
    for index, value in enumerate(values):
        if first.setdefault(value, index) != index:
            here = (*path, index, *inner)
            before = document.line_of((*path, first[value], *inner))
            yield document.problem(here, f"{show(value)} is there already, in line {before}.", "Remove one of them.")


def _candidate(document: Document, agent: AgentSettings) -> Iterator[Problem]:
    stable, candidate = agent.spec.stable, agent.spec.candidate
    if candidate is None:
        return
    for name in ("version", "digest"):
        value = getattr(candidate, name)
        if value and value == getattr(stable, name):
            remedy = "Give the candidate its own, or remove it."
            yield document.problem(("spec", "candidate", name), f"'{value}' is the stable version's as well.", remedy)
    yield from _shared_endpoints(document, stable, candidate)


def _shared_endpoints(document: Document, stable: VersionSpec, candidate: VersionSpec) -> Iterator[Problem]:
    for index, endpoint in enumerate(candidate.endpoints):
        if endpoint in stable.endpoints:
            path = ("spec", "candidate", "endpoints", index)
            remedy = "Each instance runs one version; give each version its own."
            yield document.problem(path, f"'{endpoint}' is an endpoint of the stable version as well.", remedy)


def _gateways(
    document: Document, agent: AgentSettings, gateways: dict[str, GatewaySettings], known: frozenset[str]
) -> Iterator[Problem]:
    for index, name in enumerate(agent.spec.gateways):
        if name not in known:
            there = f"There are: {', '.join(sorted(known))}." if known else "Add a document of kind: Gateway."
            yield document.problem(("spec", "gateways", index), f"There is no gateway '{name}'.", there)
    carriers = [gateways[name] for name in agent.spec.gateways if name in gateways]
    for gateway in carriers:
        yield from _unlisted_steps(document, agent, gateway)
    sticky = agent.stickiness()
    if sticky is not None and sticky.header is not None and any(gateway.type == "traefik" for gateway in carriers):
        message = "A traefik gateway keeps sessions by a cookie only."
        yield document.problem(("spec", "strategy", "stickiness"), message, "Write {cookie: turnout}.")
    types = sorted({gateway.type for gateway in carriers if not gateway.reports_latency})
    remedy = "Remove the objective: without data it would never let a candidate pass."
    for index, objective in enumerate(agent.spec.objectives):
        if objective.indicator.latency_over_s is None:
            continue
        path: FieldPath = ("spec", "objectives", index, "indicator", "latencyOver")
        if types:
            article, setting = "an" if types[0][0] in "aeiou" else "a", LATENCY_SETTINGS.get(types[0])
            lacking = f"without spec.{types[0]}.{setting}" if setting else "yet"
            needs = f"latencyOver needs latency per version, which {article} {types[0]} gateway does not report"
            message = f"{needs} {lacking}."
            yield document.problem(path, message, f"Set it, or r{remedy[1:]}" if setting else remedy)
        elif agent.spec.strategy.type == "mirror":
            yield document.problem(path, "latencyOver sees no copies: no gateway tells how long they take.", remedy)


def _unlisted_steps(document: Document, agent: AgentSettings, gateway: GatewaySettings) -> Iterator[Problem]:
    strategy, shares_bp = agent.spec.strategy, gateway.shares_bp
    if shares_bp is None or strategy.type == "mirror":  # its weights are of copies
        return
    for index, step in enumerate(strategy.stops()):
        if step.weight_bp not in shares_bp:
            weight = format_weight(step.weight_bp)
            message = f"Gateway '{gateway.name}' lists no {weight} %: the rollout would be refused at this step."
            remedy = f"Add {weight} to its keyval.percentages and to its configuration, or use another weight."
            path: FieldPath = (*STEPS, index, "weight") if strategy.steps else STEPS
            yield document.problem(path, message, remedy)


def _tokens(document: Document, access: AccessSettings) -> Iterator[Problem]:
    tokens = access.spec.tokens
    path: FieldPath = ("spec", "tokens")
    yield from _repeated(document, path, [token.name for token in tokens], "name", show=lambda _: "The name")
    yield from _repeated(document, path, [token.sha256 for token in tokens], "sha256", show=lambda _: "The hash")


def _routes(agents: Sequence[tuple[Document, AgentSettings]]) -> Iterator[Problem]:
    claims: dict[Hashable, tuple[Document, AgentSettings]] = {}
    for document, agent in agents:
        route = agent.route()
        for gateway in dict.fromkeys(agent.spec.gateways):
            for host in dict.fromkeys(route.hosts):
                claim = (gateway, host, route.path_prefix, frozenset(route.headers))
                before, other = claims.setdefault(claim, (document, agent))
                if before is not document and other.name != agent.name:
                    message = (
                        f"'{agent.name}' claims {host}{route.path_prefix} at gateway '{gateway}', which is "
                        f"'{other.name}''s already, in {_place(before, ('spec', 'route'))}."
                    )
                    remedy = "Give one of them another host, pathPrefix or header."
                    yield document.problem(("spec", "route"), message, remedy)


def _place(document: Document, path: FieldPath) -> str:
    return f"{document.file}:{document.line_of(path)}"
