"""What the nodes of one gateway have counted, and how much of it can be seen now.

Counts are summed over the nodes that report: a breach that one of them sees is a breach, whoever says nothing. What is
in flight is the opposite. It is only known when every node has said so, those included that may come back.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Mapping

from adapters.port import Assignment, GatewayError, Observation
from xds.access_logs import AccessLog
from xds.load_reports import LoadReport
from xds.server import XdsServer

from .latency import Latencies
from .standing import named
from .tallies import Tallies

SILENT_AFTER_S = 10.0
"""How long beyond its interval a node that has connected may take to report. An Envoy looks for its controller every
five seconds."""

NODES_SPARED = 64
"""With so many more nodes than twice those that are connected, the others are forgotten."""


class Counting:
    """Counts and requests in flight of one gateway.

    Args:
        gateway: its name, which is its nodes' group.
        server: who knows the nodes.
        wanted: the assignments, by agent; read at each report.
        interval_s: how often each node reports.
        now_s: the server's clock.
    """

    def __init__(
        self,
        gateway: str,
        server: XdsServer,
        wanted: Mapping[str, Assignment],
        interval_s: float,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway = gateway
        self._server = server
        self._wanted = wanted
        self._silent_after_s = interval_s + SILENT_AFTER_S
        self._now_s = now_s
        self._epoch = uuid.uuid4().hex
        self._tallies = Tallies()
        self._latencies = Latencies()

    def take_report(self, report: LoadReport) -> None:
        """Add a load report of one of the nodes."""
        nodes = self._server.connected(self._gateway)
        if len(self._tallies) > 2 * len(nodes) + NODES_SPARED:
            self._tallies.keep_nodes(nodes)
        self._tallies.take(report, self._now_s(), self._wanted)

    def take_access_log(self, access_log: AccessLog) -> None:
        """Add a message of access logs of one of the nodes."""
        self._latencies.take(access_log, self._limits_of)

    def _limits_of(self, agent: str) -> tuple[float, ...]:
        wanted = self._wanted.get(agent)
        return wanted.latency_limits_s if wanted else ()

    def seen(self, agent: str, located: Collection[str], idle: Collection[str] = ()) -> Observation:
        """What the nodes have reported of an agent. Raises GatewayError while there is none that reports.

        Args:
            agent: its name.
            located: the versions whose endpoints the nodes are told. Of any other no node says what is in flight.
            idle: the versions that no request was ever guided to: they have nothing in flight, whoever says nothing.
        """
        nodes = self._server.connected(self._gateway)
        if not nodes:
            raise GatewayError(self._gateway, "unreachable", "no Envoy is connected", retryable=True)
        age_s = self._tallies.age_s(nodes, self._now_s())
        if age_s is None:
            message = f"no load report has come yet from {named(nodes)}"
            raise GatewayError(self._gateway, "unreachable", message, retryable=True)
        is_whole = not self._server.has_left(self._gateway) and not self._tallies.silent(nodes)
        in_flight = self._tallies.in_flight(agent, located, nodes) if is_whole else {}
        return Observation(
            gateway=self._gateway,
            agent=agent,
            epoch=self._epoch,
            tallies=self._latencies.added_to(self._tallies.of(agent, located), agent),
            in_flight={**in_flight, **dict.fromkeys(idle, 0)},
            age_s=age_s,
        )

    def silent(self) -> list[str]:
        """Nodes that are connected, and should have reported by now."""
        nodes = self._server.connected(self._gateway)
        due_s = self._now_s() - self._silent_after_s
        return [node for node in self._tallies.silent(nodes) if nodes[node] <= due_s]

    def keep(self) -> None:
        """Forget every agent that is not wanted any more."""
        self._tallies.keep(self._wanted)
        self._latencies.keep(self._wanted)
