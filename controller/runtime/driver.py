"""One driver per agent: the only place that acts. It decides synchronously, writes down, then lets act.

Everything that happens to an agent comes through one bounded inbox, one at a time: operators' commands, what links
report, what gateways counted, new settings; and timers. The state changes in one place, :meth:`Driver._take`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

from controller.analysis.indicators import Block, Indicator
from controller.analysis.verdict import Assessment, Judge, Verdict
from controller.analysis.wording import why
from controller.errors import InvalidError, UnavailableError
from controller.journal.errors import JournalError
from controller.journal.records import JSON, Record
from controller.journal.transitions import (
    CHECKPOINT_EVERY,
    EVIDENCE,
    TRANSITION,
    Recalled,
    checkpoint_body,
    evidence_body,
    transition_body,
)
from controller.metrics.sources import Looked
from controller.rollout import commands as do
from controller.rollout import events
from controller.rollout.machine import step, unfinished
from controller.rollout.state import RESTING, State, new_state

from .hands import Hands, Surroundings
from .haste import goes_back
from .profile import Profile
from .shares import Shares
from .traffic import Traffic
from .watch import Watch, blocks_of, judged, serves_stable, watched

log = logging.getLogger(__name__)

INBOX_MAX = 256
ASK_AGAIN = "Ask again in a moment."
JOURNAL_RETRY_S = 1.0
"""How long after a failed write the world's events are tried again. Operators are told at once, and try themselves."""

CONTROLLER = "controller"
"""The actor of what nobody asked for."""


DISK_PATIENCE_S = 2.0
"""A disk that takes longer has failed. What it was given it may still write: a restart then goes on from there."""


@dataclass(frozen=True, slots=True)
class _Asked:
    event: events.OperatorEvent
    answer: asyncio.Future[State]


class Driver:
    """Drives one agent: goes on where the journal ends; one that the journal has never heard of is all stable.

    Attributes:
        profile: the agent's settings.
        state: where it stands.
        watch: the evidence about its candidate.
        traffic: where its requests go.
        hands: its tasks, a link to each gateway among them.
    """

    def __init__(self, profile: Profile, around: Surroundings, recalled: Recalled | None) -> None:
        self.profile = profile
        self.around = around
        self.watch = Watch(profile.judge)
        self.traffic = Traffic(shares=Shares(profile.stickiness is not None, profile.drain_deadline_s))
        self._inbox: asyncio.Queue[events.AnyEvent | _Asked | Looked | Profile] = asyncio.Queue(INBOX_MAX)
        self._unwritten: deque[events.AnyEvent] = deque(maxlen=INBOX_MAX)
        self._write_again_at_s = 0.0
        self._confirmed_at_s = around.now_s()
        self._looks = 0  # since the last checkpoint
        self._judge_seq = 0  # that checkpoint's number; 0 owes one
        self._late: asyncio.Future[Record | None] | None = None
        self._stopped = False
        self.hands = Hands(profile, around, self._inbox.put, self._in_flight, lambda: judged(self.state))
        if recalled is None:
            gateways = frozenset(profile.gateways)
            self.state = new_state(
                profile.agent,
                profile.stable,
                gateways,
                drain_deadline_s=profile.drain_deadline_s,
                keep_s=profile.plan.keep_s,
            )
        else:
            self._remember(recalled)

    def _remember(self, recalled: Recalled) -> None:
        now_s = self.around.now_s()
        # What a gateway confirmed to an earlier life of ours it may have lost since: it is asked again.
        self.state = replace(recalled.state, confirmed=frozenset())
        if (whom := watched(self.state)) is None:
            return
        if recalled.judge is None:  # killed, or out of disk, between the decision to watch and its first checkpoint
            self.watch.begin(now_s, whom)
            return
        self._judge_seq = recalled.judge_seq
        self._looks = len(recalled.looks)
        self.watch.restore(recalled.judge, recalled.looks, now_s)

    # --- what others may call -----------------------------------------------------------------------------------------

    async def ask(self, event: events.OperatorEvent) -> State:
        """Hand in an operator's command, and wait until it is decided and written down.

        Raises:
            Refusal: it does not fit.
            UnavailableError: too many wait already.
            JournalError: it could not be written down, so it was not done.
        """
        if self._stopped:
            raise UnavailableError(f"{self.profile.agent}: its driver begins again.", remedy=ASK_AGAIN)
        answer: asyncio.Future[State] = asyncio.get_running_loop().create_future()
        try:
            self._inbox.put_nowait(_Asked(event, answer))
        except asyncio.QueueFull:
            raise UnavailableError(f"{self.profile.agent}: {INBOX_MAX} commands wait already.") from None
        state = await answer
        if self._late is not None:  # it is carried out; now say so only when a restart would remember it
            await asyncio.wait((self._late,), timeout=DISK_PATIENCE_S)
        return state

    async def configure(self, profile: Profile) -> None:
        """Go on under other settings. One that has failed is followed by a driver that has them."""
        if not self._stopped:
            await self._inbox.put(profile)

    # --- the loop -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Drive until cancelled. What was not finished before a restart is done again."""
        try:
            async with self.hands.tasks:
                await self._heed_what_was_found()
                self.hands.carry_out(unfinished(self.state), self.state)
                self.hands.look_elsewhere()
                await self._adjust(self.profile)
                while True:
                    await self._turn()
        finally:
            self._turn_away()

    async def _turn(self) -> None:
        """Take the next thing that happens: from the inbox, or a timer."""
        due_at_s = self._due_at_s()
        delay_s = None if due_at_s is None else max(0.0, due_at_s - self.around.now_s())
        try:
            async with asyncio.timeout(delay_s):
                item = await self._inbox.get()
        except TimeoutError:
            await self._wake()
            return
        match item:
            case _Asked(event, answer):
                await self._answer(event, answer)
            case Looked():
                await self._weigh(item)
            case Profile():
                await self._adjust(item)
            case _:
                await self._take_or_keep(item)

    def _due_at_s(self) -> float | None:
        """When to wake up though nothing comes in. While the journal fails, no sooner than its next try."""
        if self._unwritten:
            return self._write_again_at_s
        first = min(self.state.timers.values(), default=None)
        return None if first is None else max(first, self._write_again_at_s)

    async def _wake(self) -> None:
        """A timer is due, or it is time to try once more what could not be written down: in order, up to a failure."""
        now_s = self.around.now_s()
        waiting, self._unwritten = self._unwritten, deque(maxlen=INBOX_MAX)
        while waiting and not self._unwritten:
            await self._take_or_keep(waiting.popleft())
        self._unwritten.extend(waiting)
        for timer, at_s in sorted(self.state.timers.items(), key=lambda entry: entry[1]):
            if at_s <= now_s:
                await self._take_or_keep(events.TimerFired(now_s=now_s, timer=timer), retry=False)

    async def _answer(self, event: events.OperatorEvent, answer: asyncio.Future[State]) -> None:
        if answer.done():  # the asker has gone
            return
        try:
            state = await self._take(event)  # type: ignore[arg-type]  # every OperatorEvent there is is an AnyEvent
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the asker's to hear
            outcome: State | Exception = error
        else:
            outcome = state
        if answer.done():
            return
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)

    async def _take_or_keep(self, event: events.AnyEvent, *, retry: bool = True) -> None:
        """Take what the world says; if it cannot be written down, say it again to ourselves later."""
        try:
            await self._take(event)
        except JournalError as error:
            log.error("%s: %s waits: %s", self.profile.agent, type(event).__name__, error)  # noqa: TRY400 - no fault of ours
            if retry:
                self._unwritten.append(event)

    # --- the one place where the state changes ------------------------------------------------------------------------

    async def _take(self, event: events.AnyEvent) -> State:
        """Decide, write down, then act. On the way back: act, then write down."""
        before = self.state
        after, wanted = step(before, event)
        if after == before:
            self.hands.carry_out(wanted, self.state)
            return after
        actor = event.actor if isinstance(event, events.OperatorEvent) else CONTROLLER
        same_watch = watched(after) == watched(before)
        body = transition_body(event, after, judge_seq=self._judge_seq if same_watch else 0)
        if goes_back(before, after):
            self._become(after, wanted)
            self._write_late(body, actor, event.now_s)
        else:
            await self._append(TRANSITION, body, actor, event.now_s)
            self._become(after, wanted)
        await self._follow_watch(before)
        if _rests(after) and not _rests(before):
            await self._adjust(self.profile)
        return self.state

    def _become(self, after: State, wanted: tuple[do.Command, ...]) -> None:
        before, self.state = self.state, after
        now_s = self.around.now_s()
        if after.all_confirmed and not (before.all_confirmed and before.revision == after.revision):
            self._confirmed_at_s = now_s
        self.traffic.follow(before, after, now_s)
        self.hands.carry_out(wanted, self.state)

    async def _append(self, kind: str, body: Mapping[str, JSON], actor: str, at_s: float) -> Record:
        """Write down what may be done once that is on disk. One that fails is left alone for a moment.

        Raises:
            InvalidError: the record is outside its limits.
            JournalError: the disk fails, or does not answer.
        """
        if self.around.now_s() < self._write_again_at_s:
            raise JournalError("The journal failed a moment ago.", remedy=ASK_AGAIN)
        try:
            async with asyncio.timeout(DISK_PATIENCE_S):
                return await self.around.journal.append(self.profile.agent, kind, body, actor=actor, at_s=at_s)
        except (JournalError, TimeoutError) as error:
            self._write_again_at_s = self.around.now_s() + JOURNAL_RETRY_S
            if isinstance(error, JournalError):
                raise
            raise JournalError("The journal's disk does not answer.", remedy="Look at the disk.") from error

    def _write_late(self, body: Mapping[str, JSON], actor: str, at_s: float) -> None:
        """Write down what is done already. That it cannot be is told, and stops nothing."""
        agent = self.profile.agent
        try:
            self._late = self.around.journal.append_or_defer(agent, TRANSITION, body, actor=actor, at_s=at_s)
        except InvalidError:
            log.exception("%s: went back, and it cannot be written down", agent)
            return
        self._late.add_done_callback(self._written_late)

    def _written_late(self, written: asyncio.Future[Record | None]) -> None:
        if not written.cancelled() and written.result() is None:
            log.error("%s: went back, and could not write it down yet", self.profile.agent)

    # --- what comes in ------------------------------------------------------------------------------------------------

    def _in_flight(self, version: str) -> int | None:
        """Only figures count that were read after every gateway had stopped sending new requests there."""
        if not self.state.all_confirmed:
            return None
        return self.traffic.in_flight(version, self.state.gateways, self._confirmed_at_s)

    async def _weigh(self, looked: Looked) -> None:
        """Count what is new, judge it, write it down, and act upon it. A breach does not wait for the second last."""
        now_s, whom = self.around.now_s(), watched(self.state)
        if looked.source not in self.state.gateways and looked.source not in self.hands.sources:
            return
        new = self.watch.count(*looked.readings)
        if looked.observation and (off := self.traffic.take(looked.observation, new, self.state, now_s)):
            self.hands.announce("share-off", off, self.state)
        if self.watch.judged is None:
            return
        found, stable_serves = blocks_of(new, whom), serves_stable(self.state)
        moves = self.watch.moves(found, now_s, stable_serves=stable_serves)
        assessment = self.watch.weigh(found, now_s, stable_serves=stable_serves)
        if assessment is not None and assessment.verdict is Verdict.BREACH:
            await self._heed(assessment, now_s)
            return
        written = not moves or await self._write_look(found, now_s, stable_serves=stable_serves)
        if assessment is not None:
            await self._heed(assessment, now_s)
        if not written or self._looks >= CHECKPOINT_EVERY:
            await self._checkpoint()

    async def _heed(self, assessment: Assessment, now_s: float) -> None:
        """Say what has changed."""
        if assessment.verdict is self.state.verdict:
            return
        judged = events.Judged(now_s=now_s, verdict=assessment.verdict, detail=why(assessment))
        await self._take_or_keep(judged, retry=False)

    async def _heed_what_was_found(self) -> None:
        """What a restart finds comes before any gateway is asked for more: a breach, or that nobody has looked."""
        found = self.watch.assessment
        if found is not None and found.verdict in (Verdict.BREACH, Verdict.NO_DATA):
            await self._heed(found, self.around.now_s())

    async def _follow_watch(self, before: State) -> None:
        """Begin, go on with, or end the watch as the traffic asks."""
        whom = watched(self.state)
        if whom == watched(before):
            return
        self.watch.end()
        self._judge_seq = 0
        if whom is not None:
            self.watch.begin(self.around.now_s(), whom)
            await self._checkpoint()

    async def _write_look(self, found: Mapping[Indicator, Block], now_s: float, *, stable_serves: bool) -> bool:
        """Write a look before it leads to anything. Without a checkpoint to stand on it would mean nothing."""
        self._looks += 1
        if not self._judge_seq:
            return False
        body = evidence_body(found, judge_seq=self._judge_seq, stable_serves=stable_serves)
        return await self._write_evidence(body, now_s) is not None

    async def _checkpoint(self) -> None:
        """Write down the whole state, so that a restart need not begin at the beginning."""
        self._judge_seq = 0
        if self.watch.judge is None or self.watch.judged is None:
            return
        body = checkpoint_body(self.state, self.watch.to_record())
        written = await self._write_evidence(body, self.around.now_s())
        if written is not None:
            self._looks, self._judge_seq = 0, written.seq

    async def _write_evidence(self, body: Mapping[str, JSON], now_s: float) -> Record | None:
        """Evidence that cannot be written is judged all the same: a breach must not wait for a disk."""
        try:
            return await self._append(EVIDENCE, body, CONTROLLER, now_s)
        except (JournalError, InvalidError) as error:
            log.warning("%s: evidence was not written down: %s", self.profile.agent, error)
            return None

    # --- settings -----------------------------------------------------------------------------------------------------

    async def _adjust(self, profile: Profile) -> None:
        """Take over new settings, as far as the present phase lets them."""
        old, self.profile, self.hands.profile = self.profile, profile, profile
        now_s, state = self.around.now_s(), self.state
        shares = self.traffic.shares
        shares.sticky, shares.late_s = profile.stickiness is not None, profile.drain_deadline_s
        if profile.queries != old.queries:
            self.hands.look_elsewhere()
        if profile.judge != old.judge:
            await self._adopt(profile.judge, now_s)
        declared = profile.declared(now_s)
        if not declared.is_known(state):
            await self._take_or_keep(declared)
        if profile.assignment(state) != old.assignment(state) or self.hands.is_behind(self.state):
            self.hands.apply(self.state)

    async def _adopt(self, judge: Judge | None, now_s: float) -> None:
        """Judge by other rules from now on, and after a restart: what was seen under the old ones is not seen again."""
        self.watch.adopt(judge, now_s)
        if self.watch.judged is None and (whom := watched(self.state)) is not None:
            self.watch.begin(now_s, whom)
        await self._checkpoint()

    def _turn_away(self) -> None:
        """Nobody may wait for an answer that will not come."""
        self._stopped = True
        while not self._inbox.empty():
            item = self._inbox.get_nowait()
            if isinstance(item, _Asked) and not item.answer.done():
                item.answer.set_exception(UnavailableError("The controller is stopping.", remedy=ASK_AGAIN))


def _rests(state: State) -> bool:
    return state.phase in RESTING and not state.serves_candidate
