"""One HAProxy gateway's settings, and what it can do with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from adapters.capabilities import BEYOND_WEIGHTS, Capabilities, Wish

from .plan import Layout
from .shares import share_given

CAPABILITIES = Capabilities(
    share_bp_min=1,
    sees_in_flight=True,
    cuts_streams=True,
    counts_per_version=True,
    mirrors=False,
    dead_man=False,
    proves_effect=True,
    ignores=BEYOND_WEIGHTS | {Wish.STICKINESS},
)
"""Of map mode, without a log."""

WEIGHTS_SHARE_BP_MIN = 39
"""1 of 257, with one server on each track; with more of the candidate's beside fewer of stable's it is more."""


@dataclass(frozen=True, slots=True)
class HaproxyOptions:
    """One gateway's settings.

    Attributes:
        sockets: of each process, ``unix:/path`` or ``host:port``.
        layout: names in the configuration; ``layout.map`` is None where weights divide.
        master: the master's socket, where there is one process with one.
        state_file: where ``server-state-file`` is for us; None writes none.
        map_file: where the map's file is for us; None writes none.
        timeout_s: for one command.
        latency_log: ``ADDRESS:PORT`` where the log is sent to; None reports no latency.
    """

    sockets: tuple[str, ...]
    layout: Layout
    master: str | None = None
    state_file: str | None = None
    map_file: str | None = None
    timeout_s: float = 2.0
    latency_log: str | None = None


def capabilities(options: HaproxyOptions) -> Capabilities:
    """What a gateway with these settings can do."""
    found = replace(CAPABILITIES, reports_latency=options.latency_log is not None)
    if options.layout.map is not None:
        return found
    return replace(found, share_bp_min=WEIGHTS_SHARE_BP_MIN, share_given=share_given)
