"""What must hold at every moment, whatever happens. The law trusts no state of the controller: it reads the journal's
decisions as they are made, and sees what the gateways really take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.port import Assignment, Observation
from controller.journal.records import Record
from controller.journal.transitions import TRANSITION
from controller.runtime.driver import Driver

from .clock import now_s
from .gateway import SimGateway

REACH_S = 20.0
"""A rollback stands at every gateway that can be reached, and takes what it is told, after this long at the latest."""

DATA_AGE_MAX_S = 8.0
"""A step is left by itself only on events of its candidate that were seen this recently."""

BY_HAND = ("SkipAsked", "PromoteAsked")


Facts = Mapping[str, Any]


def _allowed_bp(state: Facts) -> int:
    """The most that a candidate may have: what the step says that was consented to, or what was set by hand."""
    rollout, phase = state["rollout"], state["phase"]
    if phase == "idle":
        return int(state["split"]["candidate_bp"])
    if phase not in ("health-check", "paused", "promoting"):
        return 0
    steps, step = rollout["plan"]["steps"], rollout["step"]
    return int(steps[step]["split"]["candidate_bp"]) if step < len(steps) else 10_000


@dataclass(slots=True)
class Law:
    """What is known of the decisions so far.

    Attributes:
        broken: the first law that did not hold.
        state: the newest decision, as JSON.
        seen_s: when an event of a version was last shown to the controller.
        gone_back: rollouts that went back, and whether that is on disk.
        guided: rollouts whose steps an operator has skipped.
        named: looks at which a crooked gateway was named.
    """

    note: Callable[[str], None]
    stable: str
    state: dict[str, Any] | None = None
    before: dict[str, Any] | None = None
    decided_at_s: float = 0.0
    before_until_s: float = 0.0
    durable_state: dict[str, Any] | None = None
    seen_s: dict[str, float] = field(default_factory=dict)
    consented: set[str] = field(default_factory=set)
    approved: set[tuple[str, int]] = field(default_factory=set)
    gone_back: dict[str, bool] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    served: dict[str, str] = field(default_factory=dict)
    guided: set[str] = field(default_factory=set)
    breaches: set[str] = field(default_factory=set)
    broken: str = ""
    named: int = 0
    _shown: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)

    def insist(self, holds: object, what: str) -> None:
        """Remember the first law that was broken; the world ends soon after. Nothing of the core notices."""
        if not holds and not self.broken:
            self.broken = what
            self.note(f"BROKEN: {what}")

    def saw(self, observation: Observation) -> None:
        """The controller was shown what a gateway has counted."""
        for version, tally in observation.tallies.items():
            now = (observation.epoch, tally.requests)
            if tally.requests and self._shown.get((observation.gateway, version)) != now:
                self._shown[observation.gateway, version] = now
                self.seen_s[version] = now_s()

    # --- decisions ----------------------------------------------------------------------------------------------------

    def decided(self, body: Facts, *, hears_within_s: float = 0.0) -> None:
        """The controller has decided: on the way back before it writes, on the way forward once that is durable.

        It may take ``hears_within_s`` until it knows that it is, and until then what was before holds as well.
        """
        before, after, event = self.state, dict(body["state"]), body["event"]
        self.before, self.state, self.decided_at_s = before, after, now_s()
        self.before_until_s = now_s() + hears_within_s
        rollout = after["rollout"]
        self.note(f"{event} -> {after['phase']} {body['split']} change {after['changes']} {body['why']}")
        if rollout is None:
            return
        name, step = rollout["id"], rollout["step"]
        old = before["rollout"] if before and before["rollout"] and before["rollout"]["id"] == name else None
        if event == "Approved" and before and old:
            if before["phase"] == "awaiting-consent":
                self.consented.add(name)
            else:
                self.approved.add((name, old["step"]))
        self._check_guidance(body, before, after)
        if after["phase"] not in ("idle", "pending", "awaiting-consent"):
            self.outcomes[name] = after["phase"]
        if after["phase"] in ("deploying", "health-check", "paused", "promoting"):
            self.served[name] = rollout["candidate"]["name"]
            consent = rollout["plan"]["consent"]
            self.insist(not consent or name in self.consented, f"{name} is served without consent")
            self.insist(name not in self.gone_back, f"{name} went back, and is served again")
        if event in BY_HAND and old:
            self.guided.add(name)
        if old and before and step > old["step"] and before["phase"] in ("health-check", "paused"):
            self._check_leave(event, old, step)
        if old and before and after["phase"] == "promoted" and before["phase"] == "promoting":
            self._check_leave(event, old, step + 1)

    def _check_guidance(self, body: Facts, before: Facts | None, after: Facts) -> None:
        name = after["rollout"]["id"]
        breach = body["event"] == "Judged" and body["details"]["verdict"] == "breach"
        if breach and before and before["split"]["candidate_bp"]:
            self.insist(not after["split"]["candidate_bp"], "a breach was seen, and the candidate still has traffic")
            if after["phase"] == "rolling-back":
                self.breaches.add(name)
        if after["phase"] == "rolling-back":
            self.gone_back.setdefault(name, False)

    def _check_leave(self, event: str, rollout: Facts, to: int) -> None:
        """Steps from the one that the rollout was at up to ``to`` are left."""
        name, plan = rollout["id"], rollout["plan"]
        for index in range(rollout["step"], min(to, len(plan["steps"]))):
            asked = plan["steps"][index]["approval"]
            self.insist(not asked or (name, index) in self.approved, f"step {index} was left without its approval")
        if plan["watched"] and event not in BY_HAND:
            age_s = now_s() - self.seen_s.get(rollout["candidate"]["name"], -1e9)
            self.insist(age_s <= DATA_AGE_MAX_S, f"step {rollout['step']} was left without data: {age_s:.1f} s old")

    def durable(self, record: Record) -> None:
        """A record is on disk."""
        if record.kind != TRANSITION and "state" not in record.body:
            return
        self.durable_state = record.body["state"]
        rollout = record.body["state"]["rollout"]
        if rollout and rollout["id"] in self.gone_back:
            self.gone_back[rollout["id"]] |= record.body["state"]["phase"] in ("rolling-back", "rolled-back")

    def killed(self) -> None:
        """What was not on disk is gone."""
        self.state = self.durable_state
        self.before = None
        for name in [name for name, durable in self.gone_back.items() if not durable]:
            del self.gone_back[name]

    # --- gateways -----------------------------------------------------------------------------------------------------

    def took(self, gateway: SimGateway, assignment: Assignment | None) -> None:
        """Requests begin to follow an assignment. What was decided at this very instant may still be on its way."""
        if assignment is None:
            self.note(f"{gateway.name} holds nothing")
            return
        self.note(f"{gateway.name} holds {assignment.stable.name} {assignment.split}")
        states = [state for state in (self.state, self._just_before()) if state is not None]
        most_bp = max((_allowed_bp(state) for state in states), default=0)
        stables = {state["stable"]["name"] for state in states} or {self.stable}
        share_bp = assignment.split.candidate_bp
        self.insist(share_bp <= most_bp, f"{gateway.name} gives the candidate {share_bp} bp, {most_bp} are allowed")
        self.insist(assignment.stable.name in stables, f"{gateway.name} takes {assignment.stable.name} for stable")
        self.insist(assignment.stable.endpoints, "an assignment without endpoints")
        if share_bp:
            self.insist(assignment.candidate and assignment.candidate.endpoints, "a share for nobody")

    def _just_before(self) -> dict[str, Any] | None:
        return self.before if now_s() <= self.before_until_s else None

    def check_named(self, gateway: SimGateway, driver: Driver, *, silent: bool) -> None:
        """A gateway that gives another share than it was told is named, and no other is."""
        named = gateway.name in driver.traffic.shares.off
        self.insist(not named or silent or gateway.crooked_once, f"{gateway.name} does as it was told, and is accused")
        self.named += named and gateway.crooked_once

    def check_reach(self, gateway: SimGateway, alive_since_s: float) -> None:
        """A rollback has come to every gateway that could be reached for long enough."""
        since_s = max(self.decided_at_s, alive_since_s, gateway.able_since_s)
        if self.state is None or not gateway.able or gateway.refuses or now_s() - since_s <= REACH_S:
            return
        if gateway.name not in self.state["gateways"]:
            self.insist(gateway.held is None, f"{gateway.name} carries the agent no more, and keeps its split")
        elif not self.state["split"]["candidate_bp"]:
            held = gateway.held
            self.insist(held is not None, f"{gateway.name} can be reached, and was told nothing")
            if held is not None:
                self.insist(not held.split.candidate_bp, f"{gateway.name} can be reached, and no rollback came to it")
                self.insist(held.stable.name == self.state["stable"]["name"], f"{gateway.name} has an old stable")
