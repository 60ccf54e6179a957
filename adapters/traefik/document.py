"""All agents of a gateway as the one document that Traefik loads, and what of it is whose. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .rules import priorities
from .translation import ASIDE, PREFIX, AgentParts, Part

Sections = Mapping[str, Mapping[str, Part]]
"""Parts by name, by section of Traefik's `http` configuration: services, routers, middlewares, serversTransports."""

SECTIONS = ("services", "routers", "middlewares", "serversTransports")

NOBODY = ""
"""Whose those parts are that have no name of ours: somebody has added them."""

_STAMP = re.compile(r'"X-Turnout-Document": "([0-9a-f]{1,64}-[0-9a-f]{1,64})"')
_OWNER = re.compile(rf"{re.escape(PREFIX)}([^.{ASIDE}]+)")


@dataclass(frozen=True, slots=True)
class Document:
    """What Traefik is to load, or what was found where it looks.

    Attributes:
        agents: the parts of each agent; none of its sections is empty. What holds the weights comes first.
    """

    agents: Mapping[str, Sections]

    def of(self, agent: str) -> Sections:
        """The parts of one agent; nothing where it is not there."""
        return self.agents.get(agent, {})

    def parts(self, agent: str) -> Iterator[tuple[str, str, Part]]:
        """(section, name, part) of everything of one agent, in the order in which it is worth looking at."""
        for section, named in self.of(agent).items():
            for name, part in named.items():
                yield section, name, part

    def says_the_same(self, other: Document) -> bool:
        """Whether all agents have the same parts in both."""
        return all(self.of(agent) == other.of(agent) for agent in {*self.agents, *other.agents})

    def text(self, headline: str, gateway: str, stamp: str) -> str:
        """As YAML below a headline for people: a line for each part, in JSON, which is YAML too and quick to write."""
        http: dict[str, dict[str, Part]] = {section: {} for section in SECTIONS}
        for sections in self.agents.values():
            for section, named in sections.items():
                http.setdefault(section, {}).update(named)
        http["middlewares"][stamp_name(gateway)] = stamp_part(stamp)
        lines = [f"# {headline}", "http:"]
        for section, parts in http.items():
            if parts:
                lines.append(f"  {json.dumps(section)}:")
                lines += [f"    {json.dumps(name)}: {json.dumps(part)}" for name, part in parts.items()]
        return "\n".join([*lines, ""])


def stamp_name(gateway: str) -> str:
    """The middleware that nobody uses: Traefik's API shows by it which document it has loaded."""
    return f"{PREFIX}{ASIDE}{gateway}"


def stamp_part(stamp: str) -> Part:
    """What that middleware says."""
    return {"headers": {"customResponseHeaders": {"X-Turnout-Document": stamp}}}


def stamp_in(shown: object) -> str:
    """The inverse of ``stamp_part``; empty where there is none."""
    for key in ("headers", "customResponseHeaders", "X-Turnout-Document"):
        shown = shown.get(key) if isinstance(shown, Mapping) else None
    return shown if isinstance(shown, str) else ""


def stamp_in_text(text: str) -> str:
    """The stamp of a document by its text; empty where there is none."""
    found = _STAMP.search(text)
    return found[1] if found else ""


def compose(agents: Mapping[str, AgentParts]) -> Document:
    """Put the parts of all agents together; only the routers' order needs to know all of them."""
    ranks = priorities({name: rule for parts in agents.values() for name, rule in parts.rules.items()})
    owned: dict[str, Sections] = {NOBODY: {}}
    for agent, parts in agents.items():
        routers = {
            name: {"rule": rule.text, "priority": ranks[name], **parts.router} for name, rule in parts.rules.items()
        }
        sections = zip(SECTIONS, (parts.services, routers, parts.middlewares, parts.transports), strict=True)
        owned[agent] = {section: named for section, named in sections if named}
    return Document(owned)


def sorted_out(http: Mapping[Any, Any]) -> Document:
    """What stands in an `http` configuration, by whose it is: agents' names have no dot, so the first one ends them."""
    owned: dict[str, dict[str, dict[str, Part]]] = {}
    for section, named in http.items():
        for name, part in named.items() if isinstance(named, Mapping) else ():
            owner = _OWNER.match(str(name))
            if owner is None and str(name).startswith(PREFIX):  # the stamp
                continue
            agent = owner[1] if owner else NOBODY
            owned.setdefault(agent, {}).setdefault(str(section), {})[str(name)] = part
    return Document(owned)


def without_templates(text: str) -> str:
    """Traefik runs files of its directory through Go's templates first; this is text that comes out as ``text``."""
    return text.replace("{{", '{{"{{"}}')


def with_templates(text: str) -> str:
    """The inverse of ``without_templates``."""
    return text.replace('{{"{{"}}', "{{")
