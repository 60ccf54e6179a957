"""What the Runtime API answers, as values. Pure; an answer of another shape raises ValueError."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

_ANSWERED = ("hrsp_5xx", "hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_other")
_UNANSWERED = ("econ", "eresp")
_COLUMNS = ("pxname", "svname", "sid", "addr", "uweight", "status", "scur", *_ANSWERED, *_UNANSWERED)
_SESSION = re.compile(r"^(0x[0-9a-f]+): .* be=(\S+) srv=(\S+) ", re.MULTILINE)
_WORKER = re.compile(r"^(\d+)\s+worker\s", re.MULTILINE)


class Server(NamedTuple):
    """One server of a backend, from ``show stat``.

    Attributes:
        address: ``host:port``, as an endpoint is written.
        weight: as set by configuration or command, 0 to 256.
        state: ``ready``, ``drain`` or ``maint``: what people decide, not what checks say.
        requests, errors: since this process began: answers and failures to get one; 5xx and those failures.
    """

    backend: str
    name: str
    id: int
    address: str
    weight: int
    state: str
    in_flight: int
    requests: int
    errors: int

    @property
    def is_free(self) -> bool:
        """Whether it can be given another address: out of service, with nothing in flight."""
        return self.state == "maint" and self.in_flight == 0


class Life(NamedTuple):
    """One process from its start to its end. In a container, the next one may well have the same pid."""

    pid: int
    started_s: int


@dataclass(frozen=True, slots=True)
class Process:
    """Who answers, from ``show info``."""

    version: str
    life: Life


def servers(answer: str) -> tuple[Server, ...]:
    """``show stat <backend> 4 -1``."""
    if not answer.startswith("# pxname,"):
        raise ValueError(f"not a table of servers: {answer[:80]!r}")
    try:
        header, *rows = csv.reader(answer.removeprefix("# ").splitlines())
        places = {name: place for place, name in enumerate(header)}
        told = itemgetter(*(places[column] for column in _COLUMNS))  # of ninety
        return tuple([_server(told(row)) for row in rows if row])
    except KeyError as error:
        raise ValueError(f"a table of servers has no {error}; HAProxy 2.5 or newer is needed") from error
    except (csv.Error, IndexError) as error:
        raise ValueError(f"not a table of servers: {error}") from error


def _server(told: tuple[str, ...]) -> Server:
    backend, name, id_, address, weight, status, in_flight, errors_5xx, *others = told
    failed = sum(map(_count, others[-len(_UNANSWERED) :]))
    answered = _count(errors_5xx) + sum(map(_count, others[: -len(_UNANSWERED)]))
    return Server(
        backend=backend,
        name=name,
        id=int(id_),
        address=address,
        weight=int(weight),
        state=_state(status),
        in_flight=_count(in_flight),
        requests=answered + failed,
        errors=_count(errors_5xx) + failed,
    )


def _count(text: str) -> int:
    return int(text) if text else 0


def _state(status: str) -> str:
    for word in ("maint", "drain"):
        if status.lower().startswith(word):
            return word
    return "ready"


def info(answer: str) -> Process:
    """``show info``."""
    fields = dict(line.split(": ", 1) for line in answer.splitlines() if ": " in line)
    try:
        return Process(fields["Version"], Life(int(fields["Pid"]), int(fields["Start_time_sec"])))
    except KeyError as error:
        raise ValueError(f"HAProxy does not say its {error}") from error


def entries(answer: str) -> dict[str, str]:
    """``show map <file>``: keys and values. Of several equal keys HAProxy uses the first."""
    found: dict[str, str] = {}
    for line in answer.splitlines():
        parts = line.split(maxsplit=2)
        if len(parts) >= 2:
            found.setdefault(parts[1], parts[2] if len(parts) == 3 else "")
    return found


def share_bp(value: str | None) -> int | None:
    """A map's value as basis points; no entry is 0, as the configuration says; None when it is not one."""
    if value is None:
        return 0
    return int(value) if value.isascii() and value.isdigit() and int(value) <= 10_000 else None


def old_workers(answer: str) -> tuple[int, ...]:
    """``show proc`` on the master's socket: processes that only finish what they have."""
    _, _, old = answer.partition("# old workers")
    return tuple(int(pid) for pid in _WORKER.findall(old.partition("# programs")[0]))


def sessions(answer: str) -> Iterator[tuple[str, str, str]]:
    """``show sess``: (id, backend, server)."""
    for found in _SESSION.finditer(answer):
        yield found[1], found[2], found[3]


def tables(answer: str) -> frozenset[str]:
    """``show table``: names of stick tables."""
    return frozenset(re.findall(r"^# table: ([^,\s]+),", answer, re.MULTILINE))
