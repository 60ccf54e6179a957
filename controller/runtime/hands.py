"""Carrying out commands: what the driver decided, done by tasks that report back to its inbox."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from adapters.port import Adapter, Assignment, GatewayError, Receipt, Version
from controller.evolution.gates import refusal
from controller.journal.writer import AsyncJournal
from controller.metrics.sources import GatewayCounters, Judged, Looked, Source, SourceError
from controller.rollout import commands as do
from controller.rollout import events
from controller.rollout.plan import OnDrift
from controller.rollout.state import Phase, State

from .broadcast import Broadcast
from .drains import DrainUrl, tell_to_drain, watch_drain
from .leave import forget
from .link import Link
from .profile import Profile
from .reach import Connect, until_reached
from .tasks import Tasks

log = logging.getLogger(__name__)

OBSERVE_TIMEOUT_S = 5.0
CUT_TIMEOUT_S = 5.0

LOUD = frozenset({"refused", "share-off", "drifted", "reset"})
"""Announcements of what somebody should look into."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a driver acts upon. All of it can be simulated.

    Attributes:
        adapters: every gateway, by name.
        journal: where events are written down before they are acted upon.
        broadcast: hears every decision.
        now_s: the clock, in seconds since the epoch.
        connect: opens a connection to (host, port), to see whether somebody answers.
        call_drain_url: tells a version that it drains.
        report: hears every receipt (agent, receipt), for meters.
        sources: where an agent's events are counted besides its gateways.
    """

    adapters: Mapping[str, Adapter]
    journal: AsyncJournal
    broadcast: Broadcast
    now_s: Callable[[], float]
    connect: Connect
    call_drain_url: DrainUrl
    report: Callable[[str, Receipt], None]
    sources: Callable[[Profile], Sequence[Source]] = lambda _profile: ()


class Hands:
    """The tasks of one driver: a link and a look per gateway, a probe, and a drain per version.

    Args:
        profile: the agent's settings; replaced when they change.
        around: what is acted upon.
        tell: the driver's inbox.
        in_flight: requests in flight on a version, by its name; None while that cannot be said.
        judged: the versions that are judged now.

    Attributes:
        links: a link per gateway.
        sources: what is looked at besides the gateways, by name.
        troubles: why the last look at a source, or at a gateway, did not bring everything; empty where it did.
    """

    def __init__(
        self,
        profile: Profile,
        around: Surroundings,
        tell: Callable[[events.AnyEvent | Looked], Awaitable[None]],
        in_flight: Callable[[str], int | None],
        judged: Callable[[], Judged] = dict,
    ) -> None:
        self.profile = profile
        self.links: dict[str, Link] = {}
        self.sources: dict[str, Source] = {}
        self.troubles: dict[str, str] = {}
        self.tasks = Tasks()
        self._draining: dict[str, Version] = {}
        self.unreached = ""
        self._around = around
        self._tell = tell
        self._in_flight = in_flight
        self._judged = judged
        self._epochs: dict[str, str] = {}

    def carry_out(self, wanted: Iterable[do.Command], state: State) -> None:
        """Start whatever ``wanted`` asks for. Never blocks."""
        if state.phase is not Phase.DEPLOYING:
            self.tasks.stop("probe")
            self.unreached = ""
        for over in self._draining.keys() - {drain.version.name for drain in state.drains}:
            self.tasks.stop(f"drain {over}")
            if state.serves(self._draining.pop(over)):  # else it may still hear that it drained: that ends streams
                self.tasks.stop(f"tell {over}")
        for command in wanted:
            match command:
                case do.Apply():
                    self.apply(state)
                case do.Probe(rollout_id):
                    assert state.candidate is not None
                    self.tasks.start("probe", self._probe(rollout_id, state.candidate, state))
                case do.CheckGates():
                    self.tasks.start("gates", self._check_gates(state))
                case do.DrainVersion(version, deadline_at_s):
                    self._draining[version.name] = version
                    left_s = max(0.0, deadline_at_s - self._around.now_s())
                    self.tasks.start(
                        f"tell {version.name}", tell_to_drain(version, left_s, self._around.call_drain_url)
                    )
                    self.tasks.start(f"drain {version.name}", self._drain(version, deadline_at_s))
                case do.Announce(what, text):
                    self.announce(what, text, state)

    def apply(self, state: State) -> None:
        """Tell every gateway at once; none waits for another.

        A gateway that the settings name no longer may stand in the state for a while (it was written before): there is
        nobody to tell.
        """
        self.let_go((self.links.keys() - state.gateways) | self._replaced())
        assignment = self.profile.assignment(state)
        for name in sorted(state.leaving & self._around.adapters.keys()):
            self.tasks.start(f"leave {name}", self._leave(name, assignment))
        for name in sorted(state.gateways & self._around.adapters.keys()):
            self.tasks.stop(f"leave {name}")
            if name not in self.links:
                self._connect(name)
            self.links[name].want(assignment, state.revision)

    async def _leave(self, gateway: str, assignment: Assignment) -> None:
        await forget(self._around.adapters[gateway], self.profile.agent, assignment)
        await self._tell(events.Left(now_s=self._around.now_s(), gateway=gateway))

    def let_go(self, gateways: AbstractSet[str]) -> None:
        """Tell these gateways nothing more."""
        for gone in sorted(self.links.keys() & gateways):
            del self.links[gone]
            self.tasks.stop(f"link {gone}")
            self._look_away(gone)

    def is_behind(self, state: State) -> bool:
        """Whether a gateway has another adapter than when its link was made, or has come back and has no link yet."""
        unlinked = (state.gateways & self._around.adapters.keys()) - self.links.keys()
        return bool(unlinked or self._replaced())

    def _replaced(self) -> set[str]:
        adapters = self._around.adapters
        return {name for name, link in self.links.items() if adapters.get(name) is not link.adapter}

    def _connect(self, name: str) -> None:
        around, agent = self._around, self.profile.agent
        adapter = around.adapters[name]

        def report(receipt: Receipt) -> None:
            around.report(agent, receipt)

        def epoch() -> str | None:
            return self._epochs.get(name)

        self.links[name] = Link(
            adapter, tell=self._tell, now_s=around.now_s, report=report, answer=self._answer, epoch=epoch
        )
        self.tasks.start(f"link {name}", self.links[name].run())
        self.tasks.start(f"look {name}", self._look(GatewayCounters(adapter, agent)))

    def _answer(self) -> OnDrift:
        return self.profile.on_drift

    def look_elsewhere(self) -> None:
        """Look at every source that the settings name, besides the gateways, and at no other."""
        for gone in tuple(self.sources):
            del self.sources[gone]
            self._look_away(gone)
        for source in self._around.sources(self.profile):
            self.sources[source.name] = source
            self.tasks.start(f"look {source.name}", self._look(source))

    def _look_away(self, source: str) -> None:
        self.tasks.stop(f"look {source}")
        self.troubles.pop(source, None)
        self._epochs.pop(source, None)

    async def _check_gates(self, state: State) -> None:
        rollout, now_s = state.rollout, self._around.now_s()
        assert rollout is not None
        gate, last = self.profile.gate, state.deployed_at_s
        why = refusal(gate, score=rollout.score, last_served_at_s=last, now_s=now_s)
        await self._tell(
            events.GatesRefused(now_s=now_s, rollout_id=rollout.id, detail=why)
            if why
            else events.GatesPassed(now_s=now_s, rollout_id=rollout.id)
        )

    async def _probe(self, rollout_id: str, candidate: Version, state: State) -> None:
        def tell(why: str) -> None:
            self.unreached = why
            self.announce("unreached", why, state)

        await until_reached(candidate, self._around.connect, tell)
        self.unreached = ""
        await self._tell(events.CandidateReached(now_s=self._around.now_s(), rollout_id=rollout_id))

    async def _drain(self, version: Version, deadline_at_s: float) -> None:
        around = self._around
        cut = await watch_drain(version, deadline_at_s, in_flight=self._in_flight, now_s=around.now_s)
        if cut != 0:
            await self._cut(version)
        await self._tell(
            events.Drained(now_s=around.now_s(), version_name=version.name, deadline_at_s=deadline_at_s, cut=cut)
        )

    async def _cut(self, version: Version) -> None:
        """Time is up: the gateways that can end what is still in flight."""
        for link in self.links.values():
            if link.adapter.capabilities.cuts_streams:
                try:
                    async with asyncio.timeout(CUT_TIMEOUT_S):
                        await link.adapter.cut(self.profile.agent, version.name)
                except (GatewayError, TimeoutError) as error:
                    log.warning("%s: what is in flight on %s was not cut: %s", link.adapter.name, version.name, error)

    def announce(self, what: str, text: str, state: State) -> None:
        """Tell everybody who listens. Never blocks."""
        log.log(logging.WARNING if what in LOUD else logging.INFO, "%s: %s: %s", state.agent, what, text)
        facts = {"phase": state.phase.value, "candidate_percent": state.split.candidate_bp / 100}
        self._around.broadcast.publish(self._around.now_s(), state.agent, what, text, facts)

    async def _look(self, source: Source) -> None:
        """Read a source's counters again and again. A look that fails is still a look: time passes without data."""
        while True:
            try:
                async with asyncio.timeout(OBSERVE_TIMEOUT_S):
                    looked = await source.look(self._judged())
            except (GatewayError, SourceError, TimeoutError) as error:
                looked = Looked(source.name, trouble=str(error) or f"no answer within {OBSERVE_TIMEOUT_S:g} s")
            if looked is not None:
                if looked.observation is not None:
                    self._epochs[source.name] = looked.observation.epoch
                self._tell_trouble(looked)
                await self._tell(looked)
            await asyncio.sleep(source.every_s)

    def _tell_trouble(self, looked: Looked) -> None:
        """Say it once when a source cannot be read, and once when it can again."""
        before, self.troubles[looked.source] = self.troubles.get(looked.source, ""), looked.trouble
        if looked.trouble and not before:
            log.warning("%s: %s cannot be read: %s", self.profile.agent, looked.source, looked.trouble)
        elif before and not looked.trouble:
            log.info("%s: %s can be read again", self.profile.agent, looked.source)
