"""Agents: where each stands, what was asked of its gateways, and what the evidence says."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from adapters.port import Receipt
from controller.analysis.indicators import Counts
from controller.analysis.verdict import Finding, Verdict
from controller.rollout.plan import Plan
from controller.rollout.state import RESTING, Phase, State, Timer
from controller.runtime.driver import Driver

from .operation import Answer, Call, Operation
from .shape import Nothing, SplitTold, Told, VersionTold, seconds_left, utc


class StepTold(Told):
    """One stop on the way; numbers count from 1."""

    number: int
    candidate_percent: float
    mirror_percent: float
    hold_s: float
    approval: bool
    """Whether a person must agree before the next step."""


class RolloutTold(Told):
    """The rollout that is under way, or the last one."""

    id: str
    """The proposal's id."""
    version: str
    digest: str
    """What a consent must name."""
    active: bool
    """Whether it is under way."""
    submitted_at: datetime
    verification_score: float | None
    step: int | None
    """Which step it is at, from 1; null before the first, while promoting, and afterwards."""
    steps: list[StepTold]
    bake_s: float
    approved: bool
    """Whether a person has agreed to leave this step."""
    held: bool
    """Whether this step's hold, or the bake, is over."""
    paused_by: str | None
    """``operator``, ``common-cause`` or ``drift``."""
    reason: str


class TimerTold(Told):
    """What is waited for."""

    timer: Timer
    at: datetime
    seconds_left: float


class ReceiptTold(Told):
    """What came of the last attempt to apply at a gateway."""

    outcome: str
    """``confirmed``, ``refused``, ``unreachable`` or ``unconfirmed``."""
    code: str
    """Why it is not confirmed, in one word (docs/errors.md); empty when it is."""
    detail: str
    took_s: float
    split: SplitTold

    @classmethod
    def of(cls, receipt: Receipt) -> ReceiptTold:
        """The same, to be told."""
        return cls(
            outcome=receipt.outcome.value,
            code=receipt.code,
            detail=receipt.detail,
            took_s=receipt.took_s,
            split=SplitTold.of(receipt.split),
        )


class ObservedTold(Told):
    """What share the candidate really got since the gateway confirmed the present split."""

    requests: int
    candidate_percent: float | None
    """Null while there was no request."""
    off: bool
    """Whether it is shown not to be the share that was commanded: the gateway does something else than it says."""


class GatewaySplitTold(Told):
    """One gateway that carries the agent's traffic."""

    gateway: str
    confirmed: SplitTold | None
    """The split that it follows, as it has confirmed itself."""
    up_to_date: bool
    """Whether it has confirmed all that is wanted now, versions and endpoints included."""
    drift: str
    """What somebody has changed there by hand, while that is left so; empty otherwise."""
    remark: str
    """What is amiss there although it has confirmed, e.g. what a reload would not keep; empty otherwise."""
    receipt: ReceiptTold | None
    observed: ObservedTold
    in_flight: dict[str, int]
    """Requests in flight per version; a version that is absent cannot be seen."""


class SourceTold(Told):
    """Where the agent's events are counted, besides its gateways."""

    source: str
    trouble: str
    """Why the last look at it did not bring everything; empty where it did. What is missing is no data, never zero."""


class CountsTold(Told):
    """Events of one indicator on one track."""

    valid: int
    bad: int
    bad_fraction: float | None

    @classmethod
    def of(cls, counts: Counts) -> CountsTold:
        """The same, to be told."""
        return cls(valid=counts.valid, bad=counts.bad, bad_fraction=counts.bad_fraction)


class FindingTold(Told):
    """What the evidence says of one objective."""

    objective: str
    indicator: str
    guardrail: bool
    verdict: Verdict
    test: str
    """``absolute`` or ``relative``: the test that is nearest to a breach."""
    evidence_ratio: float
    """0 is nothing, 1 is a breach."""
    e_value: float
    non_inferior: bool
    candidate: CountsTold
    stable: CountsTold

    @classmethod
    def of(cls, finding: Finding) -> FindingTold:
        """The same, to be told."""
        return cls(
            objective=finding.objective,
            indicator=finding.indicator,
            guardrail=finding.guardrail,
            verdict=finding.verdict,
            test=finding.test,
            evidence_ratio=finding.evidence_ratio,
            e_value=finding.e_value,
            non_inferior=finding.non_inferior,
            candidate=CountsTold.of(finding.candidate),
            stable=CountsTold.of(finding.stable),
        )


class DrainTold(Told):
    """A version that takes no new request."""

    version: str
    deadline_at: datetime
    seconds_left: float


class AgentTold(Told):
    """All about one agent."""

    name: str
    phase: Phase
    change: int
    """Counts the changes; the ETag."""
    changed_by: str
    unreached: str | None
    """Which of a candidate's endpoints does not answer, and why, while it is being deployed."""
    stable: VersionTold
    candidate: VersionTold | None
    previous: VersionTold | None
    """The version before, kept for an instant return."""
    wanted: SplitTold
    rollout: RolloutTold | None
    timers: list[TimerTold]
    gateways: list[GatewaySplitTold]
    sources: list[SourceTold]
    verdict: Verdict
    findings: list[FindingTold]
    drains: list[DrainTold]


class AgentsTold(Told):
    """All agents, by name."""

    agents: list[AgentTold]


def steps_of(plan: Plan) -> list[StepTold]:
    """The steps of a plan."""
    return [
        StepTold(
            number=number,
            candidate_percent=step.split.candidate_bp / 100,
            mirror_percent=step.split.mirror_bp / 100,
            hold_s=step.hold_s,
            approval=step.approval,
        )
        for number, step in enumerate(plan.steps, start=1)
    ]


def tell(driver: Driver, now_s: float) -> AgentTold:
    """One agent as it stands now."""
    state, assessment = driver.state, driver.watch.assessment
    return AgentTold(
        name=state.agent,
        phase=state.phase,
        change=state.changes,
        changed_by=state.changed_by,
        unreached=driver.hands.unreached or None,
        stable=VersionTold.of(state.stable),
        candidate=VersionTold.of(state.candidate) if state.candidate else None,
        previous=VersionTold.of(state.previous) if state.previous else None,
        wanted=SplitTold.of(state.split),
        rollout=_rollout(state),
        timers=[
            TimerTold(timer=timer, at=utc(at_s), seconds_left=seconds_left(at_s, now_s))
            for timer, at_s in sorted(state.timers.items(), key=lambda entry: entry[1])
        ],
        gateways=[_gateway(driver, name) for name in sorted(state.gateways)],
        sources=[
            SourceTold(source=name, trouble=driver.hands.troubles.get(name, ""))
            for name in sorted(driver.hands.sources)
        ],
        verdict=state.verdict,
        findings=[FindingTold.of(finding) for finding in assessment.findings] if assessment else [],
        drains=[
            DrainTold(
                version=drain.version.name,
                deadline_at=utc(drain.deadline_at_s),
                seconds_left=seconds_left(drain.deadline_at_s, now_s),
            )
            for drain in state.drains
        ],
    )


def answer(driver: Driver, now_s: float) -> Answer:
    """One agent, with the number of its changes as ETag.

    The tag names what was decided: what gateways count meanwhile changes the body and not the tag.
    """
    return Answer(tell(driver, now_s), {"ETag": f'"{driver.state.changes}"'})


def _rollout(state: State) -> RolloutTold | None:
    rollout = state.rollout
    if rollout is None:
        return None
    steps = steps_of(rollout.plan)
    on_a_step = state.phase in (Phase.HEALTH_CHECK, Phase.PAUSED) and rollout.present_step is not None
    return RolloutTold(
        id=rollout.id,
        version=rollout.candidate.name,
        digest=rollout.digest,
        active=state.phase not in RESTING,
        submitted_at=utc(rollout.submitted_at_s),
        verification_score=rollout.score,
        step=rollout.step + 1 if on_a_step else None,
        steps=steps,
        bake_s=rollout.plan.bake_s,
        approved=rollout.approved,
        held=rollout.held,
        paused_by=rollout.paused_by or None,
        reason=rollout.reason,
    )


def is_up_to_date(driver: Driver, gateway: str) -> bool:
    """Whether a gateway has confirmed all that is wanted, and can be read: one that is gone may come back with less."""
    link = driver.hands.links.get(gateway)
    return gateway in driver.state.confirmed and link is not None and link.confirmed is not None


def _gateway(driver: Driver, name: str) -> GatewaySplitTold:
    link, newest = driver.hands.links.get(name), driver.traffic.newest.get(name)
    return GatewaySplitTold(
        gateway=name,
        confirmed=SplitTold.of(link.confirmed) if link and link.confirmed else None,
        up_to_date=is_up_to_date(driver, name),
        drift=link.drift if link else "",
        remark=link.remark if link else "",
        receipt=ReceiptTold.of(link.receipt) if link and link.receipt else None,
        observed=_observed(driver, name),
        in_flight=dict(newest.in_flight) if newest else {},
    )


def _observed(driver: Driver, gateway: str) -> ObservedTold:
    state, counted = driver.state, driver.traffic.share_requests(gateway)
    candidate = counted.get(state.candidate.name, 0) if state.candidate else 0
    requests = candidate + counted.get(state.stable.name, 0)
    share = round(100 * candidate / requests, 4) if requests else None
    return ObservedTold(requests=requests, candidate_percent=share, off=gateway in driver.traffic.shares.off)


async def _list(call: Call, _: Nothing) -> AgentsTold:
    drivers, now_s = call.context.fleet.drivers, call.context.now_s()
    return AgentsTold(agents=[tell(drivers[name], now_s) for name in sorted(drivers)])


async def _show(call: Call, _: Nothing) -> Answer:
    return answer(call.driver(), call.context.now_s())


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path="/v1/agents",
        name="listAgents",
        summary="All agents",
        handle=_list,
        asks=Nothing,
        told=AgentsTold,
    ),
    Operation(
        method="GET",
        path="/v1/agents/{name}",
        name="getAgent",
        summary="One agent",
        handle=_show,
        asks=Nothing,
        told=AgentTold,
    ),
)
