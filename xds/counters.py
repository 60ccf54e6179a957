"""The plainest meter: it counts, and somebody reads."""

from collections import Counter
from dataclasses import dataclass, field

from xds.acks import Refusal


@dataclass(slots=True)
class Counters:
    """Counts of what the server did since it was made; a `Meter`.

    Attributes:
        streams: discovery streams open now, by group.
        pushes: responses by type.
        bytes: of responses, by type.
        acks: by type.
        nacks: by type.
        ack_seconds: summed over the ACKs of a type; divided by `acks` it is the mean.
    """

    streams: Counter[str] = field(default_factory=Counter)
    pushes: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    acks: Counter[str] = field(default_factory=Counter)
    nacks: Counter[str] = field(default_factory=Counter)
    ack_seconds: dict[str, float] = field(default_factory=dict)

    def stream_opened(self, group: str) -> None:
        """Count a stream in."""
        self.streams[group] += 1

    def stream_closed(self, group: str) -> None:
        """Count a stream out."""
        self.streams[group] -= 1
        if not self.streams[group]:
            del self.streams[group]

    def pushed(self, group: str, type_: str, size_bytes: int) -> None:
        """Count a response."""
        del group
        self.pushes[type_] += 1
        self.bytes[type_] += size_bytes

    def acked(self, group: str, type_: str, after_s: float) -> None:
        """Count an ACK and its time."""
        del group
        self.acks[type_] += 1
        self.ack_seconds[type_] = self.ack_seconds.get(type_, 0.0) + after_s

    def nacked(self, refusal: Refusal) -> None:
        """Count a NACK."""
        self.nacks[refusal.type] += 1
