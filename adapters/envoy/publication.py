"""One gateway's snapshot, changed one agent at a time: nothing that stays is built or hashed again. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from xds.resources import Resource, ResourceType, Snapshot, route_table

from .hosts import Hosts
from .translation import AgentResources


class Publication:
    """A snapshot in the making.

    Args:
        name: the name of its route table.
        listeners: what takes the requests that the table divides.
    """

    def __init__(self, name: str, listeners: Iterable[Resource]) -> None:
        self._name = name
        self._hosts = Hosts()
        self._agents: dict[str, AgentResources] = {}
        self._mortals: dict[str, Resource] = {}
        self._put: dict[tuple[ResourceType, str], Resource] = {}
        self._removed: set[tuple[ResourceType, str]] = set()
        self._routes_changed = False
        self._snapshot = Snapshot.of([*listeners, route_table(name, ())])

    def listen(self, listeners: Iterable[Resource]) -> None:
        """Replace listeners, each by the one of its name."""
        self._put.update(((listener.type, listener.name), listener) for listener in listeners)

    def put(self, agent: str, resources: AgentResources) -> None:
        """Replace what an agent contributes."""
        before = self._agents.get(agent)
        if resources is before:
            return
        self._agents[agent] = resources
        self._exchange(before.clusters if before else (), resources.clusters)
        if resources.mortal is not None:
            self._mortals[agent] = resources.mortal
        else:
            self._mortals.pop(agent, None)
        if before is None or (before.hosts, before.route) != (resources.hosts, resources.route):
            self._hosts.put(agent, resources.hosts, resources.route)
            self._routes_changed = True

    def remove(self, agent: str) -> None:
        """Take away what an agent contributes."""
        before = self._agents.pop(agent, None)
        if before is not None:
            self._exchange(before.clusters, ())
            self._mortals.pop(agent, None)
            self._hosts.remove(agent)
            self._routes_changed = True

    def refresh(self, serial: int) -> None:
        """Have every endpoint set that goes stale sent again, whatever it holds."""
        for mortal in self._mortals.values():
            self._put[mortal.type, mortal.name] = mortal.refreshed(serial)

    def snapshot(self) -> Snapshot:
        """All of it; the same object while nothing changes. Raises ResourceError, SnapshotError; nothing is lost."""
        if not (self._put or self._removed or self._routes_changed):
            return self._snapshot
        put = list(self._put.values())
        if self._routes_changed:
            put.append(route_table(self._name, self._hosts.virtual_hosts()))
        self._snapshot = self._snapshot.replace(*put, remove=self._removed)
        self._put.clear()
        self._removed.clear()
        self._routes_changed = False
        return self._snapshot

    def _exchange(self, before: Iterable[Resource], after: Iterable[Resource]) -> None:
        gone = {(resource.type, resource.name): resource for resource in before}
        for resource in after:
            key = (resource.type, resource.name)
            if gone.pop(key, None) != resource:
                self._put[key] = resource
                self._removed.discard(key)
        for key in gone:
            self._put.pop(key, None)
            self._removed.add(key)
