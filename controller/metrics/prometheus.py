"""A Prometheus as a source: asks for every indicator of the versions that are judged, all at once, within limits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

from controller.analysis.counters import Cumulative, Reading, Series

from .promql import Query, Samples, Tallied, samples_of
from .sources import Judged, Looked, SourceError

TIMEOUT_S = 4.0
"""How long one query may take."""

BODY_BYTES_MAX = 1024 * 1024
AT_ONCE_MAX = 8
"""Queries that one Prometheus is asked at the same time."""

DENIED = frozenset({401, 403})
ANSWERED = frozenset({200, 400, 422})
"""Statuses whose body is a Prometheus's own answer: what it has found, or why it cannot."""


class Prometheuses:
    """The connections to every Prometheus that the settings name. Opens them when they are first needed."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, url: str, query: str) -> Samples:
        """What an instant query returns now.

        Raises:
            SourceError: it cannot be asked, or returns what nobody can count.
        """
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
            self._session = aiohttp.ClientSession(
                timeout=timeout, connector=aiohttp.TCPConnector(limit_per_host=AT_ONCE_MAX)
            )
        source, form = name_of(url), {"query": query, "timeout": f"{TIMEOUT_S:g}s"}
        try:
            async with self._session.post(
                f"{url.rstrip('/')}/api/v1/query", data=form, allow_redirects=False
            ) as answer:
                if answer.status not in ANSWERED:
                    raise SourceError(source, _code(answer.status), f"it answers {answer.status}")
                return samples_of(source, await _body(source, answer))
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError; URLs raise ValueError
            raise SourceError(source, "unreachable", str(error) or type(error).__name__) from error

    def sources(self, agent: str, queries: Sequence[Query]) -> tuple[PrometheusSource, ...]:
        """One source per Prometheus and pace: queries that are asked together."""
        groups: dict[tuple[str, float], list[Query]] = {}
        for query in queries:
            groups.setdefault((query.url, query.every_s), []).append(query)
        return tuple(
            PrometheusSource(self, f"{name_of(url)} every {every_s:g} s", every_s, agent, tuple(group))
            for (url, every_s), group in groups.items()
        )

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()


@dataclass(slots=True)
class PrometheusSource:
    """Some indicators of one agent. Nobody is asked while nobody is judged."""

    _prometheuses: Prometheuses
    name: str
    every_s: float
    _agent: str
    _queries: tuple[Query, ...]
    _tallied: dict[Series, Tallied] = field(default_factory=dict)

    async def look(self, judged: Judged) -> Looked | None:
        """What was counted since each version was first asked for. What cannot be read is left out, and told."""
        wanted = {
            Series(version, query.indicator): (query, query.rendered(self._agent, version, track))
            for query in self._queries
            for version, track in judged.items()
        }
        self._tallied = {
            series: known
            for series, known in self._tallied.items()
            if series in wanted and known.asked == wanted[series][1]
        }
        if not wanted:
            return None
        async with asyncio.TaskGroup() as group:
            asked = {
                series: group.create_task(self._count(series, query, rendered))
                for series, (query, rendered) in wanted.items()
            }
        counters, troubles = {}, []
        for series, task in asked.items():
            match task.result():
                case Cumulative() as counted:
                    counters[series] = counted
                case trouble:
                    troubles.append(f"{wanted[series][0].objective} of {series.version}: {trouble}")
        return Looked(self.name, readings=(Reading(self.name, "", counters),), trouble="; ".join(troubles))

    async def _count(self, series: Series, query: Query, rendered: tuple[str, str]) -> Cumulative | SourceError:
        """Both counts of an indicator, or why not: one without the other says nothing."""
        try:
            bad, total = [await self._prometheuses.ask(query.url, each) for each in rendered]
        except SourceError as error:
            return error
        known = self._tallied.setdefault(series, Tallied(rendered, query.window_s is not None))
        return known.take(bad, total)


def name_of(url: str) -> str:
    """What a Prometheus is called; nothing but its host and port, because names end up in logs."""
    parts = urlsplit(url)
    return f"prometheus/{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def _code(status: int) -> str:
    if status in DENIED:
        return "denied"
    return "not-found" if status == 404 else "unreachable"


async def _body(source: str, answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise SourceError(source, "invalid", f"the answer has more than {BODY_BYTES_MAX} bytes")
    return bytes(body)
