"""Service level indicators: bad events over valid events, counted per track and per report."""

import dataclasses

from adapters.port import latency_over

__all__ = ["ERROR", "OVER_BUDGET", "TASK_FAILED", "UNSAFE", "Block", "Counts", "Indicator", "latency_over"]

Indicator = str
"""The name of an indicator. The fixed ones stand below; `latency_over` names the others."""

ERROR: Indicator = "error"
TASK_FAILED: Indicator = "task_failed"
UNSAFE: Indicator = "unsafe"
OVER_BUDGET: Indicator = "over_budget"


@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """Events of one indicator on one track: `valid` of them, `bad` of which were bad.

    Raises:
        ValueError: a count is negative, or there are more bad events than events.
    """

    valid: int = 0
    bad: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.bad <= self.valid:
            raise ValueError(f"of {self.valid} events {self.bad} cannot be bad")

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.valid + other.valid, self.bad + other.bad)

    @property
    def good(self) -> int:
        """Valid events that were not bad."""
        return self.valid - self.bad

    @property
    def bad_fraction(self) -> float | None:
        """Bad over valid, in 0..1; None without events, because absent is not zero."""
        return self.bad / self.valid if self.valid else None

    def to_record(self) -> list[int]:
        """As JSON: `[valid, bad]`."""
        return [self.valid, self.bad]

    @classmethod
    def from_record(cls, record: list[int]) -> "Counts":
        """The inverse of `to_record`."""
        valid, bad = record
        return cls(valid, bad)


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """What one report says of one indicator: events of both tracks, counted over the same time."""

    candidate: Counts = dataclasses.field(default_factory=Counts)
    stable: Counts = dataclasses.field(default_factory=Counts)

    def __add__(self, other: "Block") -> "Block":
        return Block(self.candidate + other.candidate, self.stable + other.stable)
