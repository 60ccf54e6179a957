"""What operators and their settings may change: pause, resume, skip, promote, the split by hand, versions."""

from __future__ import annotations

from dataclasses import replace

from adapters.port import ALL_STABLE, WHOLE_BP, Version

from .advance import advance, enter_step, pause, promote, resume
from .commands import Announce, Apply, Command
from .events import (
    Approved,
    CandidateDeclared,
    DrainAsked,
    PauseAsked,
    PromoteAsked,
    ResumeAsked,
    SettingsChanged,
    SkipAsked,
    SplitSet,
)
from .refusal import Refusal
from .retreat import Outcome, applied, start_drain, take_back
from .state import RESTING, Phase, State, Verdict


def on_pause(state: State, event: PauseAsked) -> Outcome:
    """Hold it here."""
    return pause(state, "operator", f"{event.actor} paused it: {event.reason or 'no reason given'}")


def on_pause_again(state: State, event: PauseAsked) -> Outcome:
    """An operator's pause outlives the outage that paused it before."""
    if state.rollout is not None and state.rollout.paused_by == "operator":
        raise Refusal(f"{state.agent}: it is paused already: {state.rollout.reason}.")
    return on_pause(state, event)


def on_resume(state: State, event: ResumeAsked) -> Outcome:
    """Go on from where it was held."""
    return resume(state, event.now_s)


def on_approved(state: State, event: Approved) -> Outcome:
    """A person agrees to leave this step; hold and evidence are still waited for."""
    rollout = state.rollout
    assert rollout is not None
    if rollout.approved:
        raise Refusal(f"{state.agent}: step {rollout.step + 1} is approved already.")
    if event.digest not in ("", rollout.digest):
        raise Refusal(f"{state.agent}: the approval names another proposal.", remedy=f"Approve {rollout.digest}.")
    state = replace(state, rollout=replace(rollout, approved=True))
    state, commands = advance(state, event.now_s)
    return state, (Announce("approved", f"{event.actor} approved step {rollout.step + 1}"), *commands)


def on_skip(state: State, event: SkipAsked) -> Outcome:
    """Leave the step without its hold and its evidence; an approval that was asked for cannot be skipped."""
    rollout = state.rollout
    assert rollout is not None
    step = rollout.present_step
    if step is not None and step.approval and not rollout.approved:
        raise Refusal(f"{state.agent}: step {rollout.step + 1} asks for an approval.", remedy="Approve it first.")
    if not state.all_confirmed:
        raise Refusal(
            f"{state.agent}: {', '.join(sorted(state.gateways - state.confirmed))} has not confirmed this step yet.",
            remedy="Wait for it, or roll back.",
        )
    return enter_step(state, rollout.step + 1, event.now_s)


def on_promote(state: State, event: PromoteAsked) -> Outcome:
    """Skip every remaining step. The candidate is still watched while it bakes."""
    assert state.rollout is not None
    return enter_step(state, len(state.rollout.plan.steps), event.now_s)


def on_promote_now(state: State, event: PromoteAsked) -> Outcome:
    """Skip the rest of the bake, but not the gateways' confirmation."""
    if not state.all_confirmed:
        raise Refusal(f"{state.agent}: not every gateway gives the candidate everything yet.", remedy="Wait for them.")
    return promote(state, event.now_s)


def on_promote_by_hand(state: State, event: PromoteAsked) -> Outcome:
    """A candidate that an operator brought to 100 % by hand becomes stable."""
    if state.candidate is None or state.split.candidate_bp != WHOLE_BP or not state.all_confirmed:
        raise Refusal(
            f"{state.agent}: there is no rollout, and no candidate at a confirmed 100 %.",
            remedy="Set the split to 100 first, or submit a proposal.",
        )
    return _replace_stable(replace(state, candidate=None, split=ALL_STABLE), state.candidate, event.now_s)


def on_split(state: State, event: SplitSet) -> Outcome:
    """An operator sets the share by hand. Down to nothing is a rollback, and drains."""
    if state.candidate is None:
        if event.split == ALL_STABLE:
            return state, ()
        raise Refusal(f"{state.agent}: there is no candidate to send traffic to.", remedy="Declare a candidate first.")
    if event.split == state.split:
        return state, ()
    if event.split == ALL_STABLE:
        return take_back(state, event.now_s, f"{event.actor} set the split to 0 %")
    drains = tuple(drain for drain in state.drains if drain.version.name != state.candidate.name)
    verdict = state.verdict if state.serves_candidate else Verdict.NO_DATA
    state = applied(replace(state, phase=Phase.IDLE, split=event.split, drains=drains, verdict=verdict))
    return state, (Apply(state.revision), Announce("split", f"{event.actor} set {event.split}"))


def on_candidate(state: State, event: CandidateDeclared) -> Outcome:
    """Declare a candidate with no rollout, or take it away. Its share stays 0 until somebody sets it."""
    if event.candidate == state.candidate:
        return state, ()
    if state.serves_candidate:
        raise Refusal(f"{state.agent}: the candidate has traffic: {state.split}.", remedy="Set the split to 0 first.")
    if event.candidate is not None and event.candidate.name == state.stable.name:
        raise Refusal(f"{state.agent}: {event.candidate.name} is the stable version.")
    state = replace(state, phase=Phase.IDLE, rollout=None, candidate=event.candidate, verdict=Verdict.NO_DATA)
    state = applied(state)
    name = event.candidate.name if event.candidate else "no version"
    return state, (Apply(state.revision), Announce("candidate", f"{event.actor} declared {name}"))


def on_drain(state: State, event: DrainAsked) -> Outcome:
    """Drain a version that no request is sent to any more."""
    version = next(
        (known for known in (state.candidate, state.previous) if known and known.name == event.version_name), None
    )
    if version is None or (version == state.candidate and state.serves_candidate):
        raise Refusal(
            f"{state.agent}: {event.version_name} still has traffic, or is not known.",
            remedy="Roll back first; then drain.",
        )
    state, command = start_drain(state, version, event.now_s, event.deadline_s)
    return state, (command,)


def on_settings(state: State, event: SettingsChanged) -> Outcome:
    """The operator's files changed. Endpoints and gateways may change at any time, the stable version only at rest."""
    before, commands = state, list[Command]()
    state = replace(state, gateways=event.gateways, drain_deadline_s=event.drain_deadline_s)
    if event.stable.name == state.stable.name:
        state = replace(state, stable=event.stable, declared=event.stable)
    elif event.stable.name == state.declared.name:
        state = replace(state, declared=event.stable)
    elif state.phase in RESTING and not state.serves_candidate:
        state = replace(state, declared=event.stable)
        state, more = _replace_stable(state, event.stable, event.now_s)
        return state, more
    if (state.gateways, state.stable) != (before.gateways, before.stable):
        state = applied(state)
        commands.append(Apply(state.revision))
    return state, tuple(commands)


def _replace_stable(state: State, version: Version, now_s: float) -> Outcome:
    old = state.stable
    candidate = None if state.candidate and state.candidate.name == version.name else state.candidate
    state = replace(state, phase=Phase.IDLE, rollout=None, stable=version, candidate=candidate, previous=None)
    state, drain = start_drain(applied(replace(state, timers={})), old, now_s, state.drain_deadline_s)
    return state, (Apply(state.revision), drain, Announce("stable", f"{version.name} is stable"))
