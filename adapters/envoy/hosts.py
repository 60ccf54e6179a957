"""Agents' routes as virtual hosts, changed one agent at a time. Pure.

Agents that share a host share its virtual host, and the one with the longer prefix is tried first. Who shares with whom
and in which order is worked out anew only when somebody's match changes, which a changed share does not do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from xds.resources import Route, VirtualHost


@dataclass(frozen=True, slots=True)
class Claim:
    """The requests of one agent: its hosts, in lower case, and its route."""

    hosts: tuple[str, ...]
    route: Route

    @property
    def match(self) -> object:
        """What two agents cannot both have at one host."""
        return self.route.prefix, frozenset(self.route.headers)


@dataclass(slots=True)
class Hosts:
    """Who claims which host. When two agents claim the same requests, the later one has them.

    Settings refuse that, so it lasts only while a claim moves from one agent to another.
    """

    _claims: dict[str, Claim] = field(default_factory=dict)
    _by_host: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _alike: list[tuple[str, ...]] = field(default_factory=list)
    _built: dict[str, VirtualHost] = field(default_factory=dict)
    _name_of: dict[str, str] = field(default_factory=dict)

    def put(self, agent: str, hosts: Iterable[str], route: Route) -> None:
        """Replace what an agent claims."""
        claim = Claim(tuple(dict.fromkeys(host.lower() for host in hosts)), route)
        before = self._claims.pop(agent, None)
        self._claims[agent] = claim
        if before is not None and (before.hosts, before.match) == (claim.hosts, claim.match):
            for host in claim.hosts:
                self._built.pop(self._name_of.get(host, host), None)
            return
        for host in before.hosts if before else ():
            self._leave(host, agent)
        for host in claim.hosts:
            self._join(host, agent, claim)

    def remove(self, agent: str) -> None:
        """Take an agent's claim away."""
        claim = self._claims.pop(agent, None)
        for host in claim.hosts if claim else ():
            self._leave(host, agent)

    def virtual_hosts(self) -> list[VirtualHost]:
        """All virtual hosts, by name. Hosts with the same agents are one virtual host, named by the first of them."""
        if not self._alike:
            alike: dict[tuple[str, ...], list[str]] = {}
            for host in sorted(self._by_host):
                alike.setdefault(self._by_host[host], []).append(host)
            self._alike = [tuple(hosts) for hosts in alike.values()]
            self._built = {}
            self._name_of = {host: hosts[0] for hosts in self._alike for host in hosts}
        for hosts in self._alike:
            if hosts[0] not in self._built:
                routes = tuple(self._claims[agent].route for agent in self._by_host[hosts[0]])
                self._built[hosts[0]] = VirtualHost(hosts[0], hosts, routes)
        return [self._built[hosts[0]] for hosts in self._alike]

    def _join(self, host: str, agent: str, claim: Claim) -> None:
        others = [other for other in self._by_host.get(host, ()) if self._claims[other].match != claim.match]
        self._order(host, [*others, agent])

    def _leave(self, host: str, agent: str) -> None:
        """Drop a claim; an earlier claim to the same requests, if there is one, counts again."""
        heirs: dict[object, str] = {}
        for other, claim in self._claims.items():
            if other != agent and host in claim.hosts:
                heirs[claim.match] = other
        self._order(host, heirs.values())

    def _order(self, host: str, agents: Iterable[str]) -> None:
        ordered = sorted(agents, key=lambda agent: (self._claims[agent].route.specificity, agent))
        if ordered:
            self._by_host[host] = tuple(ordered)
        else:
            self._by_host.pop(host, None)
        self._alike = []
