"""A PromQL query as an indicator: what is asked for whom, what an answer may be, and how counters become events. Pure.

A query returns counters, or, where it names ``{{window}}``, the events of that window:

- **Counters** grow for as long as a process lives: ``task_total{version="{{version}}"}``. Each series of the answer is
  a counter of its own: one that went down began again at zero, one that is left out has not moved, one that is new
  beside known ones began at zero. So do not sum them: of a sum nobody can say why it went down, and it is taken up
  again where it stands, with nothing counted.
- **Windows** are for what only exists as such: ``sum(increase(task_total{version="{{version}}"}[{{window}}]))``. They
  are asked for one after the other, so that no event is counted twice.

The bad and the total of a version count only together. Nothing, NaN and a negative number are no data, never zero.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from adapters.port import Track
from controller.analysis.counters import Cumulative
from controller.analysis.indicators import Indicator

from .sources import SourceError

Labels = tuple[tuple[str, str], ...]
Samples = Mapping[Labels, float]
"""One number per series of an answer; never empty, all of them finite and not negative."""

SERIES_MAX = 1_000
"""Per answer. A query for one version of one agent has a few."""

TEMPLATES = ("agent", "track", "version", "window")
_TEMPLATE = re.compile(r"\{\{\s*([A-Za-z_]*)\s*\}\}")


def templates(query: str) -> frozenset[str]:
    """The names between double braces in a query, known or not."""
    return frozenset(_TEMPLATE.findall(query))


@dataclass(frozen=True, slots=True)
class Query:
    """One indicator that a Prometheus knows.

    Attributes:
        objective: the operator's word for it.
        url: where the Prometheus is, without ``/api/v1``.
        bad: PromQL for the bad events.
        total: PromQL for all events.
        every_s: how long to wait between two looks; with a window that is the window itself.
        window_s: what ``{{window}}`` stands for; None where the queries return counters.
    """

    objective: str
    url: str
    bad: str
    total: str
    every_s: float
    window_s: float | None = None

    @property
    def indicator(self) -> Indicator:
        """Its name in verdicts. Another question is another indicator, which no old evidence speaks for."""
        asked = json.dumps([self.url, self.bad, self.total, self.window_s])
        return f"prometheus:{self.objective}@{hashlib.sha256(asked.encode()).hexdigest()[:8]}"

    def rendered(self, agent: str, version: str, track: Track | None) -> tuple[str, str]:
        """(bad, total) as they are asked for one version; ``{{track}}`` is ``none`` for one that plays none."""
        values = {"agent": agent, "version": version, "track": track.value if track else "none"}
        if self.window_s is not None:
            values["window"] = f"{round(self.window_s * 1000)}ms"

        def put_in(query: str) -> str:
            return _TEMPLATE.sub(lambda found: values[found[1]], query)

        return put_in(self.bad), put_in(self.total)


def samples_of(source: str, body: bytes) -> Samples:
    """The numbers in an answer of ``/api/v1/query`` (https://prometheus.io/docs/prometheus/latest/querying/api/).

    Raises:
        SourceError: ``invalid`` if it is no such answer, or one of another kind; ``no-data`` if it holds no number.
    """
    try:
        answer = json.loads(body)
        if answer["status"] != "success":
            raise SourceError(source, "invalid", f"{answer.get('errorType', 'error')}: {answer.get('error', '')}"[:500])
        data = answer["data"]
        found = _found(source, data["resultType"], data["result"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(source, "invalid", f"the answer is not a Prometheus's: {error!r}"[:500]) from error
    if not found:
        raise SourceError(source, "no-data", "the query returns nothing")
    if len(found) > SERIES_MAX:
        raise SourceError(source, "invalid", f"the query returns {len(found)} series; the most is {SERIES_MAX}")
    for value in found.values():
        if not isfinite(value) or value < 0:
            raise SourceError(source, "no-data", f"the query returns {value}, which is no number of events")
    return found


def _found(source: str, kind: str, result: Any) -> Samples:  # noqa: ANN401 - foreign JSON
    match kind:
        case "vector":
            return {tuple(sorted(each["metric"].items())): float(each["value"][1]) for each in result}
        case "scalar":
            return {(): float(result[1])}
        case _:
            raise SourceError(source, "invalid", f"the query returns a {kind}, not one number per series")


@dataclass(slots=True)
class _Counter:
    """The series of one query, as they were read last, and what they have counted since."""

    last: dict[Labels, float] = field(default_factory=dict)
    events: float = 0.0

    def take(self, samples: Samples) -> None:
        first = not self.last
        for labels, now in samples.items():
            before = self.last.pop(labels, now if first else 0.0)
            if now < before:
                # A series without labels is a sum: what is left of it is not new.
                before = 0.0 if labels else now
            self.events += now - before
            self.last[labels] = now
        while len(self.last) > 2 * SERIES_MAX:
            del self.last[next(iter(self.last))]


@dataclass(slots=True)
class Tallied:
    """One indicator of one version: the events that were counted since it was first asked for.

    Attributes:
        asked: the rendered queries; other ones begin anew.
        windowed: whether they return the events of a window.
    """

    asked: tuple[str, str]
    windowed: bool
    _bad: _Counter = field(default_factory=_Counter)
    _total: _Counter = field(default_factory=_Counter)

    def take(self, bad: Samples, total: Samples) -> Cumulative:
        """Count what is new; all events so far, whole ones."""
        for counter, samples in ((self._bad, bad), (self._total, total)):
            if self.windowed:
                counter.events += sum(samples.values())
            else:
                counter.take(samples)
        return Cumulative(int(self._total.events + 1e-6), int(self._bad.events + 1e-6))
