"""Rollouts as scripts: `play >> event << command`, after the habit of mitmproxy's tests.

An event goes in at the play's own time. What is expected of it is a whole command, a kind of command, or the `what` of
an announcement; a script that names one command of an event names all of them, in order.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.port import Split, Version
from controller.analysis.verdict import Verdict
from controller.rollout import events as e
from controller.rollout.commands import Announce, Command
from controller.rollout.machine import step
from controller.rollout.plan import Plan, Step
from controller.rollout.refusal import Refusal
from controller.rollout.state import Phase, State, Timer, new_state

OLD = Version("1.2.3", ("10.0.0.11:3000",))
NEW = Version("1.3.0", ("10.0.0.21:3000",), digest="sha256:new")
NEXT = Version("1.4.0", ("10.0.0.31:3000",), digest="sha256:next")

STEPS = (Step(Split(100), 120), Step(Split(1000), 300))
PLAN = Plan(STEPS, bake_s=600, keep_s=3600, progress_deadline_s=600, approval_timeout_s=1800, no_data_deadline_s=60)
GUARDED = replace(PLAN, steps=(STEPS[0], replace(STEPS[1], approval=True)), consent=True)

BEGAN_S = 1_000_000.0


def submitted(candidate: Version = NEW, plan: Plan = PLAN, name: str = "p1") -> e.Submitted:
    return e.Submitted(
        now_s=0, actor="pipeline", rollout_id=name, candidate=candidate, plan=plan, digest=f"digest-of-{name}"
    )


def settings(
    stable: Version = OLD,
    *gateways: str,
    candidate: Version | None = None,
    drain_deadline_s: float = 60,
    keep_s: float = 600,
) -> e.SettingsChanged:
    return e.SettingsChanged(
        now_s=0,
        stable=stable,
        candidate=candidate,
        gateways=frozenset(gateways or ("edge", "inner")),
        drain_deadline_s=drain_deadline_s,
        keep_s=keep_s,
    )


def judged(verdict: Verdict, detail: str = "") -> e.Judged:
    return e.Judged(now_s=0, verdict=verdict, detail=detail)


def asked(kind, actor="alice", **fields):
    """What an operator asks for."""
    return kind(now_s=0, actor=actor, **fields)


class Playbook:
    """One agent's machine with a clock, gateways that answer when told to, and what it has said so far."""

    def __init__(self, state: State | None = None) -> None:
        self.state = state or new_state(
            "code-assistant", OLD, frozenset({"edge", "inner"}), drain_deadline_s=60, keep_s=600
        )
        self.now_s = BEGAN_S
        self.said: tuple[Command, ...] = ()
        self.passed: set[tuple[Phase, type[e.AnyEvent], Phase]] = set()
        self._expected = 0

    def __rshift__(self, event: e.AnyEvent) -> Playbook:
        """Feed an event, at the play's own time."""
        self.close()
        phase = self.phase
        self.state, self.said = step(self.state, replace(event, now_s=self.now_s))
        self.passed.add((phase, type(event), self.phase))
        self._expected = 0
        return self

    def __lshift__(self, expected: Command | type | str) -> Playbook:
        """Expect the next command of the last event."""
        assert self._expected < len(self.said), f"nothing more was said; {expected} is missing after {self.said}"
        command = self.said[self._expected]
        self._expected += 1
        if isinstance(expected, str):
            assert isinstance(command, Announce), f"{command} instead of an announcement of {expected!r}"
            assert command.what == expected, f"{command} instead of {expected!r}"
        elif isinstance(expected, type):
            assert isinstance(command, expected), f"{command} instead of {expected.__name__}"
        else:
            assert command == expected
        return self

    def close(self) -> None:
        """A script that names one command of an event has to name all of them."""
        rest = self.said[self._expected :] if self._expected else ()
        assert not rest, f"said, and not expected: {rest}"

    def refuses(self, event: e.OperatorEvent) -> Refusal:
        """The event is refused, and nothing has changed."""
        before = self.state
        with pytest.raises(Refusal) as caught:
            step(self.state, replace(event, now_s=self.now_s))
        assert self.state == before
        return caught.value

    def ignores(self, event: e.AnyEvent) -> None:
        """The event comes too late to matter."""
        assert step(self.state, replace(event, now_s=self.now_s)) == (self.state, ()), f"{event} is not ignored"

    def confirm(self, *gateways: str) -> Playbook:
        """These gateways, or all, confirm what is wanted now."""
        revision = self.state.revision
        for gateway in gateways or sorted(self.state.gateways):
            _ = self >> e.Confirmed(now_s=0, gateway=gateway, revision=revision)
        return self

    def reach(self) -> Playbook:
        """The candidate's endpoints answer."""
        return self >> e.CandidateReached(now_s=0, rollout_id=self.rollout.id)

    def judge(self, verdict: Verdict, detail: str = "") -> Playbook:
        return self >> judged(verdict, detail)

    def wait(self, seconds: float) -> Playbook:
        """Let time pass, with every timer that comes due on the way, in order."""
        until_s = self.now_s + seconds
        while due := sorted((at_s, timer) for timer, at_s in self.state.timers.items() if at_s <= until_s):
            self.now_s, timer = due[0]
            _ = self >> e.TimerFired(now_s=0, timer=timer)
        self.now_s = until_s
        return self

    def drained(self, cut: int | None = 0) -> Playbook:
        """Everything that drains has nothing in flight any more."""
        for drain in self.state.drains:
            name, deadline_at_s = drain.version.name, drain.deadline_at_s
            _ = self >> e.Drained(now_s=0, version_name=name, deadline_at_s=deadline_at_s, cut=cut)
        return self

    @property
    def phase(self) -> Phase:
        return self.state.phase

    @property
    def rollout(self):
        assert self.state.rollout is not None
        return self.state.rollout

    @property
    def share_bp(self) -> int:
        return self.state.split.candidate_bp

    @property
    def timers(self) -> dict[Timer, float]:
        """What is waited for, in seconds from now."""
        return {timer: at_s - self.now_s for timer, at_s in self.state.timers.items()}


def play_to(phase: Phase, plan: Plan = GUARDED) -> Playbook:
    """A playbook that has come to ``phase`` with ``plan``, its gateways having confirmed the first step."""
    if phase in ASIDE:
        before, turn = ASIDE[phase]
        play = play_to(before, plan)
        turn(play)
        return play
    play = Playbook()
    while play.phase is not phase:
        FORWARD[play.phase](play, plan)
    return play.confirm() if phase is Phase.HEALTH_CHECK else play


def _pass_the_step(play: Playbook, _plan: Plan) -> None:
    present = play.rollout.present_step
    play.confirm().judge(Verdict.HEALTHY)
    if present.approval:
        play >> asked(e.Approved, "rita")
    play.wait(present.hold_s)


FORWARD = {
    Phase.IDLE: lambda play, plan: play >> submitted(plan=plan),
    Phase.PENDING: lambda play, _plan: play >> e.GatesPassed(now_s=0, rollout_id="p1"),
    Phase.AWAITING_CONSENT: lambda play, _plan: play >> asked(e.Approved, "rita", digest="digest-of-p1"),
    Phase.DEPLOYING: lambda play, _plan: play.reach().confirm(),
    Phase.HEALTH_CHECK: _pass_the_step,
    Phase.PROMOTING: lambda play, plan: play.confirm().judge(Verdict.HEALTHY).wait(plan.bake_s),
}
"""What takes a rollout on from each phase."""

ASIDE = {
    Phase.REJECTED: (Phase.PENDING, lambda play: play >> asked(e.Rejected)),
    Phase.SUPERSEDED: (Phase.PENDING, lambda play: play >> asked(e.Superseded)),
    Phase.EXPIRED: (Phase.PENDING, lambda play: play.wait(600)),
    Phase.PAUSED: (Phase.HEALTH_CHECK, lambda play: play >> asked(e.PauseAsked)),
    Phase.ROLLING_BACK: (Phase.HEALTH_CHECK, lambda play: play.judge(Verdict.BREACH, "errors")),
    Phase.ROLLED_BACK: (Phase.ROLLING_BACK, lambda play: play.confirm().drained()),
}
"""From where, and by what, a rollout comes to the phases beside the way."""
