"""Lines of HAProxy's log, summed to cumulative counts of slow answers per version and limit. Pure.

The latency of a request is the time from the whole request to the headers of its answer, because agents stream: how
long an answer goes on says how much there was to say. With ``option logasap`` a request is logged when its answer
begins, or when it ends without one. It is an event of the indicator "slower than the limit"

- if its answer began: slow if that took longer than the limit;
- if it waited for longer than the limit without an answer: slow, whatever came of it.

One that ended sooner without an answer (a client that left, a connection that was refused) is none: it was neither fast
nor slow. Nor is one that was tried again, because its time belongs to more than one version.

Source: HAProxy's configuration manual, "Timing events" and "Custom log format"; lines measured with 2.6.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from adapters.names import joined
from adapters.port import Tally, latency_over

VERSIONS_MAX = 32
"""Of one agent, the versions whose counts are kept; the one that was heard of longest ago goes first."""

MILLISECONDS_MAX = 10**12
"""No request takes 30 years; whoever writes more is not HAProxy."""

_ACTIVE = re.compile(r"\+?([0-9]{1,12})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Line:
    """One request, as it was logged.

    Attributes:
        backend: where it went.
        server: the server's ``address:port``; empty where it reached none.
        was_retried: whether it was tried more than once.
        latency_s: from the whole request to the headers of the answer; None where none came.
        waited_s: from the whole request to the moment when it was logged.
    """

    backend: str
    server: str
    was_retried: bool
    latency_s: float | None
    waited_s: float


def line_in(datagram: bytes) -> Line:
    """A line of the shipped ``log-format``; what a syslog format puts before it is passed over. Raises ValueError."""
    try:
        told = json.loads(datagram[max(datagram.find(b"{"), 0) :])
    except RecursionError as error:
        raise ValueError("it is nested without end") from error
    if not isinstance(told, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - a line that cannot be read, whatever it is instead
    request_ms, *waits_ms = (_milliseconds(told, name) for name in ("request", "queue", "connect", "answer"))
    active = _ACTIVE.fullmatch(_text(told, "active"))  # `logasap` puts a plus before it: the request goes on
    if active is None:
        raise ValueError("its active time is no number")
    return Line(
        backend=_text(told, "backend"),
        server=_server(_text(told, "server")),
        was_retried=_text(told, "retries") != "0",
        latency_s=sum(waits_ms) / 1000 if min(waits_ms) >= 0 else None,
        waited_s=max(int(active[1]) - max(request_ms, 0), 0) / 1000,
    )


def _text(told: Mapping[str, object], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str):
        raise ValueError(f"it has no {name}")  # noqa: TRY004 - as above
    return value


def _milliseconds(told: Mapping[str, object], name: str) -> int:
    """-1 where HAProxy says that it did not come to that."""
    value = told.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not -1 <= value <= MILLISECONDS_MAX:
        raise ValueError(f"it has no {name}")
    return value


def _server(text: str) -> str:
    """HAProxy writes IPv6 addresses without brackets, and ``-:-`` where there was no server."""
    host, _, port = text.rpartition(":")
    return "" if host == "-" or not port.isascii() or not port.isdigit() else joined(host, int(port))


@dataclass(slots=True)
class Latencies:
    """What was logged of one agent since this was made."""

    _counts: dict[str, dict[float, tuple[int, int]]] = field(default_factory=dict)

    def take(self, line: Line, version: str, limits_s: Iterable[float]) -> None:
        """Count a request of a version, once per limit that it is an event of."""
        if line.was_retried:
            return
        for limit_s in limits_s:
            if line.latency_s is not None:
                self._add(version, limit_s, slow=line.latency_s > limit_s)
            elif line.waited_s > limit_s:
                self._add(version, limit_s, slow=True)

    def _add(self, version: str, limit_s: float, *, slow: bool) -> None:
        counted = self._counts.pop(version, {})
        events, bad = counted.get(limit_s, (0, 0))
        counted[limit_s] = (events + 1, bad + slow)
        self._counts[version] = counted
        while len(self._counts) > VERSIONS_MAX:
            del self._counts[next(iter(self._counts))]

    def added_to(self, tallies: Mapping[str, Tally]) -> dict[str, Tally]:
        """Tallies with these counts as indicators. A version of which nothing was logged has none: that is not zero."""
        added = dict(tallies)
        for version, counted in self._counts.items():
            tally = added.get(version, Tally())
            slow = {latency_over(limit_s): (events, float(bad)) for limit_s, (events, bad) in counted.items()}
            added[version] = replace(tally, indicators={**tally.indicators, **slow})
        return added
