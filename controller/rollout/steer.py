"""What operators and their settings may change: pause, resume, skip, promote, the split by hand, versions."""

from __future__ import annotations

from dataclasses import replace

from adapters.port import ALL_STABLE, WHOLE_BP, Version
from controller.analysis.verdict import Verdict

from .advance import advance, enter_step, pause, pause_for_common_cause, promote, resume
from .commands import Announce, Apply, Command
from .events import (
    Approved,
    CandidateDeclared,
    DrainAsked,
    Left,
    PauseAsked,
    PromoteAsked,
    ResumeAsked,
    SettingsChanged,
    SkipAsked,
    SplitSet,
)
from .refusal import Refusal
from .retreat import Outcome, applied, last_change, start_drain, take_back
from .state import RESTING, Phase, State, Timer


def on_pause(state: State, event: PauseAsked) -> Outcome:
    """Hold it here."""
    return pause(state, f"{event.actor} paused it: {event.reason or 'no reason given'}")


def on_pause_again(state: State, event: PauseAsked) -> Outcome:
    """An operator's pause outlives the outage that paused it before. A question that waits for a person is one."""
    if state.rollout is not None and state.rollout.paused_by in ("operator", "drift"):
        raise Refusal(
            f"{state.agent}: it is paused already: {state.rollout.reason}.{last_change(state)}",
            remedy="Resume it, or roll it back.",
        )
    return on_pause(state, event)


def on_resume(state: State, event: ResumeAsked) -> Outcome:
    """Go on from where it was held. While both versions suffer, that is for the evidence to say.

    What somebody has changed by hand at a gateway is taken over: every gateway is told again what was decided.
    """
    rollout = state.rollout
    assert rollout is not None
    if rollout.paused_by == "drift":
        state = applied(replace(state, rollout=replace(rollout, paused_by=""))).timed(Timer.APPROVAL, None)
        state, said = on_resume(state, event)
        return state, (Apply(state.revision), *said)
    if state.verdict is not Verdict.COMMON_CAUSE:
        return resume(state, event.now_s)
    if rollout.paused_by == "common-cause":
        raise Refusal(
            f"{state.agent}: {rollout.reason}.{last_change(state)}",
            remedy="It goes on by itself when that is over; promote it or roll it back if you know better.",
        )
    return pause_for_common_cause(state, event.now_s, f"{event.actor} resumed it")


def on_approved(state: State, event: Approved) -> Outcome:
    """A person agrees to leave this step; hold and evidence are still waited for, but not for ever."""
    rollout = state.rollout
    assert rollout is not None
    here = f"step {rollout.step + 1}" if rollout.present_step else "the promotion"
    if rollout.approved:
        raise Refusal(f"{state.agent}: {here} is approved already.{last_change(state)}")
    if event.digest not in ("", rollout.digest):
        raise Refusal(
            f"{state.agent}: the approval names {event.digest}, the proposal is {rollout.digest}.",
            remedy="Read the proposal again, and approve its digest.",
        )
    state = replace(state, rollout=replace(rollout, approved=True))
    if Timer.APPROVAL in state.timers:
        state = state.timed(Timer.APPROVAL, None)
        state = state.timed(Timer.PROGRESS, event.now_s + rollout.plan.progress_deadline_s)
    state, commands = advance(state, event.now_s)
    return state, (Announce("approved", f"{event.actor} approved {here}"), *commands)


def on_skip(state: State, event: SkipAsked) -> Outcome:
    """Leave the step without its hold and its evidence."""
    assert state.rollout is not None
    _insist(state, upto=state.rollout.step + 1)
    return enter_step(state, state.rollout.step + 1, event.now_s)


def on_promote(state: State, event: PromoteAsked) -> Outcome:
    """Skip every remaining step. The candidate is still watched while it bakes."""
    assert state.rollout is not None
    last = len(state.rollout.plan.steps)
    _insist(state, upto=last)
    return enter_step(state, last, event.now_s)


def on_promote_now(state: State, event: PromoteAsked) -> Outcome:
    """Skip the rest of the bake."""
    assert state.rollout is not None
    _insist(state, upto=state.rollout.step)
    return promote(state, event.now_s)


def on_promote_by_hand(state: State, event: PromoteAsked) -> Outcome:
    """A candidate that an operator brought to 100 % by hand becomes stable."""
    if state.candidate is None or state.split.candidate_bp != WHOLE_BP or not state.all_confirmed:
        raise Refusal(
            f"{state.agent}: there is no rollout, and no candidate at a confirmed 100 %.{last_change(state)}",
            remedy="Set the split to 100 first, or submit a proposal.",
        )
    promoted = replace(state, candidate=None, split=ALL_STABLE)
    state, said = _replace_stable(promoted, state.candidate, event.now_s)
    state = applied(state)
    return state, (Apply(state.revision), *said)


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
    """Declare a candidate with no rollout, or take it away. Its share stays 0 until somebody sets it.

    The same version with other endpoints keeps its share: its instances have moved.
    """
    if event.candidate == state.candidate:
        return state, ()
    if event.candidate and state.candidate and event.candidate.name == state.candidate.name:
        state = applied(replace(state, candidate=event.candidate))
        return state, (Apply(state.revision), Announce("candidate", f"{event.actor} moved {event.candidate.name}"))
    if state.serves_candidate:
        remedy = f"Take its traffic back first: turnout rollback {state.agent}."
        raise Refusal(f"{state.agent}: the candidate has traffic: {state.split}.", remedy=remedy)
    if event.candidate is not None and event.candidate.name == state.stable.name:
        raise Refusal(f"{state.agent}: {event.candidate.name} is the stable version.")
    state = replace(state, phase=Phase.IDLE, rollout=None, candidate=event.candidate, verdict=Verdict.NO_DATA)
    state = applied(state)
    name = event.candidate.name if event.candidate else "no version"
    return state, (Apply(state.revision), Announce("candidate", f"{event.actor} declared {name}"))


def on_drain(state: State, event: DrainAsked) -> Outcome:
    """Drain a version that no request is sent to any more."""
    known = (state.stable, state.candidate, state.previous, *(drain.version for drain in state.drains))
    version = next((version for version in known if version and version.name == event.version_name), None)
    if version is None:
        names = ", ".join(dict.fromkeys(version.name for version in known if version))
        raise Refusal(f"{state.agent}: {event.version_name} is not known; there is {names}.{last_change(state)}")
    if state.serves(version):
        raise Refusal(
            f"{state.agent}: {version.name} still has traffic: {state.split}.{last_change(state)}",
            remedy="Roll back first; then drain.",
        )
    state, command = start_drain(state, version, event.now_s, event.deadline_s)
    return state, (command,)


def on_settings(state: State, event: SettingsChanged) -> Outcome:
    """The operator's files changed. Endpoints and gateways may change at any time, versions only at rest.

    What cannot be done yet stays different from what is declared, and the runtime says it again at rest. Not so the
    version that is being rolled out: whether it becomes stable is for the rollout to say, or else one that was just
    rolled back would get everything.
    """
    before = state
    leaving = (state.leaving | state.gateways) - event.gateways
    state = replace(state, gateways=event.gateways, leaving=leaving)
    state = replace(state, drain_deadline_s=event.drain_deadline_s, keep_s=event.keep_s)
    said: tuple[Command, ...] = ()
    under_way = state.rollout.candidate.name if state.rollout and state.phase not in RESTING else None
    if event.stable.name == state.stable.name:
        state = replace(state, stable=event.stable, declared=event.stable)
    elif event.stable.name in (state.declared.name, under_way):
        state = replace(state, declared=event.stable)
    elif _at_rest(state):
        state, said = _replace_stable(replace(state, declared=event.stable), event.stable, event.now_s)
    if state.previous is not None and event.stable.name == state.previous.name:
        state = replace(state, previous=event.stable)
    if event.candidate != state.declared_candidate and _at_rest(state):
        state = replace(state, declared_candidate=event.candidate)
        if event.candidate is None or event.candidate.name != state.stable.name:
            state = replace(state, phase=Phase.IDLE, rollout=None, candidate=event.candidate, verdict=Verdict.NO_DATA)
    if _known(state) == _known(before):
        return state, said
    state = applied(state)
    return state, (Apply(state.revision), *said)


def on_left(state: State, event: Left) -> Outcome:
    """A gateway that was dropped has forgotten the agent: a split left behind there would never be taken back."""
    return replace(state, leaving=state.leaving - {event.gateway}), ()


def _known(state: State) -> tuple[object, ...]:
    return state.gateways, state.stable, state.candidate, state.previous


def _at_rest(state: State) -> bool:
    return state.phase in RESTING and not state.serves_candidate


def _insist(state: State, *, upto: int) -> None:
    """What nobody can skip on the way to step ``upto``: a gateway's confirmation, and an approval that is asked for."""
    rollout = state.rollout
    assert rollout is not None
    missing = sorted(state.gateways - state.confirmed)
    if missing:
        raise Refusal(
            f"{state.agent}: {state.split} is not confirmed yet by {', '.join(missing)}.{last_change(state)}",
            remedy="Wait for that, or roll back.",
        )
    due = {index for index in range(rollout.step, upto) if rollout.plan.steps[index].approval}
    if Timer.APPROVAL in state.timers:
        due.add(rollout.step)
    if rollout.approved:
        due.discard(rollout.step)
    if due:
        first = min(due)
        here = f"step {first + 1}" if first < len(rollout.plan.steps) else "the promotion"
        raise Refusal(
            f"{state.agent}: {here} asks for an approval.{last_change(state)}",
            remedy="Approve it first." if first == rollout.step else "Go on to that step, and approve it there.",
        )


def _replace_stable(state: State, version: Version, now_s: float) -> Outcome:
    """Give ``version`` everything at once. It is no rollout, so the version before stays ready for a return."""
    old = state.stable
    candidate = None if state.candidate and state.candidate.name == version.name else state.candidate
    state = replace(state, phase=Phase.IDLE, rollout=None, stable=version, candidate=candidate, previous=old)
    state = replace(state, timers={Timer.KEEP: now_s + state.keep_s}, verdict=Verdict.NO_DATA)
    state, drain = start_drain(state, old, now_s, state.drain_deadline_s)
    return state, (drain, Announce("stable", f"{version.name} is stable"))
