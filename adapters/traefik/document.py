"""All agents of a gateway as the one document that Traefik loads, and what of it is whose. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .rules import priorities
from .translation import ASIDE, PREFIX, AgentParts, Part

DIGEST_CHARS = 16

_STAMP = re.compile(r'"X-Turnout-Document": "([0-9a-f]{1,64})-[0-9a-f]+"')


class Standing(StrEnum):
    """What stands where Traefik looks for the document."""

    SAME = "same"
    OTHER = "other"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Document:
    """What Traefik is to load.

    Attributes:
        http: sections of its ``http`` configuration: services, routers, middlewares, serversTransports.
        owners: the names of each agent's parts, by section, in the order in which they are worth looking at.
        stamp: tells this document from every other one, also from an earlier one that says the same: Traefik may show
            that one while it is about to load what stood between the two.
    """

    http: Mapping[str, Mapping[str, Part]]
    owners: Mapping[str, Mapping[str, tuple[str, ...]]]
    stamp: str

    def parts(self, agent: str) -> Iterator[tuple[str, str, Part]]:
        """(section, name, part) of everything of one agent; its own service, which holds the weights, comes first."""
        for section, names in self.owners.get(agent, {}).items():
            for name in names:
                yield section, name, self.http[section][name]

    def text(self, headline: str) -> str:
        """As YAML below a headline for people: a line for each part, in JSON, which is YAML too and quick to write."""
        lines = [f"# {headline}", "http:"]
        for section, parts in self.http.items():
            if parts:
                lines.append(f"  {section}:")
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


def generation_in(text: str) -> str:
    """The generation of a document by its text; empty where there is none."""
    found = _STAMP.search(text)
    return found[1] if found else ""


def compose(gateway: str, agents: Mapping[str, AgentParts], generation: str) -> Document:
    """Put the parts of all agents together; only the routers' order needs to know all of them.

    Args:
        gateway: the gateway's name.
        agents: the parts of each.
        generation: hexadecimal, another one for each document that is written.
    """
    ranks = priorities({name: rule for parts in agents.values() for name, rule in parts.rules.items()})
    http: dict[str, dict[str, Any]] = {"services": {}, "routers": {}, "middlewares": {}, "serversTransports": {}}
    owners: dict[str, dict[str, tuple[str, ...]]] = {}
    for agent, parts in agents.items():
        routers = {
            name: {"rule": rule.text, "priority": ranks[name], **parts.router} for name, rule in parts.rules.items()
        }
        own: dict[str, Mapping[str, Part]] = {
            "services": parts.services,
            "routers": routers,
            "middlewares": parts.middlewares,
            "serversTransports": parts.transports,
        }
        for section, named in own.items():
            http[section].update(named)
        owners[agent] = {section: tuple(named) for section, named in own.items()}
    digest = hashlib.sha256(json.dumps(http).encode()).hexdigest()
    stamp = f"{generation}-{digest[:DIGEST_CHARS]}"
    http["middlewares"][stamp_name(gateway)] = stamp_part(stamp)
    return Document(http, owners, stamp)


def without_templates(text: str) -> str:
    """Traefik runs files of its directory through Go's templates first; this is text that comes out as ``text``."""
    return text.replace("{{", '{{"{{"}}')
