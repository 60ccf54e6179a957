"""What clients saw: one record per request that ended, and the counts that are made of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """One request as its client saw it.

    Attributes:
        started_s, ended_s: when it was sent and when its answer was complete, in seconds since the epoch.
        version: who answered; None when nobody did.
        failure: why the client did not get what it asked for; empty when it did.
        gateway: through which gateway it went.
    """

    started_s: float
    ended_s: float
    version: str | None
    failure: str = ""
    gateway: str = ""

    @property
    def failed(self) -> bool:
        """Whether the client did not get what it asked for."""
        return bool(self.failure)


@dataclass(slots=True)
class Records:
    """Every request of the demo. Bounded by the demo's length: the load's rate is."""

    requests: list[Request] = field(default_factory=list)
    failed: int = 0

    def add(self, request: Request) -> None:
        """Put a request that has ended on record."""
        self.requests.append(request)
        self.failed += request.failed

    def between(self, begin_s: float, end_s: float) -> Iterator[Request]:
        """Those that were sent at or after ``begin_s`` and before ``end_s``."""
        return (request for request in self.requests if begin_s <= request.started_s < end_s)


def answered_by(version: str, requests: Iterable[Request]) -> list[Request]:
    """Those that ``version`` answered, well or badly."""
    return [request for request in requests if request.version == version]


def share_of(version: str, requests: Iterable[Request]) -> tuple[float | None, int]:
    """The part of the answered requests that ``version`` answered, and how many were answered; None of nothing."""
    answered = [request for request in requests if request.version is not None]
    if not answered:
        return None, 0
    return len(answered_by(version, answered)) / len(answered), len(answered)


def failures(requests: Iterable[Request]) -> dict[str, int]:
    """How many requests failed, by reason, the most frequent first."""
    counts: dict[str, int] = {}
    for request in requests:
        if request.failed:
            counts[request.failure] = counts.get(request.failure, 0) + 1
    return dict(sorted(counts.items(), key=lambda entry: -entry[1]))
