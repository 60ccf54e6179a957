"""From blocks to verdicts: the judge of one rollout.

| verdict | when |
| --- | --- |
| `breach` | an e-value against the candidate reached 1 / its share of alpha, once; it stays |
| `no-data` | an objective has had no valid candidate event yet, or none for `no_data_deadline_s` |
| `common-cause` | both tracks exceed an objective's `max` now, and the candidate is not to blame |
| `healthy` | every guardrail is shown non-inferior (every objective, if none is a guardrail) |
| `undecided` | none of these yet |

The first that applies, in this order. The chance that a good candidate is *ever* in `breach` is at most alpha.
"""

import dataclasses
import enum
import math
from collections.abc import Collection, Mapping
from typing import Any

from controller.analysis.evidence import SILENCE_S, Evidence, Test
from controller.analysis.indicators import Block, Counts, Indicator
from controller.analysis.objectives import Objective, alpha_shares

_EMPTY = Block()
_LOG_E_MAX = 700.0  # e^710 is no float


class Verdict(enum.StrEnum):
    """What is to be thought of a candidate, or of one of its objectives."""

    HEALTHY = "healthy"
    BREACH = "breach"
    UNDECIDED = "undecided"
    NO_DATA = "no-data"
    COMMON_CAUSE = "common-cause"


_GRAVEST_FIRST = (Verdict.BREACH, Verdict.NO_DATA, Verdict.COMMON_CAUSE)


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One objective's verdict and what it rests on.

    Attributes:
        evidence_ratio: ln e-value over ln threshold of the test nearest to a breach: 0 is nothing, 1 is a breach.
        log_e: ln e-value of that test; `e_value` is the e-value itself.
        test: which test that is; after a breach, the one that was breached.
        candidate, stable: all events judged or waiting since the watch began.
        non_inferior: shown to be within the objective, at level alpha, now.
    """

    objective: str
    indicator: Indicator
    guardrail: bool
    verdict: Verdict
    test: Test
    evidence_ratio: float
    log_e: float
    candidate: Counts
    stable: Counts
    non_inferior: bool

    @property
    def e_value(self) -> float:
        """The e-value against the candidate, capped where floats end."""
        return math.exp(min(self.log_e, _LOG_E_MAX))

    def to_record(self) -> dict[str, Any]:
        """As JSON, for the journal, the API and a pipeline."""
        return {
            "objective": self.objective,
            "indicator": self.indicator,
            "guardrail": self.guardrail,
            "verdict": str(self.verdict),
            "test": self.test,
            "evidence_ratio": self.evidence_ratio,
            "e_value": self.e_value,
            "candidate": {"valid": self.candidate.valid, "bad_fraction": self.candidate.bad_fraction},
            "stable": {"valid": self.stable.valid, "bad_fraction": self.stable.bad_fraction},
            "non_inferior": self.non_inferior,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Assessment:
    """The verdict on a candidate, with a finding per objective in the operator's order."""

    verdict: Verdict
    findings: tuple[Finding, ...]

    def to_record(self) -> dict[str, Any]:
        """As JSON."""
        return {"verdict": str(self.verdict), "findings": [finding.to_record() for finding in self.findings]}


@dataclasses.dataclass(frozen=True, slots=True)
class JudgeState:
    """Everything a judge knows.

    Attributes:
        evidence: by the objective's name.
        stable_serves: whether the split gives stable anything.
    """

    evidence: Mapping[str, Evidence]
    stable_serves: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Judge:
    """The rules by which one agent's candidates are judged; holds no state.

    Attributes:
        objectives: names are unique.
        alpha: the largest chance, in 0..1 exclusive, that a good candidate is ever in breach, over all objectives.
        no_data_deadline_s: seconds without a valid candidate event after which an objective's verdict is `no-data`.

    Raises:
        ValueError: two objectives of one name, or a number out of range.
    """

    objectives: tuple[Objective, ...]
    alpha: float
    no_data_deadline_s: float

    def __post_init__(self) -> None:
        if len({objective.name for objective in self.objectives}) != len(self.objectives):
            raise ValueError("two objectives share a name")
        if not 0.0 < self.alpha < 1.0:
            raise ValueError(f"alpha is a chance between 0 and 1, not {self.alpha!r}")
        if not self.no_data_deadline_s > 0.0:
            raise ValueError(f"a deadline is a positive number of seconds, not {self.no_data_deadline_s!r}")

    def start(self, now_s: float, counted: Collection[Indicator] | None = None) -> JudgeState:
        """The state at the beginning of a watch: nothing is known.

        `counted` are the indicators that are counted of stable, None for all; for others it is not waited at first.
        """
        until_s = now_s + self.silence_s
        return JudgeState(
            {
                each.name: Evidence(now_s, until_s if counted is None or each.indicator in counted else now_s)
                for each in self.objectives
            }
        )

    def update(
        self, state: JudgeState, blocks: Mapping[Indicator, Block], now_s: float, *, stable_serves: bool = True
    ) -> JudgeState:
        """The state after a report. Call it on every report, also with no blocks: waiting evidence ripens with time.

        `stable_serves` says whether the split gives stable anything. Where it does not, nobody waits for its events.
        """
        if stable_serves and not state.stable_serves:
            state = self._awaiting_stable(state, now_s)
        after = {}
        for objective, share in zip(self.objectives, alpha_shares(self.objectives, self.alpha), strict=True):
            block = blocks.get(objective.indicator, _EMPTY)
            evidence = state.evidence[objective.name].gathering(block, now_s, self.silence_s)
            # "Never" knows no excuse, so it waits for nobody.
            waits = stable_serves and now_s < evidence.stable_until_s and objective.max != 0.0
            if evidence.ripe(now_s, waits=waits):
                evidence = _judged(evidence, objective, share, waits=waits)
            after[objective.name] = evidence
        return JudgeState(after, stable_serves)

    def resume(self, state: JudgeState, now_s: float) -> JudgeState:
        """The same evidence with the no-data clocks started anew: after a pause, a restart, or a changed split."""
        return dataclasses.replace(
            state,
            evidence={
                name: dataclasses.replace(evidence, candidate_seen_s=now_s)
                for name, evidence in self._awaiting_stable(state, now_s).evidence.items()
            },
        )

    def assess(self, state: JudgeState, now_s: float) -> Assessment:
        """The verdict now. Without objectives nothing can be shown: `undecided`."""
        shares = alpha_shares(self.objectives, self.alpha)
        findings = tuple(
            self._finding(objective, state, share, now_s)
            for objective, share in zip(self.objectives, shares, strict=True)
        )
        for grave in _GRAVEST_FIRST:
            if any(finding.verdict is grave for finding in findings):
                return Assessment(grave, findings)
        needed = [finding for finding in findings if finding.guardrail] or findings
        healthy = bool(needed) and all(finding.non_inferior for finding in needed)
        return Assessment(Verdict.HEALTHY if healthy else Verdict.UNDECIDED, findings)

    def to_record(self, state: JudgeState) -> dict[str, Any]:
        """The state as JSON, each objective's evidence beside its definition."""
        return {
            objective.name: {
                "objective": objective.to_record(),
                "evidence": state.evidence[objective.name].to_record(),
            }
            for objective in self.objectives
        }

    def from_record(self, record: Mapping[str, Any], now_s: float) -> JudgeState:
        """The inverse of `to_record`, e-values to the bit; the no-data clocks start anew at `now_s`.

        An objective that is new, or that demands something else than when it was recorded, starts without evidence.
        """
        state = dict(self.start(now_s).evidence)
        for objective in self.objectives:
            entry = record.get(objective.name)
            if entry is not None and entry["objective"] == objective.to_record():
                state[objective.name] = Evidence.from_record(entry["evidence"], now_s, self.silence_s)
        return JudgeState(state)

    @property
    def silence_s(self) -> float:
        """How long stable may be silent before it is not there: no shorter than what is silence of a candidate."""
        return max(SILENCE_S, self.no_data_deadline_s)

    def _awaiting_stable(self, state: JudgeState, now_s: float) -> JudgeState:
        """The same evidence, with stable's silence counted from now on."""
        until_s = now_s + self.silence_s
        evidence = {name: dataclasses.replace(each, stable_until_s=until_s) for name, each in state.evidence.items()}
        return dataclasses.replace(state, evidence=evidence)

    def _finding(self, objective: Objective, state: JudgeState, share: float, now_s: float) -> Finding:
        evidence = state.evidence[objective.name]
        ratios = _evidence_ratios(evidence, objective, share)
        test = max(ratios, key=lambda each: ratios[each]) if evidence.breached is None else evidence.breached
        there = state.stable_serves and now_s < evidence.stable_until_s
        # What was compared once is not waived by a silence. Only a stable that never counts this indicator has no say.
        compared = there or (state.stable_serves and evidence.stable.valid > 0)
        shown = _non_inferior(evidence, objective, self.alpha, compared=compared)
        silent = not evidence.candidate.valid or now_s - evidence.candidate_seen_s >= self.no_data_deadline_s
        if evidence.breached is not None:
            verdict = Verdict.BREACH
        elif silent:
            verdict = Verdict.NO_DATA
        elif there and evidence.candidate_alarm.up and evidence.stable_alarm.up:
            verdict = Verdict.COMMON_CAUSE
        else:
            verdict = Verdict.HEALTHY if shown else Verdict.UNDECIDED
        return Finding(
            objective=objective.name,
            indicator=objective.indicator,
            guardrail=objective.guardrail,
            verdict=verdict,
            test=test,
            evidence_ratio=max(ratios[test], 0.0),
            log_e=evidence.log_e_absolute if test == "absolute" else evidence.log_e_relative,
            candidate=evidence.candidate,
            stable=evidence.stable,
            non_inferior=shown,
        )


def _judged(evidence: Evidence, objective: Objective, share: float, *, waits: bool) -> Evidence:
    """The evidence after what it has gathered; a breach is recorded when it happens, and stays."""
    evidence = evidence.judged(objective, waits=waits)
    if evidence.breached is not None:
        return evidence
    for test, ratio in _evidence_ratios(evidence, objective, share).items():
        if ratio >= 1.0:
            return dataclasses.replace(evidence, breached=test)
    return evidence


def _evidence_ratios(evidence: Evidence, objective: Objective, share: float) -> dict[Test, float]:
    """Log e-value over log threshold, per test of the objective. Its two tests, when it has both, halve its share."""
    log_e: dict[Test, float] = {}
    if objective.max is not None:
        log_e["absolute"] = evidence.log_e_absolute
    if objective.margin is not None:
        log_e["relative"] = evidence.log_e_relative
    log_threshold = math.log(len(log_e) / share)
    return {test: value / log_threshold for test, value in log_e.items()}


def _non_inferior(evidence: Evidence, objective: Objective, alpha: float, *, compared: bool) -> bool:
    """Every test that the objective asks for, and that can be answered, is passed at level alpha.

    All must pass, so none needs a correction of alpha. Where there is a `max`, the relative test is not asked for
    with a margin of zero (an equal candidate never passes it), nor where there is nobody to be compared with.
    """
    log_threshold = math.log(1.0 / alpha)
    if objective.max is None:
        return evidence.shown_relative.log_e >= log_threshold
    asked = compared and bool(objective.margin)
    return evidence.shown_absolute.log_e >= log_threshold and (
        not asked or evidence.shown_relative.log_e >= log_threshold
    )
