"""Where an agent stands: its versions, its split, and the rollout that it may be in.

A state is immutable and whole. It is written to the journal with every event that changed it, so that a controller that
was killed comes back to exactly this, timers included: a timer is a moment in the state, never a task that can be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from adapters.port import ALL_STABLE, Split, Version
from controller.analysis.verdict import Verdict

from .plan import Plan, Step


class Phase(StrEnum):
    """Where a rollout is. ``IDLE`` is an agent that has had none, or whose split an operator sets by hand."""

    IDLE = "idle"
    PENDING = "pending"
    AWAITING_CONSENT = "awaiting-consent"
    DEPLOYING = "deploying"
    HEALTH_CHECK = "health-check"
    PAUSED = "paused"
    PROMOTING = "promoting"
    PROMOTED = "promoted"
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


RESTING = frozenset(
    {Phase.IDLE, Phase.PROMOTED, Phase.ROLLED_BACK, Phase.REJECTED, Phase.EXPIRED, Phase.SUPERSEDED},
)
"""No rollout is under way: a new one may be submitted, and an operator may set the split by hand."""

UNSERVED = frozenset({Phase.PENDING, Phase.AWAITING_CONSENT})
"""A proposal is under way, and its candidate is not known to any gateway yet."""

SERVING = frozenset({Phase.DEPLOYING, Phase.HEALTH_CHECK, Phase.PAUSED, Phase.PROMOTING})
"""The candidate has, or is about to have, traffic: a rollback works here."""


class Timer(StrEnum):
    """What a state waits for. When the moment comes, the runtime sends :class:`~.events.TimerFired`."""

    CONSENT = "consent"
    PROGRESS = "progress"
    HOLD = "hold"
    APPROVAL = "approval"
    NO_DATA = "no-data"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Drain:
    """A version that takes no new request, and has until ``deadline_at_s`` to end those in flight."""

    version: Version
    deadline_at_s: float


@dataclass(frozen=True, slots=True)
class Rollout:
    """The life of one proposal.

    Attributes:
        id: the proposal's id.
        candidate: the version it is about; stays here when the agent's candidate track is empty again.
        plan: what it intends.
        digest: what a consent must name: the digest of exactly what was proposed.
        step: index into ``plan.steps``; their number while promoting.
        approved: whether a person has agreed to leave this step.
        held: whether this step's hold, or the bake, is over.
        paused_by: ``operator``, ``common-cause`` or ``drift`` while paused; empty otherwise.
        reason: why it is where it is, for people.
        submitted_at_s: when it began.
        score: the verification score that it came with, 0 to 1.
    """

    id: str
    candidate: Version
    plan: Plan
    digest: str
    submitted_at_s: float
    score: float | None = None
    step: int = 0
    approved: bool = False
    held: bool = False
    paused_by: str = ""
    reason: str = ""

    @property
    def present_step(self) -> Step | None:
        """The step it is at; None while it promotes."""
        return self.plan.steps[self.step] if self.step < len(self.plan.steps) else None


@dataclass(frozen=True, slots=True)
class State:
    """All that is decided about one agent.

    Attributes:
        agent: its name.
        gateways: who must confirm a split.
        leaving: gateways that carry the agent no longer, and have not forgotten it yet.
        stable: the version that plays the stable track.
        declared: the stable version that the operator's settings name, whether or not it was taken.
        declared_candidate: likewise the candidate that they want guided by hand.
        candidate: the version that plays the candidate track.
        previous: the version that was stable before, ready for an instant return until the ``KEEP`` timer or the next
            candidate's deployment.
        split: what is wanted at every gateway.
        phase: see :class:`Phase`.
        rollout: the one under way, or the last one.
        verdict: what the evidence last said in this step.
        reachable: whether the candidate's endpoints have been seen to answer.
        revision: counts what was asked of the gateways; a confirmation names it.
        confirmed: who has confirmed this revision.
        timers: when to be woken, in seconds since the epoch, per timer.
        drains: versions that are being drained.
        deployed_at_s: when a candidate was last brought to the gateways by a rollout; None if never.
        drain_deadline_s: how long requests in flight on a version that has lost its traffic may go on.
        keep_s: how long the version before stays ready for an instant return when the settings replace stable.
        changes: counts the events that changed the state; an operator names it to say what they saw.
        changed_by: who made the last change, and what it was, for the next who comes too late.
    """

    agent: str
    gateways: frozenset[str]
    stable: Version
    declared: Version
    declared_candidate: Version | None = None
    candidate: Version | None = None
    previous: Version | None = None
    split: Split = ALL_STABLE
    phase: Phase = Phase.IDLE
    rollout: Rollout | None = None
    verdict: Verdict = Verdict.NO_DATA
    reachable: bool = False
    revision: int = 0
    confirmed: frozenset[str] = frozenset()
    timers: Mapping[Timer, float] = field(default_factory=dict)
    drains: tuple[Drain, ...] = ()
    drain_deadline_s: float = 60.0
    keep_s: float = 0.0
    deployed_at_s: float | None = None
    changes: int = 0
    changed_by: str = ""
    leaving: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """The invariants that hold wherever a state is made: at a decision, and when it is read from the journal."""
        assert self.candidate is not None or self.split == ALL_STABLE, "a split without a candidate"
        assert self.phase in RESTING or self.rollout is not None, "a phase without a rollout"
        assert not self.serves_candidate or self.phase is Phase.IDLE or self.phase in SERVING, (
            "traffic in a wrong phase"
        )
        if self.phase in SERVING and self.rollout is not None:
            assert self.candidate == self.rollout.candidate, "another candidate than the one that was proposed"
            assert self.split.candidate_bp <= self.bp_max, "more than the step allows"

    @property
    def all_confirmed(self) -> bool:
        """Every gateway has said that new requests follow this revision. No gateway at all confirms nothing."""
        return bool(self.gateways) and self.gateways <= self.confirmed

    @property
    def serves_candidate(self) -> bool:
        """Whether the candidate gets any request, live or mirrored."""
        return self.split != ALL_STABLE

    @property
    def bp_max(self) -> int:
        """The most that the candidate may have in this phase, in basis points; by hand, whatever the operator set."""
        if self.phase in (Phase.HEALTH_CHECK, Phase.PAUSED, Phase.PROMOTING) and self.rollout is not None:
            return self.rollout.plan.bp_max(self.rollout.step)
        return self.split.candidate_bp if self.phase is Phase.IDLE else 0

    def serves(self, version: Version) -> bool:
        """Whether a version of this name gets any request."""
        played = self.candidate is not None and self.serves_candidate and self.candidate.name == version.name
        return played or self.stable.name == version.name

    def timed(self, timer: Timer, at_s: float | None) -> State:
        """The same state with ``timer`` set to a moment, or taken away."""
        timers = {name: at for name, at in self.timers.items() if name is not timer}
        if at_s is not None:
            timers[timer] = at_s
        return replace(self, timers=timers)


def new_state(
    agent: str, stable: Version, gateways: frozenset[str], *, drain_deadline_s: float = 60.0, keep_s: float = 0.0
) -> State:
    """An agent that has only its stable version, which every gateway is still to be told of."""
    return State(
        agent=agent,
        gateways=gateways,
        stable=stable,
        declared=stable,
        drain_deadline_s=drain_deadline_s,
        keep_s=keep_s,
    )
