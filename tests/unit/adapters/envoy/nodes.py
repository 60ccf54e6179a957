"""Envoys that need no Envoy: they take every snapshot, or refuse it, or do not answer."""

import asyncio
from collections.abc import Callable

from adapters.envoy.gateway import EnvoyGateway, EnvoyOptions
from adapters.port import Assignment, Receipt, Route, Split, Version
from xds.acks import Refusal
from xds.cache import Cache
from xds.load_reports import ClusterLoad, LoadReport, VersionLoad
from xds.resources import ResourceType, Snapshot
from xds.roster import Confirmation, NodeStatus

STABLE = Version("1.0", ("127.0.0.1:3000",))
CANDIDATE = Version("1.1", ("127.0.0.1:3001",))
BAD = Version("bad", ("127.0.0.1:3002",))
NOW_S = 100.0
NAMED = Version("1.0", ("agent.test:80",))


def wanted(candidate_bp: int = 0, *, agent: str = "bot", candidate: Version | None = CANDIDATE, **more) -> Assignment:
    """An assignment of an agent that has a path of its own."""
    facts = {"route": Route(("*",), f"/{agent}"), "stable": STABLE, "split": Split(candidate_bp), **more}
    return Assignment(agent, candidate=candidate, **facts)


def cluster_of(snapshot: Snapshot, name: str) -> bytes | None:
    found = snapshot.sets[ResourceType.ENDPOINTS].resources.get(name)
    return found.body if found else None


def minds_version(name: str) -> Callable[[Snapshot], list[tuple[str, str, str]]]:
    """Refuses endpoint sets that hold a version of this name."""

    def minds(snapshot: Snapshot) -> list[tuple[str, str, str]]:
        held = snapshot.sets[ResourceType.ENDPOINTS].resources.values()
        return [("eds", each.name, f"{each.name} is not to my taste") for each in held if name.encode() in each.body]

    return minds


class FakeNode:
    """One Envoy.

    Attributes:
        minds: what it refuses of a snapshot: (type, resource, words).
        frozen: it does not answer.
        since_s: when it connected; by default a moment ago, on the clock of `edge`.
    """

    def __init__(
        self, node_id: str, minds=lambda snapshot: [], *, frozen: bool = False, since_s: float = NOW_S
    ) -> None:
        self.id = node_id
        self.minds = minds
        self.frozen = frozen
        self.since_s = since_s
        self.program = ""
        self.confirmed_generation = 0
        self.asked = 0
        self.taken: list[Snapshot] = []


class FakeServer:
    """An xDS server with these nodes in every group.

    Attributes:
        present: who is connected.
        left: who has left a moment ago.
    """

    def __init__(self, *nodes: FakeNode) -> None:
        self.cache = Cache()
        self.present = list(nodes)
        self.left: list[FakeNode] = []
        self.interval_s: dict[str, float] = {}

    def set_load_report_interval(self, group: str, interval_s: float) -> None:
        self.interval_s[group] = interval_s

    def nodes(self, group: str) -> tuple[NodeStatus, ...]:
        known = [(node, 1) for node in self.present] + [(node, 0) for node in self.left]
        return tuple(NodeStatus(n.id, group, streams, n.since_s, n.confirmed_generation, ()) for n, streams in known)

    def connected(self, group: str) -> dict[str, float]:
        return {node.id: node.since_s for node in self.present}

    def programs(self, group: str) -> tuple[str, ...]:
        return tuple(sorted({node.program for node in self.present if node.program}))

    def behind(self, group: str, generation: int) -> tuple[NodeStatus, ...]:
        return tuple(node for node in self.nodes(group) if node.confirmed_generation < generation)

    def has_left(self, group: str) -> bool:
        return bool(self.left)

    async def confirmed(self, group: str, generation: int, timeout_s: float) -> Confirmation:
        await asyncio.sleep(0)
        snapshot, newest = self.cache.snapshot(group), self.cache.group(group).generation
        confirmed, pending, refusals = [], [], []
        for node in self.present:
            node.asked += 1
            if node.frozen:
                pending.append(node.id)
                continue
            minded = node.minds(snapshot)
            refusals += [Refusal(node.id, group, type_, newest, "v", (name,), words) for type_, name, words in minded]
            if not minded:
                node.confirmed_generation = newest
                node.taken.append(snapshot)
                confirmed.append(node.id)
        return Confirmation(group, generation, tuple(confirmed), tuple(pending), tuple(refusals))


class Names:
    """A resolver that knows what it is told."""

    def __init__(self, **known: str) -> None:
        self.known = {name.replace("_", "."): address for name, address in known.items()}
        self.asked = 0

    async def __call__(self, host: str, port: int):
        self.asked += 1
        if host not in self.known:
            raise OSError("no such name")
        return (self.known[host],)


def edge(server: FakeServer, resolve=None) -> EnvoyGateway:
    return EnvoyGateway(
        "edge", EnvoyOptions("127.0.0.1:10000"), server, resolve=resolve or Names(), now_s=lambda: NOW_S
    )


def served(server: FakeServer) -> Snapshot | None:
    return server.cache.snapshot("edge")


def routes(server: FakeServer) -> bytes:
    return served(server).sets[ResourceType.ROUTES].resources["edge"].body


async def apply(gateway: EnvoyGateway, assignment: Assignment) -> Receipt:
    return await gateway.apply(assignment, timeout_s=1)


def report(
    node: str, version: str = "1.0", *, ok: int = 0, failed: int = 0, open_: int = 0, cluster: str = "bot/stable"
) -> LoadReport:
    load = VersionLoad(version, ok, failed, open_)
    return LoadReport(node, "edge", (ClusterLoad(cluster, (load,)),))
