"""What is allowed but doubtful, for ``turnout validate``: asked of a gateway in vain, or most likely not meant.

Advice never refuses settings. It is told as :class:`Problem`, so that it names file, line and remedy as faults do.
"""

from __future__ import annotations

import difflib
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from adapters.port import Capabilities
from controller.settings.address import host_of, ip_address
from controller.settings.agent import AgentSettings
from controller.settings.consistency import STEPS
from controller.settings.document import Document
from controller.settings.loading import Settings
from controller.settings.objective import ERROR, OUTCOMES
from controller.settings.problem import FieldPath, Problem
from controller.settings.quantity import format_weight

_LOOKUPS_AT_ONCE = 16


def advise(settings: Settings, capabilities: Mapping[str, Capabilities]) -> tuple[Problem, ...]:
    """All doubts that need no look at the network.

    Args:
        settings: what was loaded.
        capabilities: what each gateway type can do; a type that is absent is not judged.
    """
    doubts: list[Problem] = [*_shared_listeners(settings)]
    for name, agent in settings.agents.items():
        document = settings.documents["Agent", name]
        doubts += _near_indicators(document, agent)
        for gateway in agent.gateways:
            kind, is_logged = settings.gateways[gateway].type, settings.gateways[gateway].is_logged
            if kind in capabilities:
                can = replace(capabilities[kind], counts_per_version=True) if is_logged else capabilities[kind]
                least = max(can.share_bp_min, settings.gateways[gateway].share_bp_min)
                can = replace(can, share_bp_min=least)
                doubts += _asked_in_vain(document, agent, f"The {kind} gateway '{gateway}'", can)
    return tuple(sorted(set(doubts)))


def unresolved(settings: Settings, resolves: Callable[[str], bool] | None = None) -> tuple[Problem, ...]:
    """The endpoints whose host names have no address here and now. IP addresses are never looked up.

    Args:
        settings: what was loaded.
        resolves: whether a name has an address; by default the system's resolver is asked, which may take seconds.
    """
    endpoints = list(_endpoints(settings))
    names = sorted({host for _, _, endpoint in endpoints if ip_address(host := host_of(endpoint)) is None})
    with ThreadPoolExecutor(_LOOKUPS_AT_ONCE) as pool:
        found = dict(zip(names, pool.map(resolves or has_address, names), strict=True))
    remedy = "Check the name; it may be known only where the gateway runs."
    return tuple(
        document.problem(path, f"'{host_of(endpoint)}' has no address.", remedy)
        for document, path, endpoint in endpoints
        if not found.get(host_of(endpoint), True)
    )


def has_address(host: str) -> bool:
    """Whether the system's resolver knows an address of this name."""
    try:
        return bool(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError):
        return False


def _endpoints(settings: Settings) -> Iterator[tuple[Document, FieldPath, str]]:
    for name, agent in settings.agents.items():
        for track, version in (("stable", agent.spec.stable), ("candidate", agent.spec.candidate)):
            for index, endpoint in enumerate(version.endpoints if version else ()):
                yield settings.documents["Agent", name], ("spec", track, "endpoints", index), endpoint


def _shared_listeners(settings: Settings) -> Iterator[Problem]:
    """Two gateways may well listen on the same address of two machines; on one, the second cannot start."""
    first: dict[str, str] = {}
    for name, gateway in settings.gateways.items():
        if gateway.spec.envoy is None:
            continue
        listen = gateway.spec.envoy.listen
        if (other := first.setdefault(listen, name)) != name:
            before = settings.documents["Gateway", other]
            path = ("spec", "envoy", "listen")
            message = f"{listen} is gateway '{other}''s as well ({before.file}:{before.line_of(path)})."
            remedy = "On one machine only one of them can start; on two this is right."
            yield settings.documents["Gateway", name].problem(path, message, remedy)


def _near_indicators(document: Document, agent: AgentSettings) -> Iterator[Problem]:
    for index, objective in enumerate(agent.spec.objectives):
        metric = objective.indicator.metric
        if metric is None or metric in (ERROR, *OUTCOMES):
            continue
        if near := difflib.get_close_matches(metric, (ERROR, *OUTCOMES), n=1, cutoff=0.8):
            message = f"'{metric}' is taken for an ORCA metric of the agent's own."
            yield document.problem(("spec", "objectives", index, "indicator"), message, f"Did you mean {near[0]}?")


def _asked_in_vain(document: Document, agent: AgentSettings, who: str, can: Capabilities) -> Iterator[Problem]:
    strategy = agent.spec.strategy
    if agent.spec.dead_man_s is not None and not can.dead_man:
        message = f"{who} does not go back by itself: without a controller the last split stays."
        yield document.problem(("spec", "deadMan"), message, "Remove deadMan, or know that it does nothing there.")
    if strategy.type == "mirror" and not can.mirrors:
        path = ("spec", "strategy", "type")
        yield document.problem(path, f"{who} cannot copy requests to a candidate.", "Use another strategy or gateway.")
    if agent.spec.objectives and not can.counts_per_version:
        message = f"{who} does not count per version: it gives the objectives no data."
        yield document.problem(("spec", "objectives"), message, "Let the agent report outcomes, or add a gateway.")
    for index, step in enumerate(strategy.steps):
        if step.weight_bp < can.share_bp_min and strategy.type != "mirror":
            remedy = f"Use at least {format_weight(can.share_bp_min)}."
            yield document.problem((*STEPS, index, "weight"), f"{who} cannot give so small a share.", remedy)
