"""What can happen to an agent. Time comes in as ``now_s`` (seconds since the epoch); nothing else knows the clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from adapters.port import Split, Version
from controller.analysis.verdict import Verdict

from .plan import OnDrift, Plan
from .state import State, Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened at ``now_s``."""

    now_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorEvent(Event):
    """Something that a person or a pipeline asked for. It is refused with a reason when it does not fit.

    Attributes:
        actor: who asked.
        reason: why, in their own words.
        seen: the number of changes that they had seen (``State.changes``); None for whoever does not care.
        verb: what they asked for, as it reads after "cannot".
    """

    verb: ClassVar[str]

    actor: str
    reason: str = ""
    seen: int | None = None


# --- the pipeline and its reviewers ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted(OperatorEvent):
    """A proposal asks to be rolled out. ``score`` is its verification score, 0 to 1, if it has one."""

    verb: ClassVar[str] = "propose a version"

    rollout_id: str
    candidate: Version
    plan: Plan
    digest: str
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded(OperatorEvent):
    """A newer proposal takes the place of one that was never served."""

    verb: ClassVar[str] = "supersede the proposal"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatesPassed(Event):
    """The proposal may go on."""

    rollout_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatesRefused(Event):
    """The proposal may not go on."""

    rollout_id: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved(OperatorEvent):
    """A person consents to the proposal, or agrees to leave a step that asks for it."""

    verb: ClassVar[str] = "approve"

    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected(OperatorEvent):
    """A person refuses the proposal, also when it has traffic already and they are asked to let it go on."""

    verb: ClassVar[str] = "reject"


# --- operators ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseAsked(OperatorEvent):
    """Hold the rollout where it is; watching goes on."""

    verb: ClassVar[str] = "pause"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeAsked(OperatorEvent):
    """Go on."""

    verb: ClassVar[str] = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipAsked(OperatorEvent):
    """Leave this step now, without waiting for its hold or its evidence."""

    verb: ClassVar[str] = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteAsked(OperatorEvent):
    """Make the candidate stable without the remaining steps; while it bakes, without the rest of the bake."""

    verb: ClassVar[str] = "promote"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackAsked(OperatorEvent):
    """Everything back to stable, now."""

    verb: ClassVar[str] = "roll back"


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSet(OperatorEvent):
    """An operator sets the candidate's share by hand."""

    verb: ClassVar[str] = "set the split"

    split: Split


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateDeclared(OperatorEvent):
    """A candidate to be guided by hand, with no rollout, or other endpoints for the one that is; None takes it away."""

    verb: ClassVar[str] = "declare a candidate"

    candidate: Version | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainAsked(OperatorEvent):
    """Drain a version that has no traffic, e.g. before its instances are stopped."""

    verb: ClassVar[str] = "drain"

    version_name: str
    deadline_s: float


# --- settings -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChanged(Event):
    """The operator's files name other versions, other endpoints, other gateways, or another deadline.

    ``candidate`` is the one that they want guided by hand, if any.
    """

    stable: Version
    candidate: Version | None
    gateways: frozenset[str]
    drain_deadline_s: float
    keep_s: float

    def is_known(self, state: State) -> bool:
        """Whether the state has taken all of it over already."""
        mine = (self.stable, self.candidate, self.gateways, self.drain_deadline_s, self.keep_s)
        known = (state.declared, state.declared_candidate, state.gateways, state.drain_deadline_s, state.keep_s)
        return mine == known


# --- the world ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateReached(Event):
    """The candidate's endpoints answer."""

    rollout_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed(Event):
    """A gateway confirmed a revision: new requests follow it."""

    gateway: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Event):
    """A gateway refused a revision, in its own words."""

    gateway: str
    revision: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted(Event):
    """A gateway that had confirmed a revision was found with something else.

    Attributes:
        by_hand: somebody has changed it; else it began again, and is told anew already.
        answer: what the settings say to somebody's change.
        detail: what was found, for people.
    """

    gateway: str
    revision: int
    by_hand: bool
    answer: OnDrift = OnDrift.ASK
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged(Event):
    """The evidence says something else than ``State.verdict``.

    A verdict counts for the step in which it was spoken: a new step begins with ``no-data``, and wants to hear again.
    """

    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained(Event):
    """A version has nothing in flight, or its deadline has passed with ``cut`` requests still open.

    ``deadline_at_s`` is that of the drain it is about; ``cut`` is None when no gateway could see what was in flight.
    """

    version_name: str
    deadline_at_s: float
    cut: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(Event):
    """A gateway that carries the agent no longer has forgotten it."""

    gateway: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired(Event):
    """A moment that the state waits for has come."""

    timer: Timer


AnyEvent = (
    Submitted
    | Superseded
    | GatesPassed
    | GatesRefused
    | Approved
    | Rejected
    | PauseAsked
    | ResumeAsked
    | SkipAsked
    | PromoteAsked
    | RollbackAsked
    | SplitSet
    | CandidateDeclared
    | DrainAsked
    | SettingsChanged
    | CandidateReached
    | Confirmed
    | Refused
    | Drifted
    | Judged
    | Drained
    | Left
    | TimerFired
)
EVENTS: tuple[type[AnyEvent], ...] = AnyEvent.__args__
"""Every kind of event, for the transition table and for those who check that it is whole."""
