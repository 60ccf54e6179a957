"""The Envoys of one gateway: all nodes whose ``node.cluster`` is its name. They subscribe; nothing here dials them.

A split is confirmed when every connected node has ACKed the snapshot that holds it. After its ACK an Envoy sends no
request by the old split (docs/gateways/envoy.md), so a confirmation proves effect.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from adapters.capabilities import Capabilities
from adapters.names import LOOKUP_TIMEOUT_S, AddressBook, Resolve, endpoints_of, look_up
from adapters.port import (
    ALL_STABLE,
    Applied,
    Assignment,
    GatewayStatus,
    Observation,
    Proof,
    Receipt,
    Verification,
    Version,
    host_port,
)
from xds.access_logs import AccessLog
from xds.errors import XdsError
from xds.load_reports import LoadReport
from xds.resources import ApiListener, LatencyLog, Listener, Resource, ResourceType
from xds.roster import Connected
from xds.server import XdsServer

from .counting import Counting
from .offering import Answer, Offering
from .offers import Offer, asks_no_less, is_reducible, is_way_back, may_get_requests, without_candidate
from .refreshing import Refresher
from .standing import named, no_address, no_report, not_acked
from .translation import translate

log = logging.getLogger(__name__)

CAPABILITIES = Capabilities(
    share_bp_min=1,
    sees_in_flight=True,
    cuts_streams=False,
    counts_per_version=True,
    mirrors=True,
    dead_man=True,
    proves_effect=True,
    reports_latency=True,
)

LISTENERS = ResourceType.LISTENER.label


@dataclass(frozen=True, slots=True)
class EnvoyOptions:
    """One gateway's settings.

    Attributes:
        listen: ``ADDRESS:PORT`` that its Envoys listen on.
        load_report_interval_s: how often each Envoy reports.
        api_listener: also serve the routes under this name to gRPC's own clients (``xds:///NAME``).
    """

    listen: str
    load_report_interval_s: float = 1.0
    api_listener: str | None = None


class _Applied(NamedTuple):
    """What was published last of an agent, the generation that holds it, what its endpoints resolved to then, and what
    was amiss when it was confirmed.
    """

    offer: Offer
    generation: int
    resolved: Mapping[str, tuple[str, ...]]
    remark: str = ""


class _Refused(NamedTuple):
    offer: Offer
    nodes: Connected
    answer: Answer


class EnvoyGateway:
    """One gateway of Envoys.

    Args:
        name: the gateway's name, and its Envoys' ``node.cluster``.
        options: its settings.
        server: the xDS server, shared by all gateways of Envoys.
        resolve: looks a host name up.
        now_s: a clock that never goes back.
    """

    def __init__(
        self,
        name: str,
        options: EnvoyOptions,
        server: XdsServer,
        *,
        resolve: Resolve = look_up,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.capabilities = replace(CAPABILITIES, observe_every_s=options.load_report_interval_s / 2)
        self._options = options
        self._server = server
        self._book = AddressBook(resolve)
        self._now_s = now_s
        self._wanted: dict[str, Assignment] = {}
        self._offering = Offering(name, _listeners(name, options), server, self._make, now_s)
        self._is_served = False
        self._inherited: dict[str, Version] = {}
        self._exposed: dict[str, set[str]] = {}
        self._applied: dict[str, _Applied] = {}
        self._refused: dict[str, _Refused] = {}
        self._counting = Counting(name, server, self._wanted, options.load_report_interval_s, now_s)
        self._latency_limit_s = 0.0
        self._log_refusal = ""
        self._refresher = Refresher(self._lives_s, self._refresh)

    # --- applying -----------------------------------------------------------------------------------------------------

    async def start(self, assignments: Sequence[Assignment]) -> None:
        """Serve all agents at once: a node would drop those that it is not told of. Where a stable version has no
        address, its route and its cluster are served, and each node keeps the endpoints that it has. See the port.
        """
        self._server.set_load_report_interval(self.name, self._options.load_report_interval_s)
        self._wanted.update((assignment.agent, assignment) for assignment in assignments)
        self._watch_latency(assignments)
        endpoints = [endpoint for entry in assignments for endpoint in endpoints_of(entry)]
        for problem in await self._book.learn(endpoints, LOOKUP_TIMEOUT_S):
            log.error("%s: %s", self.name, problem)
        self._inherited = {entry.agent: entry.stable for entry in assignments if not self._has_address(entry.stable)}
        for assignment in assignments:
            self._exposed[assignment.agent] = {version.name for version in assignment.versions}  # before our start
            try:
                self._put(assignment)
            except XdsError as error:
                log.error("%s: %s cannot be served: %s", self.name, assignment.agent, error)  # noqa: TRY400 - no fault of ours
        try:
            is_served = self._serve()
        except XdsError as error:  # together they are too much: each is told so when it is applied
            log.error("%s: nothing can be served: %s", self.name, error)  # noqa: TRY400 - no fault of ours
        else:
            if not is_served:
                log.error("%s: %s", self.name, self._unserved())

    async def apply(self, assignment: Assignment, *, timeout_s: float) -> Receipt:
        """Publish the assignment, and wait for every connected node's ACK. See the port."""
        started_s = self._now_s()
        self._wanted[assignment.agent] = assignment
        self._watch_latency([assignment])
        problems = await self._problems(assignment, timeout_s)
        self._book.sweep(self._used)
        answer = await self._apply(assignment, problems, started_s + timeout_s)
        if answer.outcome is Applied.REFUSED and (words := self._log_refused()):
            answer = await self._without_log(assignment, problems, started_s + timeout_s, words)
        if answer.outcome is Applied.REFUSED:
            log.warning("%s: %s was refused: %s", self.name, assignment.agent, answer.detail)
        if answer.outcome is Applied.CONFIRMED and (applied := self._applied.get(assignment.agent)):
            self._applied[assignment.agent] = applied._replace(remark=answer.detail)
        took_s = self._now_s() - started_s
        return Receipt(self.name, answer.outcome, assignment.split, answer.detail, took_s, answer.code)

    async def _problems(self, wanted: Assignment, timeout_s: float) -> list[str]:
        """Look its names up, and say which have no address. Requests that go back wait for no resolver, and what was
        asked for before in vain is left to `verify`.
        """
        endpoints, within_s = endpoints_of(wanted), min(LOOKUP_TIMEOUT_S, timeout_s / 2)
        self._book.note(endpoints)
        if not is_way_back(wanted) or not self._can_serve(wanted):
            return await self._book.learn(endpoints, within_s)
        if unasked := self._book.unasked(endpoints):
            try:
                self._put(wanted)
                self._serve()
            except XdsError:  # with its reason it is refused when it is tried
                self._offering.withdraw(wanted.agent, is_proven=True)
            await self._book.learn(unasked, within_s)
        if self._is_inherited(wanted):
            return [no_address([wanted])]
        return [f"no address of {endpoint} is known" for endpoint in self._book.missing(endpoints)]

    async def _apply(self, wanted: Assignment, problems: list[str], ends_s: float) -> Answer:
        """Offer it. A way back that is refused is offered without the candidate: no request is meant to go there."""
        answer = await self._try(wanted, problems, ends_s)
        if answer.outcome is Applied.REFUSED and answer.is_proven and is_reducible(wanted) and is_way_back(wanted):
            refused = answer
            answer = await self._try(without_candidate(wanted), problems, ends_s)
            answer = replace(answer, detail=f"without the candidate, which was refused: {refused.detail}")
        if answer.outcome is Applied.REFUSED:
            self._offering.withdraw(wanted.agent, is_proven=answer.is_proven)
        return answer

    async def _try(self, wanted: Assignment, problems: list[str], ends_s: float) -> Answer:
        # What a node has refused is not sent to it again; one that comes back may think otherwise.
        agent, nodes = wanted.agent, self._server.connected(self.name)
        try:
            known = self._refused.get(agent)
            if known is not None and known.nodes == nodes and asks_no_less(self._make(wanted), known.offer):
                return known.answer
            offer = self._put(wanted)
            is_served = self._serve()
        except XdsError as error:
            return Answer(Applied.REFUSED, str(error), is_proven=True, code=error.code)
        if offer is None:
            return Answer(Applied.UNREACHABLE, "; ".join(problems), code="not-found")
        if not is_served:
            return Answer(Applied.UNREACHABLE, "; ".join(problems) or self._unserved())
        self._applied[agent] = _Applied(offer, self._offering.publish(), self._book.of(endpoints_of(wanted)))
        if offer.assignment.split != wanted.split:
            return Answer(Applied.UNREACHABLE, "; ".join(problems), code="not-found")
        answer = await self._offering.settle(offer, ends_s)
        if answer.is_proven:
            self._refused[agent] = _Refused(offer, nodes, answer)
        return answer if answer.detail else replace(answer, detail="; ".join(problems))

    def _put(self, wanted: Assignment) -> Offer | None:
        """Offer it as far as its versions have addresses; None when the stable one has none. Raises XdsError."""
        if not self._can_serve(wanted):
            return None
        if not self._is_inherited(wanted):
            self._inherited.pop(wanted.agent, None)
        offer = self._offering.put(self._make(wanted))
        still = {version.name for version in self._wanted[wanted.agent].versions}
        exposed = self._exposed.get(wanted.agent, set())
        self._exposed[wanted.agent] = (exposed & still) | may_get_requests(offer.assignment)
        if offer.resources.mortal is not None:
            self._refresher.arm()
        return offer

    def _make(self, wanted: Assignment) -> Offer:
        """Versions without any address are left out: nothing is sent there, and nobody else is held up."""
        draining = tuple(version for version in wanted.draining if self._has_address(version))
        possible = replace(wanted, draining=draining)
        if wanted.candidate is not None and not self._has_address(wanted.candidate):
            possible = replace(possible, candidate=None, split=ALL_STABLE)
        for_grpc = self._options.api_listener is not None
        return Offer(possible, translate(possible, self._book.known, for_grpc=for_grpc))

    def _watch_latency(self, assignments: Iterable[Assignment]) -> None:
        """Have the listener log what latency objectives need. It never goes back: each change of a listener makes its
        Envoys close the connections that they have, streams included, at the end of their drain time.
        """
        limit_s = max((limit_s for entry in assignments for limit_s in entry.latency_limits_s), default=0.0)
        if limit_s > self._latency_limit_s and not self._log_refusal:
            self._latency_limit_s = limit_s
            self._offering.listen(_listeners(self.name, self._options, limit_s))

    def _log_refused(self) -> str:
        """A node's words about a listener that has an access log, if it refuses that; else nothing."""
        if not self._latency_limit_s:
            return ""
        told = (told for node in self._server.nodes(self.name) for told in node.types)
        return next((status.error for status in told if status.type == LISTENERS and status.error), "")

    async def _without_log(self, wanted: Assignment, problems: list[str], ends_s: float, words: str) -> Answer:
        """Offer the listener without its access log: the way back must not wait for an Envoy that cannot log."""
        limit_s, self._latency_limit_s = self._latency_limit_s, 0.0
        self._offering.listen(_listeners(self.name, self._options))
        answer = await self._apply(wanted, problems, ends_s)
        if answer.outcome is Applied.REFUSED:  # the log was not what it minds
            self._latency_limit_s = limit_s
            self._offering.listen(_listeners(self.name, self._options, limit_s))
        else:
            self._log_refusal = words
            log.error("%s: no latency is reported, because its access log was refused: %s", self.name, words)
        return answer

    def _can_serve(self, wanted: Assignment) -> bool:
        return self._has_address(wanted.stable) or self._is_inherited(wanted)

    def _is_inherited(self, wanted: Assignment) -> bool:
        """Whether its stable version has no address now, and may have endpoints at the nodes since before our start."""
        return self._inherited.get(wanted.agent) == wanted.stable and not self._has_address(wanted.stable)

    def _has_address(self, version: Version) -> bool:
        return any(endpoint in self._book.known for endpoint in version.endpoints)

    def _serve(self) -> bool:
        """Publish; not before every agent is offered, because an Envoy would drop those that it is not told of."""
        if not self._is_served:
            self._is_served = self._wanted.keys() <= self._offering.offered.keys()
        if self._is_served:
            self._offering.publish()
        return self._is_served

    def _unserved(self) -> str:
        waiting = ", ".join(sorted(self._wanted.keys() - self._offering.offered.keys()))
        return f"no Envoy is told anything before these can be served: {waiting}"

    def _used(self) -> list[str]:
        offers = [*self._offering.offered.values(), *self._offering.taken.values()]
        used = [*self._wanted.values(), *(offer.assignment for offer in offers)]
        return [endpoint for assignment in used for endpoint in endpoints_of(assignment)]

    def _lives_s(self) -> Iterator[float]:
        for wanted in self._wanted.values():
            if wanted.candidate is not None and wanted.dead_man_s is not None:
                yield wanted.dead_man_s

    def _refresh(self) -> None:
        if self._is_served:
            self._offering.refresh()

    # --- reading back -------------------------------------------------------------------------------------------------

    async def verify(self, agent: str) -> Verification:
        """Compare what the nodes have ACKed with what was applied last, and names with what they resolve to now."""
        applied = self._applied.get(agent)
        if applied is None:
            return Verification(self.name, Proof.PENDING, "nothing has been published for it yet")
        if not self._offering.stands(applied.offer):
            return Verification(self.name, Proof.REFUSED, "it was refused, and something else is offered instead")
        await self._book.learn(applied.resolved, LOOKUP_TIMEOUT_S, again=True)
        if moved := self._book.moved(applied.resolved):
            return Verification(self.name, Proof.PENDING, moved)
        if not self._server.connected(self.name):
            return Verification(self.name, Proof.UNREACHABLE, "no Envoy is connected")
        if behind := not_acked(self._server.behind(self.name, applied.generation)):
            return Verification(self.name, Proof.PENDING, behind)
        return Verification(self.name, Proof.APPLIED, applied.remark)

    def take_report(self, report: LoadReport) -> None:
        """Add a load report of one of this gateway's nodes."""
        self._counting.take_report(report)

    def take_access_log(self, access_log: AccessLog) -> None:
        """Add a message of access logs of one of this gateway's nodes."""
        self._counting.take_access_log(access_log)

    async def observe(self, agent: str) -> Observation:
        """What the nodes have reported. Raises GatewayError while there is none that reports."""
        offer, wanted = self._offering.offered.get(agent), self._wanted.get(agent)
        names = {version.name for version in wanted.versions} if wanted else set()
        located = offer.resources.located if offer else frozenset()
        return self._counting.seen(agent, located, names - self._exposed.get(agent, set()))

    async def status(self) -> GatewayStatus:
        """Who is connected, what they are, who has not taken what was applied last, and what else is amiss now."""
        nodes = tuple(sorted(self._server.connected(self.name)))
        newest = max((applied.generation for applied in self._applied.values()), default=0)
        details = [
            named(self._server.programs(self.name)),
            not_acked(self._server.behind(self.name, newest))
            if nodes
            else f"no Envoy with node.cluster {self.name!r} is connected",
            "" if self._is_served or not self._wanted else self._unserved(),
            no_address(wanted for wanted in self._wanted.values() if self._is_inherited(wanted)),
            no_report(self._counting.silent()),
            f"no latency is reported: {self._log_refusal}" if self._log_refusal else "",
        ]
        detail = "; ".join(filter(None, details))
        return GatewayStatus(self.name, "envoy", reachable=bool(nodes), detail=detail, nodes=nodes)

    async def cut(self, agent: str, version: str) -> None:
        """An Envoy cannot cut one version's streams: the agent must end them itself (see its drain URL)."""

    async def remove(self, agent: str) -> None:
        """Take the agent's routes and clusters away."""
        for known in (self._wanted, self._applied, self._refused, self._inherited, self._exposed):
            known.pop(agent, None)
        self._offering.remove(agent)
        self._counting.keep()
        self._serve()

    async def close(self) -> None:
        """Stop refreshing. The nodes keep what they have; the server is closed by whoever opened it."""
        self._offering.close()
        self._refresher.close()


def _listeners(name: str, options: EnvoyOptions, latency_limit_s: float = 0.0) -> Iterator[Resource]:
    address, port = host_port(options.listen)
    log = LatencyLog(options.load_report_interval_s, latency_limit_s) if latency_limit_s else None
    yield Listener(name, address, port, routes=name, latency_log=log).resource()
    if options.api_listener is not None:
        yield ApiListener(options.api_listener, routes=name).resource()
