"""Whether a gateway sends the candidate what it was told to, and who does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from adapters.port import WHOLE_BP, Observation, Split
from controller.analysis.share import ShareEvidence, hashed_log_e
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


class _Found(NamedTuple):
    """How strongly it is shown that a share is off, and of what."""

    log_e: float
    candidate: int
    all: int
    what: str


@dataclass(slots=True)
class Shares:
    """The observed share of each gateway against the commanded one; owned by one driver.

    Attributes:
        sticky: whether sessions keep their version. Their requests are not drawn one by one: a session that makes most
            of them would accuse an honest gateway, however many they are. So sessions are judged where the gateway's
            are counted; elsewhere only nothing and all are, because what has no share has no session either.
        late_s: how long requests may go on that were in flight when a split came.
        off: gateways whose share is shown to be another than the commanded one.
    """

    sticky: bool = False
    late_s: float = 0.0
    off: set[str] = field(default_factory=set)
    _watches: dict[str, _Watch] = field(default_factory=dict)

    def confirmed(self, gateway: str, state: State, now_s: float) -> None:
        """A gateway follows the state's split. One that is new is watched from its settling on."""
        key = (state.split, state.stable.name)
        watch = self._watches.get(gateway)
        if watch is None or watch.key != key:
            self._watches[gateway] = _Watch(key, now_s)
            self.off.discard(gateway)

    def forget(self, gateway: str) -> None:
        """It does not follow what was confirmed any more, or carries the agent no longer."""
        self._watches.pop(gateway, None)
        self.off.discard(gateway)

    def take(self, seen: Observation, read_at_s: float) -> str:
        """Judge what a gateway has counted; when that shows its share to be off, its name and why, once per split."""
        watch = self._watches.get(seen.gateway)
        if watch is None or watch.key[0].mirror_bp:  # copies are counted as requests
            return ""
        by_session = self.sticky and 0 < watch.key[0].candidate_bp < WHOLE_BP
        if by_session and seen.sessions is None:
            return ""
        if watch.base is None or watch.base.epoch != seen.epoch:
            is_blind = not by_session and any(version not in seen.in_flight for version in seen.tallies)
            if read_at_s >= watch.since_s + (max(SETTLE_BLIND_S, self.late_s) if is_blind else SETTLE_S):
                watch.base = seen
            return ""
        found = (_by_session if by_session else _by_request)(watch.base, seen, *watch.key)
        if found.log_e < math.log(1.0 / ALPHA):
            return ""
        self.off.add(seen.gateway)
        if watch.named:
            return ""
        watch.named = True
        told, sent = watch.key[0].candidate_bp / 100, 100 * found.candidate / found.all
        return f"{seen.gateway} was told {told:g} %, and sends the candidate {sent:.4g} % of {found.all} {found.what}"


def _by_request(base: Observation, seen: Observation, split: Split, stable: str) -> _Found:
    """What the requests since ``base`` say, in the gateway's favour as far as those in flight at that time could be.

    A request counts when it ends or when its answer begins, so some of those in flight are counted later, and where
    they went was decided by the split before.
    """
    to_stable, to_others = _divided(_requests(base), _requests(seen), stable)
    late_stable = base.in_flight.get(stable, 0)
    late_others = sum(count for version, count in base.in_flight.items() if version != stable)
    share = split.candidate_bp / WHOLE_BP
    if to_others > share * (to_stable + to_others):
        to_others = max(to_others - late_others, 0)
        excused = to_others <= share * (to_stable + to_others)
    else:
        to_stable = max(to_stable - late_stable, 0)
        excused = to_others >= share * (to_stable + to_others)
    evidence = ShareEvidence() if excused else ShareEvidence().after(to_others, to_stable + to_others, share)
    return _Found(evidence.log_e, evidence.candidate, evidence.requests, "requests")


def _by_session(base: Observation, seen: Observation, split: Split, stable: str) -> _Found:
    """What the sessions say that were counted since ``base``; the gateway counts none that another split has guided."""
    del split  # the points say it, and more exactly
    assert seen.sessions is not None, "a gateway that counts sessions is asked"
    before = base.sessions.counts if base.sessions else {}
    to_stable, to_others = _divided(before, seen.sessions.counts, stable)
    log_e = hashed_log_e(to_others, to_stable, seen.sessions.candidate_points, seen.sessions.stable_points)
    return _Found(log_e, to_others, to_stable + to_others, "sessions")


def _requests(seen: Observation) -> dict[str, int]:
    return {version: tally.requests for version, tally in seen.tallies.items()}


def _divided(before: Mapping[str, int], after: Mapping[str, int], stable: str) -> tuple[int, int]:
    """What was counted in between: of stable, and of every other version."""
    since = {version: max(count - before.get(version, 0), 0) for version, count in after.items()}
    return since.pop(stable, 0), sum(since.values())
