"""Where requests have gone: per gateway, per track, in flight, and the share that the candidate really got."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from adapters.port import Observation, Split, Tally, Track
from controller.analysis.counters import Series
from controller.analysis.indicators import ERROR, Counts
from controller.rollout.state import State

from .shares import Shares


def track_of(version: str, state: State) -> Track | None:
    """The track that a version plays now; None if it plays none (it drains, or is a stranger)."""
    if version == state.stable.name:
        return Track.STABLE
    if state.candidate is not None and version == state.candidate.name:
        return Track.CANDIDATE
    return None


@dataclass(slots=True)
class _Share:
    """What is counted of one gateway since it confirmed ``split``."""

    split: Split
    since_s: float
    base: Observation | None = None


@dataclass(slots=True)
class Traffic:
    """Owned by one driver. Everything in it is bounded by the number of gateways.

    Attributes:
        newest: the newest observation of each gateway.
        requests: (gateway, track) to events counted since the driver began.
        shares: whether each gateway sends the candidate what it was told to.
    """

    newest: dict[str, Observation] = field(default_factory=dict)
    requests: dict[tuple[str, Track], Counts] = field(default_factory=lambda: defaultdict(Counts))
    shares: Shares = field(default_factory=Shares)
    _read_at_s: dict[str, float] = field(default_factory=dict)
    _shares: dict[str, _Share] = field(default_factory=dict)

    def take(self, observation: Observation, new: Mapping[Series, Counts], state: State, now_s: float) -> str:
        """Remember what a gateway has just said, and what of it is new; in words, what that shows of its share."""
        gateway = observation.gateway
        self.newest[gateway] = observation
        self._read_at_s[gateway] = now_s - observation.age_s
        for series, counts in new.items():
            track = track_of(series.version, state)
            if series.indicator == ERROR and track is not None:
                self.requests[gateway, track] += counts
        share = self._shares.get(gateway)
        if share and share.base is None and self._read_at_s[gateway] >= share.since_s:
            share.base = observation
        return self.shares.take(observation, self._read_at_s[gateway])

    def follow(self, before: State, after: State, now_s: float) -> None:
        """The state has changed: what gateways have confirmed now, or confirm no more, or carry no longer."""
        for gateway in before.confirmed - after.confirmed:
            self.shares.forget(gateway)
        for gateway in after.confirmed:
            self.confirmed(gateway, after.split, now_s)
            self.shares.confirmed(gateway, after, now_s)
        self.forget(before.gateways - after.gateways)

    def confirmed(self, gateway: str, split: Split, now_s: float) -> None:
        """A gateway follows ``split``: if that is new, its share is counted from the next figures read there."""
        share = self._shares.get(gateway)
        if share is None or share.split != split:
            self._shares[gateway] = _Share(split, now_s)

    def forget(self, gateways: Iterable[str]) -> None:
        """Gateways that carry the agent no longer."""
        for gateway in gateways:
            self.shares.forget(gateway)
            for known in (self.newest, self._read_at_s, self._shares):
                known.pop(gateway, None)
            for track in Track:
                self.requests.pop((gateway, track), None)

    def share_requests(self, gateway: str) -> Mapping[str, int]:
        """Requests per version since the gateway confirmed the present split; empty while none were seen."""
        share, now = self._shares.get(gateway), self.newest.get(gateway)
        if share is None or share.base is None or now is None or share.base.epoch != now.epoch:
            return {}
        base = share.base.tallies
        return {name: tally.requests - base.get(name, Tally()).requests for name, tally in now.tallies.items()}

    def in_flight(self, version: str, gateways: Iterable[str], since_s: float) -> int | None:
        """Requests in flight on a version over all gateways; None unless each has said so since ``since_s``."""
        total = 0
        for gateway in gateways:
            if self._read_at_s.get(gateway, float("-inf")) < since_s:
                return None
            here = self.newest[gateway].in_flight.get(version)
            if here is None:
                return None
            total += here
        return total
