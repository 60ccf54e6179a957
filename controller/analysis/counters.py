"""From cumulative counters to the events since the last look, over reporters that come, go and restart.

A reporter (an Envoy, a HAProxy process, an agent that pushes outcomes) reports cumulative counters. The ledger holds
what has been counted already, per reporter, version and indicator, and counts what is new:

- A reporter that was never seen before says where its counters stand; what happened before that is nobody's.
- A counter that appears at a known reporter began at zero after the last look: all of it is new.
- A counter that a known reporter leaves out has not moved. Absent is neither zero nor a reset.
- A counter that went down, or a new epoch, began again at zero: all of it is new.
- More bad events than valid ones (two counters, read one after the other) wait for their valid events.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from controller.analysis.indicators import Block, Counts, Indicator

REPORTERS_MAX = 4_096
"""Beyond this many the reporter heard of longest ago is forgotten; should it return, it is a new one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """What one counter counts: an indicator of one version of an agent."""

    version: str
    indicator: Indicator


@dataclasses.dataclass(frozen=True, slots=True)
class Cumulative:
    """Two counters as they were read: events, and bad events, since the reporter's counters began. Not negative."""

    valid: int
    bad: int

    def __post_init__(self) -> None:
        if self.valid < 0 or self.bad < 0:
            raise ValueError(f"a counter is never negative: valid {self.valid}, bad {self.bad}")


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """All counters of one reporter at one time.

    Attributes:
        reporter: who counts; unique over gateways, e.g. `edge/envoy-1`.
        epoch: changes when the reporter's counters began again (a process id, a start time); "" if it cannot say.
        counters: by series; what is left out has not moved.
    """

    reporter: str
    epoch: str
    counters: Mapping[Series, Cumulative]


@dataclasses.dataclass(frozen=True, slots=True)
class _Counted:
    """What has been counted of one reporter."""

    epoch: str
    series: Mapping[Series, Cumulative]


@dataclasses.dataclass(frozen=True, slots=True)
class Ledger:
    """What has been counted so far, per reporter. Immutable; begin with `Ledger()`."""

    reporters: Mapping[str, _Counted] = dataclasses.field(default_factory=dict)

    def take(self, readings: Iterable[Reading]) -> tuple["Ledger", dict[Series, Counts]]:
        """The ledger after `readings`, and the new events summed over reporters; series without any are left out.

        Feed it every reading, also while nothing is judged: what it counted then is not new when a watch begins.
        """
        reporters = dict(self.reporters)
        new: dict[Series, Counts] = {}
        for reading in readings:
            known = reporters.pop(reading.reporter, None)
            reporters[reading.reporter] = _count(known, reading, new)
        while len(reporters) > REPORTERS_MAX:
            del reporters[next(iter(reporters))]
        return Ledger(reporters), new

    def indicators(self, version: str) -> frozenset[Indicator]:
        """What some reporter counts of a version, if only to say that there was nothing yet."""
        known = (series for counted in self.reporters.values() for series in counted.series)
        return frozenset(series.indicator for series in known if series.version == version)

    def to_record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            reporter: {
                "epoch": counted.epoch,
                "series": [[s.version, s.indicator, c.valid, c.bad] for s, c in counted.series.items()],
            }
            for reporter, counted in self.reporters.items()
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Ledger":
        """The inverse of `to_record`."""
        return cls(
            {
                reporter: _Counted(
                    counted["epoch"],
                    {
                        Series(version, indicator): Cumulative(valid, bad)
                        for version, indicator, valid, bad in counted["series"]
                    },
                )
                for reporter, counted in record.items()
            }
        )


def blocks(new: Mapping[Series, Counts], *, candidate: str, stable: str) -> dict[Indicator, Block]:
    """The new events of two versions as one block per indicator; a version without events has empty counts."""
    none = Counts()
    indicators = {series.indicator for series in new if series.version in {candidate, stable}}
    return {
        indicator: Block(
            candidate=new.get(Series(candidate, indicator), none),
            stable=new.get(Series(stable, indicator), none),
        )
        for indicator in sorted(indicators)
    }


def _count(known: _Counted | None, reading: Reading, new: dict[Series, Counts]) -> _Counted:
    """What has been counted of a reporter after `reading`; adds the new events to `new`."""
    if known is None:
        return _Counted(reading.epoch, {series: _settled(now) for series, now in reading.counters.items()})
    zero = Cumulative(0, 0)
    series_counted = dict(known.series) if known.epoch == reading.epoch else {}
    for series, now in reading.counters.items():
        before = series_counted.get(series, zero)
        if now.valid < before.valid or now.bad < before.bad:
            before = zero
        valid = now.valid - before.valid
        events = Counts(valid, min(now.bad - before.bad, valid))
        series_counted[series] = Cumulative(now.valid, before.bad + events.bad)
        if valid:
            new[series] = new.get(series, Counts()) + events
    return _Counted(reading.epoch, series_counted)


def _settled(now: Cumulative) -> Cumulative:
    """A baseline: bad events that outrun their valid events wait for them also here."""
    return Cumulative(now.valid, min(now.bad, now.valid))
