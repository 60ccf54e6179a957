"""Which requests belong to an agent, in Traefik's rule language, and which of two matching rules goes first. Pure.

Source: https://doc.traefik.io/traefik/routing/routers/ (rule syntax v3). Strings in rules are Go's; JSON's are the same
for printable ASCII, so nothing that an operator writes can end a string early.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from adapters.port import Route

EXACT, SUFFIX, ANY = 2, 1, 0


@dataclass(frozen=True, slots=True)
class Rule:
    """One host's requests of one agent.

    Attributes:
        text: what Traefik is told.
        precedence: compares with that of another rule: the greater one is the more specific.
    """

    text: str
    precedence: tuple[int, int, int, int]


def rules_of(route: Route) -> tuple[Rule, ...]:
    """One rule per host: Traefik ranks a rule by its length, and a list of hosts would make it long, not specific."""
    return tuple(_rule(host, route) for host in dict.fromkeys(route.hosts))


def priorities(rules: Mapping[str, Rule]) -> dict[str, int]:
    """A priority for each rule by name: Traefik's default, the rule's length, raised where ours would be misordered.

    It stays that small on purpose: routers of other people, which have the default, keep their turn before broader
    ones of ours.
    """
    ranked = sorted(rules.items(), key=lambda item: (item[1].precedence, item[0]))
    given: dict[str, int] = {}
    top, last = 0, None
    for name, rule in ranked:
        top = max(len(rule.text), top if rule.precedence == last else top + 1)
        given[name], last = top, rule.precedence
    return given


def _rule(host: str, route: Route) -> Rule:
    kind, matcher = _host(host)
    parts = [*matcher, _path(route.path_prefix)]
    parts += [f"Header({json.dumps(header.name)}, {json.dumps(header.value)})" for header in route.headers]
    return Rule(_all(parts), (kind, len(host), len(route.path_prefix), len(route.headers)))


def _host(host: str) -> tuple[int, list[str]]:
    if host == "*":
        return ANY, []
    if host.startswith("*."):
        return SUFFIX, [f"HostRegexp({json.dumps(f'^.+{re.escape(host[1:])}$')})"]
    return EXACT, [f"Host({json.dumps(host)})"]


def _path(prefix: str) -> str:
    """Traefik's own prefix also matches within a segment: `/v1` would take `/v10`."""
    if prefix == "/":
        return 'PathPrefix("/")'
    return f"(Path({json.dumps(prefix)}) || PathPrefix({json.dumps(prefix + '/')}))"


def _all(parts: Iterable[str]) -> str:
    return " && ".join(parts)
