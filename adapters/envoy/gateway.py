"""The Envoys of one gateway: all nodes whose ``node.cluster`` is its name. They subscribe; nothing here dials them.

A split is confirmed when every connected node has ACKed the snapshot that holds it. After its ACK an Envoy sends no
request by the old split (shared/facts/envoy.md), so a confirmation proves effect.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from adapters.port import (
    ALL_STABLE,
    Applied,
    Assignment,
    Capabilities,
    GatewayError,
    GatewayStatus,
    Observation,
    Proof,
    Receipt,
    Verification,
)
from xds.errors import XdsError
from xds.load_reports import LoadReport
from xds.resources import ApiListener, Listener, Resource, Snapshot, route_table, share_hosts
from xds.roster import Confirmation
from xds.server import XdsServer

from .addresses import AddressBook, Resolve, look_up
from .tallies import Tallies
from .translation import AgentResources, translate

log = logging.getLogger(__name__)

CAPABILITIES = Capabilities(
    share_bp_min=1,
    sees_in_flight=True,
    cuts_streams=False,
    counts_per_version=True,
    mirrors=True,
    dead_man=True,
    proves_effect=True,
)

REFRESHES_PER_DEAD_MAN = 3
"""How often endpoints that go stale are sent again within their time to live."""


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
        self._epoch = uuid.uuid4().hex
        self._wanted: dict[str, Assignment] = {}
        self._resources: dict[str, AgentResources] = {}
        self._accepted: dict[str, AgentResources] = {}
        self._generations: dict[str, int] = {}
        self._tallies = Tallies()
        self._refresher: asyncio.TimerHandle | None = None
        self._serial = 0

    # --- applying -----------------------------------------------------------------------------------------------------

    async def start(self, assignments: Sequence[Assignment]) -> None:
        """Serve all agents at once, as soon as every endpoint has an address; until then no node is told anything."""
        self._server.set_load_report_interval(self.name, self._options.load_report_interval_s)
        for assignment in assignments:
            self._wanted[assignment.agent] = assignment
        for assignment in assignments:
            problems = await self._translate(assignment)
            for problem in problems:
                log.error("%s: %s is not served to any Envoy yet: %s", self.name, assignment.agent, problem)
        self._publish()

    async def apply(self, assignment: Assignment, *, timeout_s: float) -> Receipt:
        """Publish the assignment, and wait for every connected node's ACK. See the port."""
        started_s = self._now_s()
        try:
            outcome, detail = await self._apply(assignment, timeout_s)
        except XdsError as error:
            outcome, detail = Applied.REFUSED, str(error)
        return Receipt(self.name, outcome, assignment.split, detail, self._now_s() - started_s)

    async def _apply(self, assignment: Assignment, timeout_s: float) -> tuple[Applied, str]:
        agent = assignment.agent
        self._wanted[agent] = assignment
        if problems := await self._translate(assignment):
            return Applied.UNREACHABLE, "; ".join(problems)
        generation = self._publish()
        if generation is None:
            waiting = sorted(self._wanted.keys() - self._resources.keys())
            return Applied.UNREACHABLE, f"nothing is served before {', '.join(waiting)} can be"
        self._generations[agent] = generation
        found = await self._server.confirmed(self.name, generation, timeout_s)
        if found.refusals:
            return await self._after_refusal(assignment, found, timeout_s)
        if found.is_confirmed:
            self._accepted[agent] = self._resources[agent]
            return Applied.CONFIRMED, ""
        if not found.confirmed and not found.pending:
            return Applied.UNREACHABLE, f"no Envoy with node.cluster {self.name!r} is connected"
        return Applied.UNCONFIRMED, f"not ACKed by {', '.join(found.pending)}"

    async def _after_refusal(
        self, assignment: Assignment, found: Confirmation, timeout_s: float
    ) -> tuple[Applied, str]:
        """A NACK: go back to what the nodes took before, so that one agent's fault does not hold up the others.

        A way back that is refused is tried without the candidate: nothing is sent there, so nothing is lost by that.
        """
        agent = assignment.agent
        detail = "; ".join(f"{refusal.node_id}: {refusal.error}" for refusal in found.refusals)
        log.warning("%s: %s was refused: %s", self.name, agent, detail)
        if assignment.split == ALL_STABLE and (assignment.candidate or assignment.draining):
            bare = Assignment(agent, assignment.route, assignment.stable, stickiness=assignment.stickiness)
            outcome, more = await self._apply(bare, timeout_s)
            return outcome, more or f"without the candidate, which was refused: {detail}"
        if agent in self._accepted:
            self._resources[agent] = self._accepted[agent]
            self._publish()
        return Applied.REFUSED, detail

    async def _translate(self, assignment: Assignment) -> list[str]:
        """Make the assignment's resources. Returns why that cannot be done yet; what is served then goes on."""
        if problems := await self._book.learn(_endpoints(assignment)):
            return problems
        for_grpc = self._options.api_listener is not None
        self._resources[assignment.agent] = translate(assignment, self._book.addresses, for_grpc=for_grpc)
        return []

    def _publish(self) -> int | None:
        """Serve what is wanted; None while an agent has never been translated. Raises SnapshotError, ResourceError."""
        if self._wanted.keys() - self._resources.keys():
            return None
        agents = [self._resources[agent] for agent in sorted(self._resources)]
        claims = [(agent.hosts, agent.route) for agent in agents]
        routes = route_table(self.name, share_hosts(claims))
        resources = [resource for agent in agents for resource in self._alive(agent)]
        snapshot = Snapshot.of([*resources, *self._listeners(), routes])
        self._arm_refresh()
        return self._server.cache.set(self.name, snapshot)

    def _listeners(self) -> Iterator[Resource]:
        address, port = self._options.listen.rsplit(":", 1)
        yield Listener(self.name, address.strip("[]"), int(port), routes=self.name).resource()
        if self._options.api_listener is not None:
            yield ApiListener(self._options.api_listener, routes=self.name).resource()

    # --- the dead-man switch ------------------------------------------------------------------------------------------

    def _alive(self, agent: AgentResources) -> Iterator[Resource]:
        for resource in agent.clusters:
            yield resource.refreshed(self._serial) if resource is agent.mortal else resource

    def _arm_refresh(self) -> None:
        """Send endpoints that go stale again before they do. While the controller lives, so does the candidate."""
        if self._refresher is not None:
            self._refresher.cancel()
            self._refresher = None
        lives_s = [
            assignment.dead_man_s
            for assignment in self._wanted.values()
            if assignment.candidate is not None and assignment.dead_man_s is not None
        ]
        if lives_s:
            delay_s = min(lives_s) / REFRESHES_PER_DEAD_MAN
            self._refresher = asyncio.get_running_loop().call_later(delay_s, self._refresh)

    def _refresh(self) -> None:
        self._serial += 1
        self._publish()

    # --- reading back -------------------------------------------------------------------------------------------------

    async def verify(self, agent: str) -> Verification:
        """Compare what the nodes have ACKed with what was published last."""
        nodes = self._server.nodes(self.name)
        generation = self._generations.get(agent)
        if generation is None:
            return Verification(self.name, Proof.PENDING, "nothing has been published for it yet")
        if not nodes:
            return Verification(self.name, Proof.UNREACHABLE, "no Envoy is connected")
        behind = [node.id for node in nodes if node.confirmed_generation < generation]
        if behind:
            return Verification(self.name, Proof.PENDING, f"not ACKed by {', '.join(sorted(behind))}")
        return Verification(self.name, Proof.APPLIED)

    def take_report(self, report: LoadReport) -> None:
        """Add a load report of one of this gateway's nodes."""
        self._tallies.take(report, self._now_s())

    async def observe(self, agent: str) -> Observation:
        """What the nodes have reported. Raises GatewayError while there is none that reports."""
        nodes = {node.id for node in self._server.nodes(self.name) if node.streams}
        age_s = self._tallies.age_s(nodes, self._now_s())
        if age_s is None:
            why = "an Envoy has not reported its load yet" if nodes else "no Envoy is connected"
            raise GatewayError(self.name, "unreachable", why, retryable=True)
        known = [version.name for version in self._wanted[agent].versions] if agent in self._wanted else []
        return Observation(
            gateway=self.name,
            agent=agent,
            epoch=self._epoch,
            tallies=self._tallies.of(agent, known),
            in_flight=self._tallies.in_flight(agent, known, nodes),
            age_s=age_s,
        )

    async def status(self) -> GatewayStatus:
        """Who is connected."""
        nodes = tuple(sorted(node.id for node in self._server.nodes(self.name) if node.streams))
        detail = "" if nodes else f"no Envoy with node.cluster {self.name!r} is connected"
        return GatewayStatus(self.name, "envoy", reachable=bool(nodes), detail=detail, nodes=nodes)

    async def remove(self, agent: str) -> None:
        """Take the agent's routes and clusters away."""
        for known in (self._wanted, self._resources, self._accepted, self._generations):
            known.pop(agent, None)
        self._book.keep(endpoint for assignment in self._wanted.values() for endpoint in _endpoints(assignment))
        self._tallies.keep(self._wanted, [node.id for node in self._server.nodes(self.name)])
        self._publish()

    async def close(self) -> None:
        """Stop refreshing. The nodes keep what they have; the server is closed by whoever opened it."""
        if self._refresher is not None:
            self._refresher.cancel()


def _endpoints(assignment: Assignment) -> list[str]:
    return [endpoint for version in assignment.versions for endpoint in version.endpoints]
