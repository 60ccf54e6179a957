"""Laws of the rollout machine (docs/rollout.md), whatever operators, gateways, evidence and time do, in any order."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import TypeAdapter

from adapters.port import ALL_STABLE, Split, Version
from controller.analysis.verdict import Verdict
from controller.rollout import events as e
from controller.rollout.commands import Apply, CheckGates, DrainVersion, Probe
from controller.rollout.machine import step
from controller.rollout.plan import OnDrift, Plan, Step, WhenUndecided
from controller.rollout.refusal import Refusal
from controller.rollout.state import RESTING, SERVING, Phase, State, Timer, new_state

VERSIONS = tuple(Version(name, (f"10.0.0.{index}:3000",)) for index, name in enumerate(("1.2.3", "1.3.0", "1.4.0")))
GATEWAYS = ("edge", "inner", "third")
FAR_S = 10_000_000.0

seconds = st.sampled_from((0.0, 1.0, 30.0, 60.0, 600.0))
steps = st.builds(
    Step,
    split=st.builds(Split, candidate_bp=st.sampled_from((0, 100, 2500)), mirror_bp=st.sampled_from((0, 500))),
    hold_s=seconds,
    approval=st.booleans(),
)
plans = st.builds(
    Plan,
    steps=st.lists(steps, min_size=1, max_size=3).map(tuple) | st.just(()),
    bake_s=seconds,
    keep_s=seconds,
    progress_deadline_s=st.sampled_from((60.0, 600.0)),
    approval_timeout_s=st.just(300.0),
    no_data_deadline_s=st.just(45.0),
    undecided=st.sampled_from(WhenUndecided),
    watched=st.booleans(),
    consent=st.booleans(),
)
versions = st.sampled_from(VERSIONS)
gateway_sets = st.sets(st.sampled_from(GATEWAYS), min_size=1).map(frozenset)
by_hand = (e.PauseAsked, e.ResumeAsked, e.SkipAsked, e.PromoteAsked, e.RollbackAsked, e.Rejected, e.Superseded)


@cache
def codec(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def survives_the_journal(value: Any) -> bool:
    adapter = codec(type(value))
    return adapter.validate_json(adapter.dump_json(value)) == value


class World(RuleBasedStateMachine):
    """One agent, and everything that can happen to it."""

    @initialize(gateways=gateway_sets, plan=plans, strides=st.sampled_from((3, 4, 2, 5, 6, 8, 0)))
    def begin(self, gateways: frozenset[str], plan: Plan, strides: int) -> None:
        """Most worlds begin in the middle of a rollout, or chance would seldom come far."""
        self.state = new_state("code-assistant", VERSIONS[0], gateways, drain_deadline_s=60.0, keep_s=600.0)
        self.now_s = 1_000_000.0
        self.breached = False
        self.consented: set[str] = set()
        self.approved: set[tuple[str, int]] = set()
        self.submissions = 0
        self.old: list[e.AnyEvent] = []
        if strides:
            self.propose(VERSIONS[1], plan)
        for _ in range(strides):
            if self.state.phase not in RESTING:
                self.go_on(confirming_last=False)

    def happens(self, event: e.AnyEvent) -> bool:
        """Feed one event, and check what every transition must keep. False when it was refused."""
        before = self.state
        assert survives_the_journal(event), "a restart would read another event than the one that happened"
        try:
            after, commands = step(before, event)
        except Refusal:
            assert isinstance(event, e.OperatorEvent), "the world cannot be refused"
            return False
        self.state = after
        asked_again = (Apply(after.revision),) if after.revision != before.revision else ()
        assert after.revision >= before.revision, "an old confirmation could pass for a new one"
        assert tuple(c for c in commands if isinstance(c, Apply)) == asked_again, "wanted, and nobody is asked for it"
        self._keep_books(before, event)
        self._remember_answers(commands)
        return True

    def _keep_books(self, before: State, event: e.AnyEvent) -> None:
        after, rollout = self.state, self.state.rollout
        if before.serves_candidate and isinstance(event, e.Judged) and event.verdict is Verdict.BREACH:
            assert after.split == ALL_STABLE, "a breach was seen, and the candidate still has traffic"
            self.breached = True
        if isinstance(event, e.SplitSet | e.Submitted):
            self.breached = False
        moved = rollout is not None and before.rollout is not None and rollout.step != before.rollout.step
        if moved and before.phase in SERVING and not isinstance(event, e.SkipAsked | e.PromoteAsked):
            self._check_leave(before, isinstance(event, e.Approved))
        if moved and before.phase in SERVING and before.rollout is not None:
            for index in range(before.rollout.step, rollout.step if rollout else 0):
                wanted = before.rollout.plan.steps[index].approval
                assert not wanted or (before.rollout.id, index) in self.approved, "an approval was skipped"
        if after.phase is Phase.PROMOTED and before.phase is Phase.PROMOTING:
            assert before.gateways <= after.gateways, "promoted while a gateway did not give it everything"
            if not isinstance(event, e.PromoteAsked):
                self._check_leave(before, isinstance(event, e.Approved))
            plan = before.rollout.plan if before.rollout else None
            assert plan is None or not plan.consent or before.rollout.id in self.consented, "promoted without consent"

    def _check_leave(self, before: State, approving: bool) -> None:
        """By itself, no step is left on missing data, on a shared outage or on evidence that decides neither way."""
        rollout = before.rollout
        assert rollout is not None
        if not rollout.plan.watched:
            return
        verdict = self.state_verdict
        passing = {Verdict.HEALTHY}
        if rollout.plan.undecided is WhenUndecided.ADVANCE or approving or rollout.approved:
            passing.add(Verdict.UNDECIDED)
        assert verdict in passing, f"a step was left on {verdict}"

    def _remember_answers(self, commands: tuple[Any, ...]) -> None:
        for command in commands:
            match command:
                case CheckGates(name):
                    self.old.append(e.GatesPassed(now_s=0, rollout_id=name))
                case Probe(name):
                    self.old.append(e.CandidateReached(now_s=0, rollout_id=name))
                case DrainVersion(version, at_s):
                    self.old.append(e.Drained(now_s=0, version_name=version.name, deadline_at_s=at_s, cut=0))
                case Apply(revision):
                    self.old += [e.Confirmed(now_s=0, gateway=name, revision=revision) for name in self.state.gateways]

    # --- what happens -------------------------------------------------------------------------------------------------

    @rule(version=versions, plan=plans)
    def propose(self, version: Version, plan: Plan) -> None:
        self.submissions += 1
        name = f"p{self.submissions}"
        self.happens(
            e.Submitted(
                now_s=self.now_s, actor="pipeline", rollout_id=name, candidate=version, plan=plan, digest=f"of-{name}"
            )
        )

    @precondition(lambda self: self.state.phase not in RESTING)
    @rule(confirming_last=st.booleans())
    def go_on(self, confirming_last: bool) -> None:
        """Whatever is waited for says yes, so that the others meet rollouts that have come far."""
        rollout = self.state.rollout
        assert rollout is not None
        if self.state.phase is Phase.PENDING:
            self.happens(e.GatesPassed(now_s=self.now_s, rollout_id=rollout.id))
        elif self.state.phase is Phase.AWAITING_CONSENT:
            self.approve(rollout.digest)
        elif self.state.phase is Phase.DEPLOYING:
            self.happens(e.CandidateReached(now_s=self.now_s, rollout_id=rollout.id))
            self.confirm_all()
        else:
            if not confirming_last:
                self.confirm_all()
            self.judge(Verdict.HEALTHY)
            self.approve("")
            self.wait(self.state.timers.get(Timer.HOLD, self.now_s) - self.now_s)
            if confirming_last:
                self.confirm_all()

    @rule(digest=st.sampled_from(("", "of-p1", "of-p2")))
    def approve(self, digest: str) -> None:
        rollout, phase = self.state.rollout, self.state.phase
        index = rollout.step if rollout else 0
        if rollout and phase is not Phase.AWAITING_CONSENT and digest in ("", rollout.digest):
            self.approved.add((rollout.id, index))
        self.state_verdict = self.state.verdict
        done = self.happens(e.Approved(now_s=self.now_s, actor="rita", digest=digest))
        if done and rollout and phase is Phase.AWAITING_CONSENT:
            assert digest == rollout.digest, "consent to something else was taken"
            self.consented.add(rollout.id)

    @rule(kind=st.sampled_from(by_hand), stale=st.booleans())
    def operate(self, kind: type[e.OperatorEvent], stale: bool) -> None:
        self.state_verdict = self.state.verdict
        serving = self.state.phase in SERVING
        seen = self.state.changes - 1 if stale else None
        done = self.happens(kind(now_s=self.now_s, actor="alice", seen=seen))
        if serving and kind is e.RollbackAsked:
            assert done, "an operator's rollback was refused while the candidate had traffic"
            assert self.state.phase is Phase.ROLLING_BACK

    @rule(candidate_bp=st.sampled_from((0, 500, 10_000)))
    def set_split(self, candidate_bp: int) -> None:
        self.happens(e.SplitSet(now_s=self.now_s, actor="alice", split=Split(candidate_bp)))

    @rule(version=st.none() | versions)
    def declare(self, version: Version | None) -> None:
        self.happens(e.CandidateDeclared(now_s=self.now_s, actor="alice", candidate=version))

    @rule(version=versions, deadline_s=seconds)
    def drain(self, version: Version, deadline_s: float) -> None:
        self.happens(e.DrainAsked(now_s=self.now_s, actor="alice", version_name=version.name, deadline_s=deadline_s))

    @rule(stable=versions, candidate=st.none() | versions, gateways=gateway_sets, moved=st.booleans())
    def reload(self, stable: Version, candidate: Version | None, gateways: frozenset[str], moved: bool) -> None:
        stable = replace(stable, endpoints=("10.9.9.9:3000",)) if moved else stable
        rest = self.state.phase in RESTING
        phase = self.state.phase
        self.happens(
            e.SettingsChanged(
                now_s=self.now_s,
                stable=stable,
                candidate=candidate,
                gateways=gateways,
                drain_deadline_s=60.0,
                keep_s=600.0,
            )
        )
        assert rest or self.state.phase is phase, "a file moved a rollout"

    @rule(verdict=st.sampled_from(Verdict))
    def judge(self, verdict: Verdict) -> None:
        self.state_verdict = verdict
        self.happens(e.Judged(now_s=self.now_s, verdict=verdict, detail="errors"))

    @rule(gateway=st.sampled_from(GATEWAYS))
    def confirm(self, gateway: str) -> None:
        self.state_verdict = self.state.verdict
        self.happens(e.Confirmed(now_s=self.now_s, gateway=gateway, revision=self.state.revision))

    @rule()
    def confirm_all(self) -> None:
        revision = self.state.revision
        for gateway in sorted(self.state.gateways):
            self.state_verdict = self.state.verdict
            self.happens(e.Confirmed(now_s=self.now_s, gateway=gateway, revision=revision))

    @rule(gateway=st.sampled_from(GATEWAYS), lag=st.integers(0, 2))
    def refuse(self, gateway: str, lag: int) -> None:
        revision = self.state.revision - lag
        self.happens(e.Refused(now_s=self.now_s, gateway=gateway, revision=revision, detail="no"))

    @rule(
        gateway=st.sampled_from(GATEWAYS),
        lag=st.integers(0, 1),
        by_hand=st.booleans(),
        answer=st.sampled_from(OnDrift),
    )
    def drift(self, gateway: str, lag: int, by_hand: bool, answer: OnDrift) -> None:
        before = self.state
        revision = before.revision - lag
        self.happens(e.Drifted(now_s=self.now_s, gateway=gateway, revision=revision, by_hand=by_hand, answer=answer))
        after = self.state
        assert after.split == before.split, "somebody's hand at one gateway moved the others"
        if lag or gateway not in before.confirmed:
            assert after == before, "what does not stand any more was found a second time"
            return
        assert gateway not in after.confirmed, "a gateway that holds something else is said to follow"
        back = before.phase is Phase.ROLLING_BACK
        again = after.revision > before.revision
        assert not by_hand or again or not back, "a rollback gave way to somebody's hand"
        assert by_hand or after.phase is before.phase, "a gateway's restart paused a rollout"

    @rule(data=st.data())
    def answer_late(self, data: st.DataObject) -> None:
        """An answer to any command there ever was, also twice: what it does not fit, it does not change."""
        if not self.old:
            return
        event = replace(data.draw(st.sampled_from(self.old)), now_s=self.now_s)
        before = self.state
        self.state_verdict = self.state.verdict
        self.happens(event)
        if isinstance(event, e.Confirmed) and event.revision != before.revision:
            assert self.state == before, "a stale confirmation changed something"

    @rule(after_s=seconds)
    def wait(self, after_s: float) -> None:
        """Time passes; timers come in order."""
        until_s = self.now_s + after_s
        while due := sorted((at_s, timer) for timer, at_s in self.state.timers.items() if at_s <= until_s):
            self.now_s = max(self.now_s, due[0][0])
            self.state_verdict = self.state.verdict
            self.happens(e.TimerFired(now_s=self.now_s, timer=due[0][1]))
        self.now_s = until_s

    @rule(timer=st.sampled_from(Timer))
    def fire_wrongly(self, timer: Timer) -> None:
        """A timer that was taken away, or comes early, changes nothing."""
        if self.state.timers.get(timer, FAR_S) > self.now_s:
            before = self.state
            self.happens(e.TimerFired(now_s=self.now_s, timer=timer))
            assert self.state == before

    # --- what always holds --------------------------------------------------------------------------------------------

    @invariant()
    def never_more_than_the_step_allows(self) -> None:
        state = self.state
        assert state.split.candidate_bp <= state.bp_max, "the candidate has more than was consented to"
        if state.phase in SERVING and state.rollout and state.rollout.plan.consent:
            assert state.rollout.id in self.consented, "served without consent"

    @invariant()
    def a_breach_lasts(self) -> None:
        assert not self.breached or self.state.split == ALL_STABLE, "traffic came back after a breach by itself"

    @invariant()
    def no_version_plays_two_roles(self) -> None:
        state = self.state
        assert state.candidate is None or state.candidate.name != state.stable.name
        assert state.previous is None or state.previous.name != state.stable.name
        assert not any(state.serves(drain.version) for drain in state.drains), "streams of a serving version are cut"
        assert len({drain.version.name for drain in state.drains}) == len(state.drains)

    @invariant()
    def there_is_always_a_way_to_an_end(self) -> None:
        """A live phase has a timer that ends it; only a person, or gateways on the way back, may be waited for."""
        state = self.state
        if state.phase in RESTING or state.phase is Phase.ROLLING_BACK:
            assert set(state.timers) <= {Timer.KEEP}, "a timer that nobody waits for"
        elif not (state.phase is Phase.PAUSED and state.rollout and state.rollout.paused_by == "operator"):
            ending = {Timer.CONSENT, Timer.PROGRESS, Timer.APPROVAL}
            assert ending & set(state.timers), f"{state.phase} can stay for ever"
        assert (Timer.KEEP in state.timers) == (state.previous is not None)

    @invariant()
    def the_journal_reads_what_it_wrote(self) -> None:
        assert survives_the_journal(self.state), "a restart would go on from another state"

    def teardown(self) -> None:
        """When the world falls silent, time alone ends every rollout; gateways decide when a return is over."""
        if not hasattr(self, "state"):
            return
        if self.state.phase is Phase.PAUSED:
            self.happens(e.ResumeAsked(now_s=self.now_s, actor="alice"))
        for _ in range(20):
            self.wait(10_000.0)
        if self.state.phase is Phase.ROLLING_BACK:
            self.confirm_all()
            for drain in self.state.drains:
                name, at_s = drain.version.name, drain.deadline_at_s
                self.happens(e.Drained(now_s=self.now_s, version_name=name, deadline_at_s=at_s, cut=None))
        assert self.state.phase in RESTING, "a rollout that never ends"


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
