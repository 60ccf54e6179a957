"""An agent's split as servers of NGINX Plus, and the order in which they are changed. Pure.

A weight of 0 is rejected, so a server without a share is ``down``: it gets nothing new, sticky sessions included, and
ends what it has. (``drain`` goes on serving sticky sessions, so it takes no candidate back.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from math import gcd
from typing import TypeGuard

from adapters.port import WHOLE_BP, Assignment, Version, host_port

Weights = Mapping[str, int]
"""Server, as :func:`server_name` writes it, to its weight; 0 is ``down``."""


class NotPossibleError(ValueError):
    """The assignment asks for what servers, weights and keyvals cannot do."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server of an upstream, as the API tells it.

    Attributes:
        id: by which it is changed.
        weight: its weight while it takes requests.
        is_out: ``down`` or ``drain``: it takes no new session.
        is_draining: ``drain``: somebody else's doing, because we use ``down``.
    """

    id: int
    weight: int
    is_out: bool = False
    is_draining: bool = False

    @property
    def share(self) -> int:
        """Its weight among those that take requests."""
        return 0 if self.is_out else self.weight


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value of some JSON is a whole number; ``true`` is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def server_name(address: str) -> str:
    """``host:port`` in one spelling; 80 where no port is."""
    whole = address if address.rpartition(":")[2].isdecimal() and not address.endswith("]") else f"{address}:80"
    host, port = host_port(whole)
    try:
        found = ip_address(host)
    except ValueError:
        return f"{host.lower()}:{port}"
    return f"[{found.compressed}]:{port}" if found.version == 6 else f"{found}:{port}"


def servers_of(version: Version) -> tuple[str, ...]:
    """A version's servers, each once."""
    return tuple(dict.fromkeys(server_name(endpoint) for endpoint in version.endpoints))


def tracks_of(assignment: Assignment) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The servers of stable and candidate. Raises NotPossibleError."""
    if assignment.split.mirror_bp:
        raise NotPossibleError("NGINX Plus copies requests by its configuration only, not by its API")
    stable = servers_of(assignment.stable)
    candidate = servers_of(assignment.candidate) if assignment.candidate else ()
    if shared := set(stable) & set(candidate):
        if assignment.split.candidate_bp:
            raise NotPossibleError(f"stable and candidate share {min(shared)}: versions are told apart by address")
        candidate = tuple(server for server in candidate if server not in shared)
    return stable, candidate


def weighted(assignment: Assignment) -> tuple[Weights, Weights]:
    """The weights of stable's servers and of the candidate's in one upstream, exact to a hundredth of a percent.

    Raises NotPossibleError.
    """
    stable, candidate = tracks_of(assignment)
    own, rest = assignment.split.candidate_bp * len(stable), assignment.split.stable_bp * max(1, len(candidate))
    divisor = gcd(own, rest) or WHOLE_BP
    return dict.fromkeys(stable, rest // divisor), dict.fromkeys(candidate, own // divisor)


def changes(now: Mapping[str, Server], stable: Weights, candidate: Weights) -> list[tuple[str, int]]:
    """What to change, in this order, so that the candidate never has more than before or after, and never all is 0."""
    rest = dict.fromkeys(now.keys() - stable.keys() - candidate.keys(), 0)
    stable_now = sum(now[server].share for server in stable if server in now)
    stable_first = sum(stable.values()) >= stable_now
    remains = sum(stable.values()) if stable_first else stable_now
    first = _moves(now, stable, raises_first=True)
    second = _moves(now, candidate, raises_first=not remains)
    both = [*first, *second] if stable_first else [*second, *first]
    return [*both, *_moves(now, rest, raises_first=True)]


def goes_on(now: Mapping[str, Server], stable: Weights, change: tuple[str, int]) -> bool:
    """Whether a change is made although another was refused: it takes from the candidate, and stable serves.

    A way back does not wait until every instance of stable can be added.
    """
    server, weight = change
    takes = server not in stable and server in now and weight < now[server].share
    return takes and any(stable[name] and now[name].share for name in stable.keys() & now.keys())


def fields(server: Server | None, weight: int) -> Mapping[str, object]:
    """What is said to the API of one server."""
    undrained = {"drain": False} if server is not None and server.is_draining else {}
    return {"down": True, **undrained} if weight == 0 else {"weight": weight, "down": False, **undrained}


def difference(now: Mapping[str, Server], wanted: Weights) -> str:
    """What stands other than what is wanted, in a sentence; empty if nothing."""
    for name, weight in sorted({**dict.fromkeys(now, 0), **wanted}.items()):
        server = now.get(name)
        if server is None:
            return f"server {name} is gone"
        if server.is_draining or server.share != weight:
            found = "drains" if server.is_draining else f"has weight {server.share}"
            return (
                f"server {name} {found}, not weight {weight}" if weight else f"server {name} {found}, and is not down"
            )
    return ""


def _moves(now: Mapping[str, Server], wanted: Weights, *, raises_first: bool) -> list[tuple[str, int]]:
    def differs(name: str, weight: int) -> bool:
        server = now.get(name)
        return server is None or server.is_draining or server.share != weight

    def is_raise(move: tuple[str, int]) -> bool:
        return move[1] >= (now[move[0]].share if move[0] in now else 0)

    changed = [move for move in sorted(wanted.items()) if differs(*move)]
    return sorted(changed, key=lambda move: is_raise(move) != raises_first)
