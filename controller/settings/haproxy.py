"""The settings of a gateway of type ``haproxy``."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from controller.settings.address import Listener, host_of, ip_address
from controller.settings.problem import RefusedError
from controller.settings.quantity import duration
from controller.settings.shape import Shape

AGENT = "{agent}"
_SOCKET = re.compile(r"unix:[^\s;]{1,107}|(?:\[[0-9a-fA-F:]+\]|[^\s:;\[\]]{1,253}):([0-9]{1,5})")


def check_socket(text: str) -> str:
    """A socket of the Runtime API: ``unix:/path``, or ``host:port``."""
    found = _SOCKET.fullmatch(text)
    if found is None or (found[1] is not None and not 0 < int(found[1]) <= 65_535):
        remedy = "Write unix:/run/haproxy/admin.sock, or 127.0.0.1:9999."
        raise RefusedError(text, "is not a socket", remedy)
    return text


def check_loopback(listener: str) -> str:
    """An address that only this machine can send to."""
    address = ip_address(host_of(listener))
    if address is None or not address.is_loopback:
        remedy = "Use 127.0.0.1: whoever can send there can have a candidate rolled back, or kept."
        raise RefusedError(listener, "is not on loopback", remedy)
    return listener


Socket = Annotated[str, AfterValidator(check_socket), Field(json_schema_extra={"format": "socket"})]
Backend = Annotated[str, Field(min_length=1, max_length=190, pattern=r"^[0-9A-Za-z._:{}-]+$")]
InCommand = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\s;\\]+$")]
Path = Annotated[str, Field(min_length=1, max_length=4096)]


class HaproxySettings(Shape):
    """How the HAProxy processes of one gateway are reached, and what their configuration calls an agent's parts."""

    sockets: Annotated[tuple[Socket, ...], Field(min_length=1, max_length=64)]
    """The Runtime API of each process, with `level admin`: `unix:/path` or `host:port`. At most 64, because a split is
    confirmed only when all of them have been read back. A TCP socket has no authentication: keep it on loopback."""
    divide_by: Literal["map", "weights"] = "map"
    """`map` divides between two backends by an entry of a map: exact to 0.01 %, one command per change. `weights`
    divides among the servers of one backend, for sessions kept by a cookie or a stick table; the least is 0.39 % with
    one server on each track, and more with more of the candidate's."""
    map: InCommand = "/etc/haproxy/turnout.map"
    """The map's file, exactly as HAProxy's configuration names it. Turnout sets an agent's share there, in basis
    points, under the agent's name. Only for `map`."""
    backend: Backend = AGENT
    """The backend of both tracks; `{agent}` stands for the agent's name. Only for `weights`."""
    stable_backend: Backend = "{agent}_stable"
    """The stable track's backend. Every server in it is Turnout's. Only for `map`."""
    candidate_backend: Backend = "{agent}_candidate"
    """The candidate track's backend. Every server in it is Turnout's. Only for `map`."""
    master: Socket | None = None
    """The master's socket (`haproxy -W -S`), through which streams that a reload left to an old worker are counted and
    ended. Only with a single process. None loses them from sight at a reload."""
    state_file: Path | None = None
    """HAProxy's `server-state-file`, where this machine sees it: written after every change, so that a reload keeps
    addresses and weights. None writes none; after a reload, HAProxy serves what it was configured with until it is read
    back, within seconds."""
    map_file: Path | None = None
    """The map's file, where this machine sees it, so that a reload keeps the shares. None writes none; after a reload
    all goes to stable until it is read back. Only for `map`."""
    latency_log: Annotated[Listener, AfterValidator(check_loopback)] | None = None
    """Where to listen (UDP) for HAProxy's log, which tells how long requests wait for their answers, for objectives
    with `latencyOver`. On loopback only: HAProxy logs there by `log 127.0.0.1:5140 format raw local0` and the
    `log-format` of gateway-configs/haproxy. Each gateway needs a port of its own. None reports no latency."""
    timeout_s: Annotated[float, duration("100ms", "10s")] = 2.0
    """The longest that one command may take. HAProxy answers within a millisecond; a rollback must not wait long for a
    process that hangs."""

    @model_validator(mode="after")
    def _fits_together(self) -> HaproxySettings:
        for name in ("backend", "stable_backend", "candidate_backend"):
            value, at = str(getattr(self, name)), (re.sub(r"_b", "B", name),)
            rest = value.replace(AGENT, "")
            if rest == value or rest.strip("{}") != rest:
                remedy = f"Put {AGENT} into it as it is, or two agents would share one backend."
                raise RefusedError(value, "names no agent", remedy, at=at)
        if self.stable_backend == self.candidate_backend:
            remedy = "Name two, or use divideBy: weights."
            raise RefusedError(self.candidate_backend, "is stable's backend too", remedy, at=("candidateBackend",))
        if self.divide_by == "weights" and self.map_file is not None:
            raise RefusedError(None, "has no use where weights divide", "Remove it.", at=("mapFile",))
        if self.master is not None and len(self.sockets) > 1:
            raise RefusedError(None, "is one, and there are several processes", "Leave it out.", at=("master",))
        if len(set(self.sockets)) != len(self.sockets):
            raise RefusedError(None, "names a process twice", "Name each once.", at=("sockets",))
        return self
