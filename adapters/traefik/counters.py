"""Traefik's metrics page, as counts per agent and version. Pure; the page may be anything.

Source: https://doc.traefik.io/traefik/observability/metrics/overview/ (Prometheus text format).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from adapters.port import Tally

from .translation import ASIDE, PREFIX

REQUESTS = "traefik_service_requests_total"
STARTED = "process_start_time_seconds"
LARGEST = 2**53
"""A larger count is not one: Prometheus counts in doubles."""

_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_SERIES = re.compile(rf"^{REQUESTS}\{{(.*)\}} (\S+)", re.MULTILINE)
_STARTED = re.compile(rf"^{STARTED} (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Page:
    """What one page says.

    Attributes:
        epoch: when the program started, as it writes it; empty if it does not say.
        tallies: per agent, per version name.
    """

    epoch: str
    tallies: Mapping[str, Mapping[str, Tally]]


def read(text: str, provider: str) -> Page:
    """The counters of our services.

    Args:
        text: the page.
        provider: ``file`` or ``http``: by which of Traefik's providers our services come.
    """
    tallies: dict[str, dict[str, Tally]] = {}
    for labels, value in _SERIES.findall(text):
        named = dict(_LABEL.findall(labels))
        whose = _whose(named.get("service", ""), provider)
        count = _count(value)
        if whose is None or count is None:
            continue
        agent, version = whose
        versions = tallies.setdefault(agent, {})
        before = versions.get(version, Tally())
        failed = count if named.get("code", "").startswith("5") else 0
        versions[version] = Tally(before.requests + count, before.errors + failed)
    started = _STARTED.search(text)
    return Page(started[1] if started else "", tallies)


def _whose(service: str, provider: str) -> tuple[str, str] | None:
    """Agents' names have no dot, so the first one ends the name."""
    name, _, where = service.rpartition("@")
    agent, dot, version = name.removeprefix(PREFIX).partition(".")
    if where != provider or not name.startswith(PREFIX) or not (agent and dot and version) or ASIDE in name:
        return None
    return agent, version


def _count(text: str) -> int | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if 0 <= value <= LARGEST else None
