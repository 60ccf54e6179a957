"""Offers to the nodes of one gateway: published together, waited for, and taken back when they are refused.

A node refuses a response whole, and a response holds what many agents contribute. So only those are under suspicion who
offer something that no node has taken yet. When they are several, each tries alone, while the others are offered what
is known to be good; that never gives a candidate more requests than it was to have.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from adapters.port import Applied
from xds.errors import XdsError
from xds.resources import Resource, Snapshot
from xds.roster import Confirmation
from xds.server import XdsServer

from .offers import Offer, concerns, gives_no_more, is_reducible, without_candidate
from .publication import Publication

TRIAL_S = 1.0
"""How long one agent may have the others wait while it tries alone what was refused. A node that takes longer to answer
is waited for without them."""

TRIALS_MAX = 8
"""How often one offer is tried alone; others who come in between may bring refusals of their own."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the nodes said to an offer.

    Attributes:
        outcome: see the port.
        detail: the nodes' own words, or who is waited for.
        is_proven: the refusal is about this offer, and about no other.
        code: see the port; empty where the outcome says it all.
    """

    outcome: Applied
    detail: str = ""
    is_proven: bool = False
    code: str = ""


class Offering:
    """What one gateway's nodes are offered now, and what they have taken.

    Args:
        name: the gateway's name, which is the nodes' group.
        listeners: what takes the requests.
        server: whom the nodes subscribe to.
        make: an assignment as an offer.
        now_s: a clock that never goes back.

    Attributes:
        offered: what is published of each agent.
        taken: what of each agent was last taken by a node, and refused by none.
    """

    def __init__(
        self,
        name: str,
        listeners: Iterable[Resource],
        server: XdsServer,
        make: Callable[..., Offer],
        now_s: Callable[[], float],
    ) -> None:
        self.offered: dict[str, Offer] = {}
        self.taken: dict[str, Offer] = {}
        self._name = name
        self._server = server
        self._make = make
        self._now_s = now_s
        self._publication = Publication(name, listeners)
        self._generation = 0
        self._published: Snapshot | None = None
        self._is_closed = False
        self._turn = asyncio.Lock()
        self._serial = 0

    # --- what is offered ----------------------------------------------------------------------------------------------

    def listen(self, listeners: Iterable[Resource]) -> None:
        """Offer these listeners from the next publication on, instead of those of the same names."""
        self._publication.listen(listeners)

    def put(self, offer: Offer) -> Offer:
        """Offer this from the next publication on. Returns the offer that says the same, if that is known already."""
        agent = offer.assignment.agent
        for known in (self.taken.get(agent), self.offered.get(agent)):
            if known is not None and known == offer:
                offer = known
                break
        self.offered[agent] = offer
        self._publication.put(agent, offer.resources)
        return offer

    def stands(self, offer: Offer) -> bool:
        """Whether this very offer is published."""
        return self.offered.get(offer.assignment.agent) is offer

    def remove(self, agent: str) -> None:
        """Offer nothing of an agent any more."""
        self.offered.pop(agent, None)
        self.taken.pop(agent, None)
        self._publication.remove(agent)

    def publish(self) -> int:
        """Serve what is offered. Returns the generation that holds it."""
        snapshot = self._publication.snapshot()
        if snapshot is not self._published and not self._is_closed:
            self._generation = self._server.cache.set(self._name, snapshot)
            self._published = snapshot
        return self._generation

    def close(self) -> None:
        """Publish nothing any more: what comes next may be another gateway of this name, with other options."""
        self._is_closed = True

    def refresh(self) -> None:
        """Send the endpoints again that would go stale."""
        self._serial += 1
        self._publication.refresh(self._serial)
        self.publish()

    # --- what the nodes say to it -------------------------------------------------------------------------------------

    async def settle(self, offer: Offer, ends_s: float) -> Answer:
        """Publish, and wait until the nodes have taken ``offer``, until it is refused, or until the time is up."""
        agent = offer.assignment.agent
        found = await self._confirmed(ends_s)
        for _ in range(TRIALS_MAX):
            if agent not in self.offered:
                return Answer(Applied.UNCONFIRMED, "the agent was removed meanwhile")
            if self.stands(offer):
                if not found.refusals:
                    return self._accept(offer, found)
                if found.generation == self._generation and not self._suspects(found) - {agent}:
                    return self._refused(offer, found)
            if found.generation == self._generation or not self.stands(offer):
                alone = await self._alone(offer, ends_s)
                if alone is not None:
                    return alone
            found = await self._confirmed(ends_s)
        return Answer(Applied.UNCONFIRMED, f"others are being refused all the time: {_words(found)}")

    def withdraw(self, agent: str, *, is_proven: bool) -> None:
        """Offer something good instead of what was refused.

        An agent of which the nodes have never taken anything, and which is proven to be the cause, is left out.
        """
        if agent not in self.offered:
            return
        before = self.offered[agent]
        self._hold_back(agent)
        if self.stands(before) and is_proven:
            taken = self.taken.get(agent)
            if taken is None:
                self.remove(agent)
            elif before is not taken:
                self.put(self._make(without_candidate(taken.assignment)))
        try:
            self.publish()
        except XdsError:  # the least of it is still too much, for instance for a route table
            self.remove(agent)
            with contextlib.suppress(XdsError):  # so are the others without it: what is published stays
                self.publish()

    async def _alone(self, offer: Offer, ends_s: float) -> Answer | None:
        """Try what is under suspicion while nothing else is. None when it was not refused."""
        try:
            async with asyncio.timeout(max(0.0, ends_s - self._now_s())):
                await self._turn.acquire()
        except TimeoutError:
            return Answer(Applied.UNCONFIRMED, "other agents were refused, and its turn did not come in time")
        try:
            if offer.assignment.agent not in self.offered:
                return Answer(Applied.UNCONFIRMED, "the agent was removed meanwhile")
            return await self._try(self.put(offer), ends_s)
        finally:
            self._turn.release()

    async def _try(self, offer: Offer, ends_s: float) -> Answer | None:
        agent = offer.assignment.agent
        found = await self._confirmed(min(ends_s, self._now_s() + TRIAL_S))
        others = self._suspects(found) - {agent}
        if others:
            for other in others:
                self._hold_back(other)
            found = await self._confirmed(min(ends_s, self._now_s() + TRIAL_S))
        if not found.refusals:
            return None
        answer = self._refused(offer, found)
        self._hold_back(agent)
        self.publish()
        return answer

    async def _confirmed(self, ends_s: float) -> Confirmation:
        return await self._server.confirmed(self._name, self.publish(), max(0.0, ends_s - self._now_s()))

    def _suspects(self, found: Confirmation) -> set[str]:
        return {
            agent
            for agent, offer in self.offered.items()
            if offer is not self.taken.get(agent) and any(concerns(refusal, offer) for refusal in found.refusals)
        }

    def _hold_back(self, agent: str) -> None:
        """Offer less, for now: what was taken before, or no candidate. Never more of a candidate than was asked for."""
        if agent not in self.offered:
            return
        wanted, taken = self.offered[agent].assignment, self.taken.get(agent)
        if taken is not None and gives_no_more(taken.assignment, wanted):
            self.put(taken)
        elif is_reducible(wanted):
            self.put(self._make(without_candidate(wanted)))

    def _accept(self, offer: Offer, found: Confirmation) -> Answer:
        if found.confirmed:
            self.taken[offer.assignment.agent] = offer
        if found.is_confirmed:
            if found.generation == self._generation:
                self.taken.update(self.offered)
            return Answer(Applied.CONFIRMED)
        if not found.confirmed and not found.pending:
            return Answer(Applied.UNREACHABLE, f"no Envoy with node.cluster {self._name!r} is connected")
        code = "partial" if found.confirmed else ""
        return Answer(Applied.UNCONFIRMED, f"not ACKed by {', '.join(found.pending)}", code=code)

    def _refused(self, offer: Offer, found: Confirmation) -> Answer:
        is_proven = self._suspects(found) == {offer.assignment.agent}
        # A listener's refusal says nothing of what this agent sent: its port may be taken.
        return Answer(Applied.REFUSED, _words(found), is_proven, code="invalid" if is_proven else "")


def _words(found: Confirmation) -> str:
    return "; ".join(f"{refusal.node_id}: {refusal.error}" for refusal in found.refusals)
