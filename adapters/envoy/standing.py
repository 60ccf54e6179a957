"""What is amiss at a gateway of Envoys at this moment, in words for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from adapters.port import Assignment
from xds.roster import NodeStatus

NAMED_MAX = 10
"""So many are named; of the others there is the number."""


def not_acked(behind: Iterable[NodeStatus]) -> str:
    """Which nodes have not taken what was applied; those that left a moment ago may still serve something else."""
    streams = {node.id: node.streams for node in behind}
    gone = [name for name, count in streams.items() if not count]
    return f"not ACKed by {named(streams)}" + (f" ({named(gone)} left a moment ago)" if gone else "") if streams else ""


def no_address(assignments: Iterable[Assignment]) -> str:
    """Which stable versions have no address, so that each Envoy keeps for them the endpoints that it has."""
    known = {f"{entry.agent} ({', '.join(entry.stable.endpoints[:1])})" for entry in assignments}
    return f"no address of the stable version of {named(known)}: Envoys keep the endpoints they have" if known else ""


def no_report(nodes: Iterable[str]) -> str:
    """Which nodes say nothing of their requests: whoever breaks there is not seen."""
    silent = named(nodes)
    return f"no load report from {silent}: is load_stats_config in the bootstrap?" if silent else ""


def named(names: Iterable[str]) -> str:
    """Names for people: in order, and not all of a thousand."""
    ordered = sorted(names)
    more = len(ordered) - NAMED_MAX
    return ", ".join(ordered[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
