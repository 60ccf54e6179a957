"""What a step asks the runtime to do. Each is idempotent: after a restart the unfinished ones are issued again.

A command names what it is about, and its answer names it back, so that an answer that comes late changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapters.port import Version


@dataclass(frozen=True, slots=True)
class CheckGates:
    """Say whether the proposal may go on: answered by GatesPassed or GatesRefused."""

    rollout_id: str


@dataclass(frozen=True, slots=True)
class Probe:
    """Find out whether the candidate's endpoints answer: answered by CandidateReached, as soon as they do."""

    rollout_id: str


@dataclass(frozen=True, slots=True)
class Apply:
    """Make every gateway take the state's versions and split, however long it takes: answered by Confirmed or Refused.

    A gateway that cannot be reached is tried again for ever. One that refuses is not asked the same again, unless the
    split is all stable: the way back never gives up.

    Attributes:
        revision: which state of the world this is; a newer one replaces it.
    """

    revision: int


@dataclass(frozen=True, slots=True)
class DrainVersion:
    """Tell the version to end its streams, and watch what is in flight: answered by Drained, at the latest when due.

    It is void as soon as ``State.drains`` does not hold it any more: the version serves again, or drains until another
    moment.
    """

    version: Version
    deadline_at_s: float


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell everybody who listens what was decided, and why."""

    what: str
    text: str


Command = CheckGates | Probe | Apply | DrainVersion | Announce
