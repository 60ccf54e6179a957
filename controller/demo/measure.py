"""From what clients saw and what the controller said to what an act came to. Pure: nothing here is known beforehand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .records import Records, Request, answered_by, failures, share_of
from .timeline import Moment, last, windows

PROMOTE, ROLLBACK, COMMON_CAUSE = "promote", "rollback", "common-cause"
PROMOTED, ROLLED_BACK, NOT_BLAMED, UNDER_WAY = "promoted", "rolled-back", "not-blamed", "under-way"

EXPECTED = {PROMOTE: PROMOTED, ROLLBACK: ROLLED_BACK, COMMON_CAUSE: NOT_BLAMED}
"""How each act has to end."""

ROLLBACK_S_MAX = 15.0
"""A rollback that takes longer from the first bad answer is not "within seconds"."""

SHARE_SIGMAS = 4.5
"""How far chance may take an observed share from the wanted one: further than this once in 150,000 windows."""

SHARE_SLACK = 0.002
"""And what the moments between a decision and our hearing of it may add."""


@dataclass(frozen=True, slots=True)
class Played:
    """What happened on stage, as told by the controller; every time in seconds since the epoch.

    Attributes:
        name: which act.
        candidate: the version that was proposed.
        begin_s, end_s: the act's time. Requests belong to it that were sent within.
        moments: the controller's news in it.
        back_s: when we heard that every gateway had confirmed the rollback; None if that did not come.
        outage: from when to when every version failed; None without an outage.
    """

    name: str
    candidate: str
    begin_s: float
    end_s: float
    moments: tuple[Moment, ...]
    back_s: float | None = None
    outage: tuple[float, float] | None = None

    @property
    def outcome(self) -> str:
        """How it ended. A candidate that was held for a common cause and let go on was not blamed."""
        whats = [moment.what for moment in self.moments]
        if "rolling-back" in whats:
            return ROLLED_BACK
        if self.name == COMMON_CAUSE and "paused" in whats and "resumed" in whats[whats.index("paused") :]:
            return NOT_BLAMED
        return PROMOTED if "promoted" in whats else UNDER_WAY


@dataclass(frozen=True, slots=True)
class Share:
    """The candidate's part of the answers while a split was confirmed, both from 0 to 1, and how many answers.

    ``gateway`` is whose answers; empty means those of all.
    """

    wanted: float
    observed: float
    answers: int
    gateway: str = ""

    @property
    def plausible(self) -> bool:
        """Whether chance alone explains the difference."""
        spread = math.sqrt(self.wanted * (1.0 - self.wanted) / self.answers)
        return abs(self.observed - self.wanted) <= SHARE_SIGMAS * spread + SHARE_SLACK


@dataclass(frozen=True, slots=True)
class Act:
    """What an act came to.

    Attributes:
        name, outcome: see above.
        seconds: how long it took.
        requests: those that clients sent in it, and that ended.
        failed_requests: those of them that did not get what they asked for.
        candidate_requests: those that the candidate answered.
        bad_answers: those that the candidate answered badly.
        seconds_to_rollback: from the first bad answer's arrival to the confirmed rollback; None without one.
        shares: one for each split that gave the candidate a share; where there are several gateways, one for each of
            them as well.
        faults: what went wrong, in sentences; empty for an act that went as it must.
        story: what the controller gave as its reason, for people.
    """

    name: str
    outcome: str
    seconds: float
    requests: int
    failed_requests: int
    candidate_requests: int
    bad_answers: int
    seconds_to_rollback: float | None
    shares: tuple[Share, ...]
    faults: tuple[str, ...]
    story: str


def measure(played: Played, records: Records) -> Act:
    """Count an act."""
    requests = list(records.between(played.begin_s, played.end_s))
    mine = answered_by(played.candidate, requests)
    bad = [request for request in mine if request.failed]
    shares = tuple(_shares(played, records))
    to_rollback_s = None
    if played.back_s is not None and bad:
        to_rollback_s = played.back_s - min(request.ended_s for request in bad)
    return Act(
        name=played.name,
        outcome=played.outcome,
        seconds=played.end_s - played.begin_s,
        requests=len(requests),
        failed_requests=sum(request.failed for request in requests),
        candidate_requests=len(mine),
        bad_answers=len(bad),
        seconds_to_rollback=to_rollback_s,
        shares=shares,
        faults=(*_faults(played, requests, to_rollback_s), *_share_faults(shares)),
        story=_story(played),
    )


def _shares(played: Played, records: Records) -> Iterator[Share]:
    gateways = sorted({request.gateway for request in records.requests})
    for window in windows(played.moments, played.end_s):
        within = list(records.between(window.begin_s, window.end_s))
        for gateway in ("", *(gateways if len(gateways) > 1 else ())):
            at_it = [request for request in within if gateway in ("", request.gateway)]
            observed, answers = share_of(played.candidate, at_it)
            if observed is not None:
                yield Share(window.percent / 100, observed, answers, gateway)


def _share_faults(shares: Sequence[Share]) -> Iterator[str]:
    if not shares:
        yield "The candidate never got a confirmed share."
    for share in shares:
        if not share.plausible:
            whose = f"{share.gateway}'s {share.answers}" if share.gateway else f"{share.answers}"
            yield f"Of {whose} answers {share.observed:.2%} were the candidate's, and not {share.wanted:.0%}."


def _faults(played: Played, requests: Sequence[Request], to_rollback_s: float | None) -> Iterator[str]:
    if played.outcome != EXPECTED[played.name]:
        yield f"It ended {played.outcome}, and had to end {EXPECTED[played.name]}. {_story(played)}"
    if played.name == PROMOTE:
        yield from _failures_among(requests, "while a good version was promoted")
    elif played.name == ROLLBACK:
        yield from _rollback_faults(played, requests, to_rollback_s)
    else:
        yield from _outage_faults(played, requests)


def _rollback_faults(played: Played, requests: Sequence[Request], to_rollback_s: float | None) -> Iterator[str]:
    yield from _failures_among(
        [request for request in requests if request.version != played.candidate], "that the candidate did not answer"
    )
    if not any(request.failed for request in answered_by(played.candidate, requests)):
        yield "The candidate never failed, so its rollback shows nothing."
    elif to_rollback_s is None:
        yield "No gateway confirmed a rollback."
    elif to_rollback_s > ROLLBACK_S_MAX:
        yield f"The rollback came {to_rollback_s:.1f} s after the first bad answer: more than {ROLLBACK_S_MAX:g} s."
    if played.back_s is not None:
        strays = answered_by(played.candidate, (each for each in requests if each.started_s > played.back_s))
        if strays:
            yield f"{len(strays)} requests reached the candidate after the rollback was confirmed."


def _outage_faults(played: Played, requests: Sequence[Request]) -> Iterator[str]:
    begin_s, end_s = played.outage or (math.inf, -math.inf)
    within = [request for request in requests if request.ended_s >= begin_s and request.started_s <= end_s]
    outside = [request for request in requests if request.ended_s < begin_s or request.started_s > end_s]
    yield from _failures_among(outside, "outside the outage")
    if not failures(within):
        yield "No outage was felt, so there was nothing to blame anybody for."


def _failures_among(requests: Sequence[Request], where: str) -> Iterator[str]:
    found = failures(requests)
    if found:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in found.items())
        yield f"{sum(found.values())} requests failed {where}: {reasons}."


def _story(played: Played) -> str:
    """The controller's own words on what decided the act."""
    told = [
        f"{moment.what}: {moment.text}"
        for what in ("paused", "resumed", "rolling-back", "promoted")
        if (moment := last(played.moments, what)) is not None
    ]
    if not told and played.moments:
        told = [f"{played.moments[-1].what}: {played.moments[-1].text}"]
    return "; ".join(told)
