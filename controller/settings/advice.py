"""What is allowed but doubtful, for ``turnout validate``: asked of a gateway in vain, or most likely not meant.

Advice never refuses settings. It is told as :class:`Problem`, so that it names file, line and remedy as faults do.
"""

from __future__ import annotations

import difflib
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from adapters.capabilities import Capabilities, Wish
from adapters.port import WHOLE_BP, Route
from controller.settings.address import host_of, ip_address
from controller.settings.agent import AgentSettings
from controller.settings.consistency import STEPS
from controller.settings.document import Document
from controller.settings.loading import Settings
from controller.settings.objective import ERROR, OUTCOMES
from controller.settings.problem import FieldPath, Problem
from controller.settings.quantity import format_duration, format_weight

_LOOKUPS_AT_ONCE = 16

SHARE_OFF_MAX = 0.1
"""A share that is given otherwise than it was asked for, by no more than this part of itself, is near enough."""


def advise(settings: Settings, capabilities: Mapping[str, Capabilities]) -> tuple[Problem, ...]:
    """All doubts that need no look at the network.

    Args:
        settings: what was loaded.
        capabilities: what each gateway, by its name, can do as it is configured; one that is absent is not judged.
    """
    doubts: list[Problem] = [*_shared_listeners(settings)]
    for name, agent in settings.agents.items():
        document = settings.documents["Agent", name]
        doubts += _near_indicators(document, agent)
        for gateway in agent.gateways:
            if (can := capabilities.get(gateway)) is not None:
                who = f"The {settings.gateways[gateway].type} gateway '{gateway}'"
                for doubtful in (_asked_in_vain, _wished_in_vain, _shares, _drains):
                    doubts += doubtful(document, agent, who, can)
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


def _wished_in_vain(document: Document, agent: AgentSettings, who: str, can: Capabilities) -> Iterator[Problem]:
    for wish, path in _wishes(agent):
        if wish in can.refuses:
            yield document.problem(path, f"{who} cannot do this, and refuses it.", "Remove it, or use another gateway.")
        elif wish in can.ignores and wish is Wish.OUTCOMES:
            if can.counts_per_version:  # else it has been said that there is no data at all
                message = f"{who} does not read what agents report in their answers."
                yield document.problem(path, message, "Have the agent push it (POST /v1/outcomes).")
        elif wish in can.ignores:
            message = f"{who} is not told of this: it is that gateway's own configuration."
            yield document.problem(path, message, "Set it there as well; here alone it does nothing.")


def _wishes(agent: AgentSettings) -> Iterator[tuple[Wish, FieldPath]]:
    """What the agent asks for beside its split, and where."""
    strategy = agent.spec.strategy
    if agent.route() != Route():
        yield Wish.ROUTE, ("spec", "route")
    if strategy.stickiness is not None:
        yield Wish.STICKINESS, ("spec", "strategy", "stickiness")
    if strategy.retries:
        yield Wish.RETRIES, ("spec", "strategy", "retries")
    if strategy.request_timeout_s is not None:
        yield Wish.REQUEST_TIMEOUT, ("spec", "strategy", "requestTimeout")
    for track, version in (("stable", agent.spec.stable), ("candidate", agent.spec.candidate)):
        if version is not None and version.http2:
            yield Wish.HTTP2, ("spec", track, "http2")
    for index, objective in enumerate(agent.spec.objectives):
        if objective.indicator.metric not in {None, ERROR}:
            yield Wish.OUTCOMES, ("spec", "objectives", index, "indicator")


def _shares(document: Document, agent: AgentSettings, who: str, can: Capabilities) -> Iterator[Problem]:
    """Shares that are refused, or that become much smaller ones; or greater ones, where sessions are kept."""
    strategy, stable, candidate = agent.spec.strategy, agent.spec.stable, agent.spec.candidate or agent.spec.stable
    ours, theirs = len(stable.endpoints), len(candidate.endpoints)
    if strategy.type == "mirror":
        return
    kept_give = can.share_kept if strategy.stickiness is not None else None
    give = kept_give or can.share_given

    def is_off(bp: int) -> bool:
        return abs(give(bp, ours, theirs) - bp) > bp * SHARE_OFF_MAX

    for index, step in enumerate(strategy.stops()):
        given_bp = give(step.weight_bp, ours, theirs)
        if is_off(step.weight_bp):
            path = (*STEPS, index, "weight") if strategy.steps else ("spec", "stable", "endpoints")
            servers = f"{theirs} of the candidate's endpoints beside {ours} of stable's"
            kept = " where sessions are kept" if kept_give else ""
            makes = f"gives {given_bp / 100:.2g} %{kept}" if given_bp else "refuses it"
            message = f"{who} cannot give {format_weight(step.weight_bp)} % to {servers}: it {makes}."
            next_bp = next(bp for bp in range(step.weight_bp, WHOLE_BP + 1) if not is_off(bp))
            yield document.problem(path, message, f"The next that it can give is {format_weight(next_bp)} %.")


def _drains(document: Document, agent: AgentSettings, who: str, can: Capabilities) -> Iterator[Problem]:
    """Streams that nobody ends. Where they are at least seen to end by themselves, only a deadline asks for more."""
    drain = agent.spec.drain
    if can.cuts_streams or not drain.deadline_s or (can.sees_in_flight and not drain.model_fields_set):
        return
    for track, version in (("stable", agent.spec.stable), ("candidate", agent.spec.candidate)):
        if version is None or version.drain_url is not None:
            continue
        message = f"{who} cannot end what is still open at the drain's deadline"
        if not can.sees_in_flight:
            message += f", nor see it: every drain lasts {format_duration(drain.deadline_s)}"
        remedy = "Give the version a drainUrl, so that the agent ends its streams itself."
        yield document.problem(("spec", track, "drainUrl"), f"{message}.", remedy)
