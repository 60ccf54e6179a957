"""A stage for the runtime: gateways that answer as told, a journal in memory, and a log of what came in which order."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import replace

from adapters.capabilities import Capabilities
from adapters.port import (
    Applied,
    Assignment,
    GatewayStatus,
    Observation,
    Proof,
    Receipt,
    Route,
    Split,
    Tally,
    Verification,
    Version,
)
from controller.analysis.objectives import Objective
from controller.analysis.verdict import Judge
from controller.evolution.gates import Gate
from controller.journal.backlog import Backlog
from controller.journal.errors import JournalFullError
from controller.journal.records import GENESIS, chain, draft
from controller.journal.transitions import TRANSITION, recall
from controller.rollout import events as e
from controller.rollout.plan import Plan, Step
from controller.rollout.state import new_state
from controller.runtime.broadcast import Broadcast
from controller.runtime.driver import Driver
from controller.runtime.hands import Surroundings
from controller.runtime.profile import Profile
from controller.runtime.tasks import Tasks
from tests.sim.clock import now_s, until

AGENT = "code-assistant"
OLD = Version("1.2.3", ("10.0.0.11:3000",))
NEW = Version("1.3.0", ("10.0.0.21:3000", "10.0.0.22:3000"), digest="sha256:new")
ERRORS = Objective("errors", "error", max=0.05, margin=0.03)
PLAN = Plan((Step(Split(1000), 5.0),), bake_s=5.0, keep_s=60.0, progress_deadline_s=60.0, no_data_deadline_s=20.0)
PROFILE = Profile(
    agent=AGENT,
    gateways=("edge",),
    route=Route(),
    stable=OLD,
    plan=PLAN,
    gate=Gate(),
    judge=Judge((ERRORS,), 0.05, 10.0),
    drain_deadline_s=3.0,
)
CAPABILITIES = Capabilities(
    share_bp_min=1,
    sees_in_flight=True,
    cuts_streams=False,
    counts_per_version=True,
    mirrors=True,
    dead_man=False,
    proves_effect=True,
)
STATE = new_state(AGENT, OLD, frozenset({"edge"}))


def assignment(candidate_bp=0, agent=AGENT):
    return Assignment(agent, Route(), OLD, NEW, Split(candidate_bp))


def observed(gateway="edge", epoch="1", in_flight=None, age_s=0.0, **requests):
    """An observation of `old=(requests, errors)` and `new=(requests, errors)`."""
    names = {"old": OLD.name, "new": NEW.name}
    tallies = {names[who]: Tally(*counts) for who, counts in requests.items()}
    return Observation(gateway, AGENT, epoch, tallies, in_flight or {}, age_s)


class Gateway:
    """Confirms at once, unless `answers` holds something else: an outcome, an exception, or what is to be awaited."""

    capabilities = CAPABILITIES

    def __init__(self, name, log=None):
        self.name = name
        self.log = [] if log is None else log
        self.answers = deque()
        self.proofs = deque()
        self.held = {}
        self.asked = []
        self.removed = []
        self.started = []
        self.closed = False
        self.observation = None
        self.words = "its own words"
        self.remark = ""

    @property
    def shares(self):
        """Every candidate share that it was asked for, in percent."""
        return [assignment.split.candidate_bp / 100 for assignment in self.asked]

    async def start(self, assignments):
        self.started.append({each.agent: each for each in assignments})

    async def apply(self, assignment, *, timeout_s):
        self.asked.append(assignment)
        self.log.append((self.name, assignment.split.candidate_bp))
        answer = self.answers.popleft() if self.answers else Applied.CONFIRMED
        if callable(answer):
            answer = await answer()
        if isinstance(answer, Exception):
            raise answer
        if answer is Applied.CONFIRMED:
            self.held[assignment.agent] = assignment
        return Receipt(self.name, answer, assignment.split, self.remark if answer is Applied.CONFIRMED else self.words)

    async def verify(self, agent):
        proof = self.proofs.popleft() if self.proofs else Proof.APPLIED
        if callable(proof):
            proof = await proof()
        if isinstance(proof, Exception):
            raise proof
        return Verification(self.name, proof, self.remark if proof is Proof.APPLIED else "read back")

    async def observe(self, agent):
        if isinstance(self.observation, Exception):
            raise self.observation
        if callable(self.observation):
            return self.observation()
        return self.observation or Observation(self.name, agent, "1", {}, {OLD.name: 0, NEW.name: 0})

    async def remove(self, agent):
        self.removed.append(agent)
        answer = self.answers.popleft() if self.answers else None
        if isinstance(answer, Exception):
            raise answer

    async def status(self):
        return GatewayStatus(self.name, "fake", reachable=True)

    async def close(self):
        self.closed = True


async def never():
    """What a frozen gateway answers."""
    await asyncio.get_running_loop().create_future()


class MemoryJournal:
    """Keeps records in memory; `trouble` fails every append, `frozen` never answers."""

    def __init__(self, log=None):
        self.records = []
        self.log = [] if log is None else log
        self.backlog = Backlog()
        self.trouble = None
        self.frozen = False

    @property
    def events(self):
        return [record.body["event"] for record in self.records if record.kind == TRANSITION]

    def full(self):
        self.trouble = JournalFullError("no space left")

    def _write(self, entry):
        self.records.append(chain(self.records[-1].head if self.records else GENESIS, entry))
        self.log.append(("journal", self.records[-1].body.get("event", "evidence")))
        return self.records[-1]

    async def append(self, agent, kind, body, *, actor, at_s):
        entry = draft(agent, kind, body, actor=actor, at_s=at_s)
        await asyncio.sleep(0)
        if self.frozen:
            await never()
        if self.trouble:
            raise self.trouble
        self._flush()
        return self._write(entry)

    def append_or_defer(self, agent, kind, body, *, actor, at_s):
        entry = draft(agent, kind, body, actor=actor, at_s=at_s)
        done = asyncio.get_running_loop().create_future()
        if self.frozen:
            return done
        if self.trouble:
            self.backlog.add(entry)
            done.set_result(None)
        else:
            self._flush()
            done.set_result(self._write(entry))
        return done

    def _flush(self):
        for late in self.backlog.drafts():
            self._write(late)
        self.backlog.clear()

    async def read(self, agent=None, *, after_seq=0, limit=1000):
        return [record for record in self.records[after_seq:] if agent in (None, record.agent)][:limit]

    async def last(self, agent=None):
        if self.frozen:
            await never()
        if self.trouble:
            raise self.trouble
        return next((record for record in reversed(self.records) if agent in (None, record.agent)), None)


class Stage:
    """Gateways, a journal, and drivers upon them."""

    def __init__(self, *gateways):
        self.log = []
        self.gateways = {gateway.name: gateway for gateway in gateways}
        for gateway in gateways:
            gateway.log = self.log
        self.journal = MemoryJournal(self.log)
        self.receipts = []
        self.dead = set()
        self.told_to_drain = []
        self.around = Surroundings(
            adapters=self.gateways,
            journal=self.journal,
            broadcast=Broadcast(),
            now_s=now_s,
            connect=self._connect,
            call_drain_url=self._call_drain_url,
            report=lambda agent, receipt: self.receipts.append((agent, receipt)),
        )

    async def _connect(self, host, port):
        if f"{host}:{port}" in self.dead:
            raise ConnectionRefusedError(f"{host}:{port}")

    async def _call_drain_url(self, version, deadline_s):
        self.told_to_drain.append((version.name, deadline_s))

    @asynccontextmanager
    async def driving(self, profile=PROFILE):
        """A running driver that goes on where the journal ends; it is killed on leaving."""
        driver = Driver(profile, self.around, await recall(self.journal, profile.agent))
        async with Tasks() as tasks:
            tasks.start("driver", driver.run())
            yield driver

    def traffic(self, gateway="edge", *, new_bad=0.0, old_bad=0.0, per_look=100, old_per_look=None):
        """From now on a gateway counts this many requests per look on each version."""
        looks, old_per_look = 0, per_look if old_per_look is None else old_per_look

        def count():
            nonlocal looks
            looks += 1
            total, old_total = looks * per_look, looks * old_per_look
            return observed(
                gateway,
                in_flight={OLD.name: 0, NEW.name: 0},
                old=(old_total, int(old_total * old_bad)),
                new=(total, int(total * new_bad)),
            )

        self.gateways[gateway].observation = count


def asks(kind, **fields):
    return kind(now_s=now_s(), actor="alice", **fields)


def proposal(plan=PLAN, name="p1", candidate=NEW):
    return asks(e.Submitted, rollout_id=name, candidate=candidate, plan=plan, digest=f"digest-of-{name}")


def guided_profile(**changes):
    return replace(PROFILE, candidate=NEW, **changes)


async def set_split(driver, percent):
    return await driver.ask(asks(e.SplitSet, split=Split(percent * 100)))


async def guided(driver, edge, percent=50):
    """The candidate of the settings has a share, set by hand and confirmed."""
    await until(lambda: driver.state.candidate == NEW)
    await set_split(driver, percent)
    await until(lambda: edge.shares[-1:] == [percent] and driver.state.all_confirmed)
