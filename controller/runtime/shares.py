"""Whether a gateway sends the candidate what it was told to, and who does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.port import WHOLE_BP, Observation, Split, Tally
from controller.analysis.share import ShareEvidence
from controller.rollout.state import State

ALPHA = 1e-4
"""The chance that a gateway which does as it was told is ever named during one split."""

SETTLE_S = 1.0
"""A gateway's workers take a split over one after the other; what they still count on the old one is not held against
it."""

SETTLE_BLIND_S = 30.0
"""The same for a gateway that cannot tell what was in flight when the split came, and counts requests when they end: at
least so long, because they may go on for as long as a drain may take."""

Key = tuple[Split, str]


@dataclass(slots=True)
class _Watch:
    """One gateway under one split.

    Attributes:
        key: the split, and the version that was stable under it.
        since_s: when it was confirmed.
        base: what had been counted when it had settled.
    """

    key: Key
    since_s: float
    base: Observation | None = None
    named: bool = False


@dataclass(slots=True)
class Shares:
    """The observed share of each gateway against the commanded one; owned by one driver.

    Attributes:
        sticky: whether sessions keep their version. Their requests are not drawn one by one, and nobody counts
            sessions: one that makes most of the requests would accuse an honest gateway, however many they are. But
            what has no share has no session either, so only nothing and all are judged then.
        late_s: how long requests may go on that were in flight when a split came.
        off: gateways whose share is shown to be another than the commanded one, and what shows it.
    """

    sticky: bool = False
    late_s: float = 0.0
    off: dict[str, ShareEvidence] = field(default_factory=dict)
    _watches: dict[str, _Watch] = field(default_factory=dict)

    def confirmed(self, gateway: str, state: State, now_s: float) -> None:
        """A gateway follows the state's split. One that is new is watched from its settling on."""
        key = (state.split, state.stable.name)
        watch = self._watches.get(gateway)
        if watch is None or watch.key != key:
            self._watches[gateway] = _Watch(key, now_s)
            self.off.pop(gateway, None)

    def forget(self, gateway: str) -> None:
        """It does not follow what was confirmed any more, or carries the agent no longer."""
        self._watches.pop(gateway, None)
        self.off.pop(gateway, None)

    def take(self, seen: Observation, read_at_s: float) -> str:
        """Judge what a gateway has counted; when that shows its share to be off, its name and why, once per split."""
        watch = self._watches.get(seen.gateway)
        if watch is None or watch.key[0].mirror_bp:  # copies are counted as requests
            return ""
        if self.sticky and watch.key[0].candidate_bp not in (0, WHOLE_BP):
            return ""
        if watch.base is None or watch.base.epoch != seen.epoch:
            blind = any(version not in seen.in_flight for version in seen.tallies)
            if read_at_s >= watch.since_s + (max(SETTLE_BLIND_S, self.late_s) if blind else SETTLE_S):
                watch.base = seen
            return ""
        evidence = _evidence(watch.base, seen, *watch.key)
        if evidence.log_e < math.log(1.0 / ALPHA):
            return ""
        self.off[seen.gateway] = evidence
        if watch.named:
            return ""
        watch.named = True
        split = watch.key[0]
        return (
            f"{seen.gateway} was told {split.candidate_bp / 100:g} %, and sends the candidate "
            f"{100 * evidence.candidate / evidence.requests:.4g} % of {evidence.requests} requests"
        )


def _evidence(base: Observation, seen: Observation, split: Split, stable: str) -> ShareEvidence:
    """What the requests since ``base`` say, in the gateway's favour as far as those in flight at that time could be.

    A request counts when it ends or when its answer begins, so some of those in flight are counted later, and where
    they went was decided by the split before.
    """
    to_stable, to_others = _counted(base, seen, stable)
    late_stable = base.in_flight.get(stable, 0)
    late_others = sum(count for version, count in base.in_flight.items() if version != stable)
    share = split.candidate_bp / WHOLE_BP
    if to_others > share * (to_stable + to_others):
        to_others = max(to_others - late_others, 0)
        excused = to_others <= share * (to_stable + to_others)
    else:
        to_stable = max(to_stable - late_stable, 0)
        excused = to_others >= share * (to_stable + to_others)
    if excused:
        return ShareEvidence()
    return ShareEvidence().after(to_others, to_stable + to_others, share)


def _counted(base: Observation, seen: Observation, stable: str) -> tuple[int, int]:
    """Requests since ``base``: to stable, and to every other version."""
    since: Mapping[str, int] = {
        version: max(tally.requests - base.tallies.get(version, Tally()).requests, 0)
        for version, tally in seen.tallies.items()
    }
    return since.get(stable, 0), sum(count for version, count in since.items() if version != stable)
