"""One agent at one gateway: asks until what is wanted is confirmed, and asks again when it no longer stands.

A link is level-triggered. It knows only the newest assignment; a newer one interrupts whatever it is doing, so that a
rollback never waits behind a step that a gateway is slow to confirm. Links know nothing of each other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from adapters.port import ALL_STABLE, Adapter, Applied, Assignment, GatewayError, Proof, Receipt, Split, Verification
from controller.rollout.events import Confirmed, Drifted, Refused
from controller.rollout.plan import OnDrift

log = logging.getLogger(__name__)

APPLY_TIMEOUT_S = 10.0
"""How long one attempt may take; then it is reported as unconfirmed, and tried again."""

RETRY_MIN_S, RETRY_MAX_S = 0.1, 5.0
"""Doubles from one to the other, for ever: a gateway that comes back is told within seconds."""

COMPLAIN_EVERY_S = 60.0
"""How often the log is told of a gateway that goes on not confirming, for the same reason."""

VERIFY_EVERY_S = 5.0
"""How often a confirmed gateway is read back."""

VERIFY_TIMEOUT_S = 5.0

EPOCH_AGE_S = 2.0
"""How old the last look at a gateway's epoch may be. What has drifted is called somebody's hand only after this."""

DETAIL_CHARS_MAX = 2_000
"""What is kept of a gateway's own words: the beginning. A refusal must fit into the journal, or it stops nothing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a gateway is to take."""

    assignment: Assignment
    revision: int


class Link:
    """Keeps one gateway at what is wanted of it.

    Args:
        adapter: the gateway.
        tell: takes Confirmed, Refused and Drifted events.
        now_s: the clock of events, in seconds since the epoch.
        report: hears every receipt, for meters.
        answer: what the settings say to somebody's change by hand.
        epoch: the gateway's epoch when it was last looked at; None if that is not known.

    Attributes:
        receipt: what came of the last attempt.
        confirmed: the split that the gateway follows, as far as is known.
        drift: what somebody has changed there by hand, while that is left so; empty otherwise.
        remark: what is amiss there although it has confirmed, as it last said; empty otherwise.
    """

    def __init__(
        self,
        adapter: Adapter,
        *,
        tell: Callable[[Confirmed | Refused | Drifted], Awaitable[None]],
        now_s: Callable[[], float],
        report: Callable[[Receipt], None],
        answer: Callable[[], OnDrift] = lambda: OnDrift.ASK,
        epoch: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.adapter = adapter
        self._tell = tell
        self._now_s = now_s
        self._report = report
        self._answer = answer
        self._epoch = epoch
        self._stood_in: str | None = None
        self._wanted: Wanted | None = None
        self._complaint: tuple[object, float] = (None, 0.0)
        self._news = asyncio.Event()
        self._scope: asyncio.Timeout | None = None
        self.receipt: Receipt | None = None
        self.confirmed: Split | None = None
        self.drift = ""
        self.remark = ""

    def want(self, assignment: Assignment, revision: int) -> None:
        """Make this the newest that is wanted. Interrupts an older attempt; never blocks."""
        self._wanted = Wanted(assignment, revision)
        self._news.set()
        if self._scope is not None and not self._scope.expired():  # one that expires is interrupted already
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            assert self._wanted is not None
            self.drift = ""
            if await self._insist(self._wanted):
                await self._guard(self._wanted)

    async def _insist(self, wanted: Wanted) -> bool:
        """Try until the gateway answers; False when something newer is wanted, or a step forward is refused.

        The way back is asked for again even where it was refused.
        """
        retry_s = RETRY_MIN_S
        while not self._news.is_set():
            receipt = await self._attempt(wanted.assignment)
            if receipt is None:
                continue
            self.receipt = receipt
            self.remark = receipt.detail[:DETAIL_CHARS_MAX] if receipt.outcome is Applied.CONFIRMED else ""
            self._report(receipt)
            gateway, now_s = self.adapter.name, self._now_s()
            match receipt.outcome:
                case Applied.CONFIRMED:
                    self.confirmed = wanted.assignment.split
                    self._stood_in = self._epoch()
                    await self._tell(Confirmed(now_s=now_s, gateway=gateway, revision=wanted.revision))
                    return True
                case Applied.REFUSED:
                    detail = receipt.detail[:DETAIL_CHARS_MAX]
                    await self._tell(Refused(now_s=now_s, gateway=gateway, revision=wanted.revision, detail=detail))
                    if wanted.assignment.split != ALL_STABLE:
                        return False
                case _:
                    pass
            self._complain(wanted.assignment, receipt, now_s)
            await self._news_within(retry_s)
            retry_s = min(retry_s * 2, RETRY_MAX_S)
        return False

    def _complain(self, assignment: Assignment, receipt: Receipt, now_s: float) -> None:
        """Log what is not confirmed: at once when the reason is new, and from time to time while it stands."""
        reason = (assignment.split, receipt.outcome, receipt.detail)
        told, told_at_s = self._complaint
        if reason == told and now_s - told_at_s < COMPLAIN_EVERY_S:
            return
        self._complaint = (reason, now_s)
        log.warning(
            "%s does not confirm %s for %s (%s): %s; it is tried again until it does",
            *(receipt.gateway, assignment.split, assignment.agent, receipt.outcome.value, receipt.detail),
        )

    async def _attempt(self, assignment: Assignment) -> Receipt | None:
        """One try; None when something newer interrupted it."""
        try:
            async with asyncio.timeout(None) as self._scope:
                return await self.adapter.apply(assignment, timeout_s=APPLY_TIMEOUT_S)
        except TimeoutError:
            if self._news.is_set():
                return None
            raise
        except GatewayError as error:
            return Receipt(self.adapter.name, Applied.UNREACHABLE, assignment.split, str(error), code=error.code)
        finally:
            self._scope = None

    async def _guard(self, wanted: Wanted) -> None:
        """Read a confirmed gateway back from time to time, and apply again what no longer stands.

        What somebody has changed by hand is for the driver to answer: if it is to be undone, that is wanted anew.
        """
        while not await self._news_within(VERIFY_EVERY_S):
            found = await self._read_back(wanted.assignment.agent)
            if self._news.is_set() or found.proof is Proof.UNPROVABLE:
                continue
            if found.proof is Proof.APPLIED:
                self.remark = found.detail[:DETAIL_CHARS_MAX]
                await self._stand(wanted)
                continue
            self.remark = ""
            if found.proof is Proof.DRIFTED:
                if await self._news_within(EPOCH_AGE_S):  # by then a restart has been seen
                    continue
                found = self._restart_told(found)
            if found.proof is Proof.DRIFTED:
                self.confirmed, self.drift = None, found.detail[:DETAIL_CHARS_MAX] or found.proof.value
                await self._tell_drift(wanted, by_hand=True, detail=self.drift)
                continue
            if found.proof is Proof.RESET:
                await self._tell_drift(wanted, by_hand=False, detail=found.detail[:DETAIL_CHARS_MAX])
            self.drift = ""
            log.warning("%s: %s is %s: %s", found.gateway, wanted.assignment.agent, found.proof.value, found.detail)
            self.confirmed = None
            if not await self._insist(wanted):
                return

    async def _stand(self, wanted: Wanted) -> None:
        """What is wanted stands there: where it did not, somebody has undone what they had changed."""
        self._stood_in = self._epoch()
        if self.drift:
            self.confirmed, self.drift = wanted.assignment.split, ""
            await self._tell(
                Confirmed(now_s=self._now_s(), gateway=self.adapter.name, revision=wanted.revision),
            )

    def _restart_told(self, found: Verification) -> Verification:
        """What adapters that only compare cannot tell: in another epoch it was nobody's hand."""
        now = self._epoch()
        if now is None or self._stood_in is None or now == self._stood_in:
            return found
        return replace(found, proof=Proof.RESET)

    async def _tell_drift(self, wanted: Wanted, *, by_hand: bool, detail: str) -> None:
        """Said at every look, for as long as it is so: one that counts for something is taken once."""
        await self._tell(
            Drifted(
                now_s=self._now_s(),
                gateway=self.adapter.name,
                revision=wanted.revision,
                by_hand=by_hand,
                answer=self._answer(),
                detail=detail,
            )
        )

    async def _read_back(self, agent: str) -> Verification:
        """What stands at the gateway. Something newer interrupts this too: a rollback waits for no answer."""
        try:
            async with asyncio.timeout(VERIFY_TIMEOUT_S) as self._scope:
                return await self.adapter.verify(agent)
        except TimeoutError:
            return Verification(self.adapter.name, Proof.UNREACHABLE, f"no answer within {VERIFY_TIMEOUT_S:g} s")
        except GatewayError as error:
            return Verification(self.adapter.name, Proof.UNREACHABLE, str(error))
        finally:
            self._scope = None

    async def _news_within(self, delay_s: float) -> bool:
        try:
            async with asyncio.timeout(delay_s):
                await self._news.wait()
        except TimeoutError:
            return False
        return True
