import asyncio
import itertools
from contextlib import asynccontextmanager

import pytest

from adapters.port import Applied, GatewayError, Proof, Split
from controller.rollout.events import Confirmed, Drifted, Refused
from controller.rollout.plan import OnDrift
from controller.runtime.link import DETAIL_CHARS_MAX, EPOCH_AGE_S, RETRY_MAX_S, RETRY_MIN_S, VERIFY_EVERY_S, Link
from controller.runtime.tasks import Tasks
from tests.sim.clock import now_s, passes, until
from tests.unit.controller.runtime.stage import assignment, never


class Inbox(list):
    async def tell(self, event):
        self.append(event)

    @property
    def answers(self):
        return [(type(event), event.revision) for event in self]


@pytest.fixture
def inbox():
    return Inbox()


@asynccontextmanager
async def linked(gateway, inbox, receipts=None, **more):
    report = (lambda _: None) if receipts is None else receipts.append
    link = Link(gateway, tell=inbox.tell, now_s=now_s, report=report, **more)
    async with Tasks() as tasks:
        tasks.start("link", link.run())
        yield link


def down(gateway):
    return GatewayError(gateway.name, "unreachable", "no answer", retryable=True)


async def test_what_is_wanted_is_asked_for_and_its_confirmation_told(edge, inbox):
    async with linked(edge, inbox) as link:
        link.want(assignment(1000), 7)
        await until(lambda: inbox)
        assert inbox.answers == [(Confirmed, 7)]
        assert link.confirmed == Split(1000)
        assert edge.shares == [10.0]


async def test_a_newer_want_interrupts_an_attempt_that_hangs(edge, inbox):
    edge.answers.append(never)
    async with linked(edge, inbox) as link:
        link.want(assignment(1000), 1)
        await passes(1.0)
        began_s = now_s()
        link.want(assignment(0), 2)
        await until(lambda: inbox)
        assert inbox.answers == [(Confirmed, 2)]
        assert now_s() - began_s < 0.1, "a rollback waited behind a step that a gateway was slow to confirm"


async def test_two_wants_while_an_attempt_is_slow_to_let_go(edge, inbox):
    async def slow_to_let_go():
        try:
            await never()
        finally:
            await asyncio.sleep(RETRY_MIN_S)

    edge.answers.append(slow_to_let_go)
    async with linked(edge, inbox) as link:
        link.want(assignment(1000), 1)
        await passes(1.0)
        link.want(assignment(5000), 2)
        await passes(RETRY_MIN_S / 2)
        link.want(assignment(0), 3)
        await until(lambda: inbox)
        assert inbox.answers == [(Confirmed, 3)], "the driver fell over a second change of mind"


async def test_a_newer_want_interrupts_a_pause_between_attempts(edge, inbox):
    edge.answers += [down(edge)] * 8
    async with linked(edge, inbox) as link:
        link.want(assignment(1000), 1)
        await passes(12.0)
        edge.answers.clear()
        began_s = now_s()
        link.want(assignment(0), 2)
        await until(lambda: inbox)
        assert now_s() - began_s < 0.1, "a rollback waited for the pause after a failed attempt"


async def test_it_tries_again_for_ever_and_ever_less_often(edge, inbox):
    edge.answers += [down(edge)] * 10
    times_s = []
    async with linked(edge, inbox) as link:
        link.want(assignment(1000), 1)
        for count in range(1, 12):
            await until(lambda count=count: len(edge.asked) >= count)
            times_s.append(now_s())
        await until(lambda: inbox)
    pauses_s = [later - earlier for earlier, later in itertools.pairwise(times_s)]
    assert pauses_s[0] == pytest.approx(RETRY_MIN_S, abs=0.02)
    assert pauses_s[1] == pytest.approx(2 * RETRY_MIN_S, abs=0.02)
    assert pauses_s[-1] == pytest.approx(RETRY_MAX_S, abs=0.02), "a gateway that comes back would wait for minutes"
    assert inbox.answers == [(Confirmed, 1)]


@pytest.mark.parametrize("outcome", [Applied.UNREACHABLE, Applied.UNCONFIRMED])
async def test_an_answer_that_is_none_is_reported_and_asked_again(edge, inbox, outcome):
    edge.answers.append(outcome)
    receipts = []
    async with linked(edge, inbox, receipts) as link:
        link.want(assignment(1000), 1)
        await until(lambda: inbox)
    assert [receipt.outcome for receipt in receipts] == [outcome, Applied.CONFIRMED]
    assert inbox.answers == [(Confirmed, 1)], "set was taken for applied"


async def test_a_refused_step_forward_is_told_and_not_asked_again(edge, inbox):
    edge.answers.append(Applied.REFUSED)
    async with linked(edge, inbox) as link:
        link.want(assignment(1000), 1)
        await passes(100.0)
        assert inbox.answers == [(Refused, 1)]
        assert inbox[0].detail == "its own words"
        assert len(edge.asked) == 1, "a gateway that said no was asked the same for ever"
        assert link.confirmed is None


async def test_a_refused_way_back_is_asked_for_again(edge, inbox):
    edge.answers += [Applied.REFUSED, Applied.REFUSED]
    async with linked(edge, inbox) as link:
        link.want(assignment(0), 1)
        await until(lambda: (Confirmed, 1) in inbox.answers)
        assert inbox.answers == [(Refused, 1), (Refused, 1), (Confirmed, 1)], "a rollback was given up"


async def test_the_words_of_a_refusal_fit_into_the_journal(edge, inbox):
    edge.words = "x" * 300_000
    edge.answers.append(Applied.REFUSED)
    async with linked(edge, inbox) as link:
        link.want(assignment(1000), 1)
        await until(lambda: inbox)
    assert len(inbox[0].detail) <= DETAIL_CHARS_MAX, "no room for the rollback in the journal"


async def test_what_is_amiss_beside_a_confirmation_is_known_while_it_is_so(edge, inbox):
    edge.remark = "a reload would not keep it: No space left on device"
    async with linked(edge, inbox) as link:
        link.want(assignment(1000), 1)
        await until(lambda: inbox)
        assert link.remark == edge.remark, "a reload would undo a rollback, and nobody has heard that it would"
        edge.remark = ""
        await passes(VERIFY_EVERY_S + 0.1)
        assert link.remark == "", "an operator is sent to a disk that is well"
        edge.remark = "a reload would not keep it: the disk is slow"
        await passes(VERIFY_EVERY_S)
        assert link.remark == edge.remark, "what went wrong after the confirmation is told nowhere"
        edge.answers.append(Applied.REFUSED)
        link.want(assignment(2000), 2)
        await until(lambda: (Refused, 2) in inbox.answers)
        assert link.remark == "", "what was said of another split stands beside a refusal"


async def test_what_a_restart_has_undone_is_applied_again_at_once(edge, inbox):
    edge.proofs += [Proof.APPLIED, Proof.RESET]
    async with linked(edge, inbox) as link:
        link.want(assignment(1000), 1)
        await passes(2.1 * VERIFY_EVERY_S)
        assert edge.shares == [10.0, 10.0], "a gateway that has forgotten its split kept on as it began"
        assert inbox.answers == [(Confirmed, 1), (Drifted, 1), (Confirmed, 1)]
        assert not inbox[1].by_hand, "a restart would pause a rollout"


async def test_what_somebody_did_by_hand_is_told_and_left_to_the_driver(edge, inbox):
    edge.proofs += [Proof.DRIFTED, Proof.DRIFTED]
    async with linked(edge, inbox, answer=lambda: OnDrift.GIVE_WAY) as link:
        link.want(assignment(1000), 1)
        await passes(VERIFY_EVERY_S + EPOCH_AGE_S + 0.1)
        assert inbox.answers == [(Confirmed, 1), (Drifted, 1)]
        assert (inbox[1].by_hand, inbox[1].answer, inbox[1].detail) == (True, OnDrift.GIVE_WAY, "read back")
        assert (link.confirmed, link.drift) == (None, "read back"), "a gateway that was changed is said to follow"
        assert edge.shares == [10.0], "somebody's change was undone with nobody asked"
        link.want(assignment(1000), 2)
        await until(lambda: (Confirmed, 2) in inbox.answers, within_s=0.1)
        assert link.drift == ""


async def test_who_undoes_their_change_is_believed(edge, inbox):
    edge.proofs += [Proof.DRIFTED, Proof.APPLIED]
    async with linked(edge, inbox) as link:
        link.want(assignment(1000), 1)
        await passes(3 * VERIFY_EVERY_S)
        assert inbox.answers == [(Confirmed, 1), (Drifted, 1), (Confirmed, 1)]
        assert (link.confirmed, link.drift) == (Split(1000), "")
        assert edge.shares == [10.0]


async def test_another_epoch_is_a_restart_whatever_the_adapter_says(edge, inbox):
    epoch = ["1"]
    edge.proofs += [Proof.APPLIED, Proof.DRIFTED]
    async with linked(edge, inbox, epoch=lambda: epoch[0]) as link:
        link.want(assignment(1000), 1)
        await passes(1.5 * VERIFY_EVERY_S)
        epoch[0] = "2"
        await passes(VERIFY_EVERY_S + EPOCH_AGE_S)
        assert inbox.answers == [(Confirmed, 1), (Drifted, 1), (Confirmed, 1)]
        assert not inbox[1].by_hand, "a replaced container was taken for somebody's hand"


async def test_a_rollback_does_not_wait_for_who_it_was(edge, inbox):
    edge.proofs += [Proof.DRIFTED]
    async with linked(edge, inbox) as link:
        link.want(assignment(1000), 1)
        await passes(VERIFY_EVERY_S + EPOCH_AGE_S / 2)
        link.want(assignment(0), 2)
        await until(lambda: (Confirmed, 2) in inbox.answers, within_s=0.1)


async def test_what_cannot_be_proven_is_left_alone(edge, inbox):
    edge.proofs += [Proof.UNPROVABLE] * 3
    async with linked(edge, inbox) as link:
        link.want(assignment(1000), 1)
        await passes(3.5 * VERIFY_EVERY_S)
        assert len(edge.asked) == 1


async def test_a_read_back_that_hangs_holds_no_rollback(edge, inbox):
    edge.proofs.append(never)
    async with linked(edge, inbox) as link:
        link.want(assignment(1000), 1)
        await passes(VERIFY_EVERY_S + 1.0)
        began_s = now_s()
        link.want(assignment(0), 2)
        await until(lambda: (Confirmed, 2) in inbox.answers)
        assert now_s() - began_s < 0.1, "a rollback waited for a frozen gateway to be read back"


async def test_a_read_back_that_fails_is_an_answer_too(edge, inbox):
    edge.proofs += [down(edge), never]
    async with linked(edge, inbox) as link:
        link.want(assignment(1000), 1)
        await passes(4 * VERIFY_EVERY_S)
        assert edge.shares == [10.0, 10.0, 10.0], "one that may have restarted must be told again"


async def test_a_fault_of_ours_is_not_hidden(edge, inbox):
    edge.answers.append(ZeroDivisionError("a bug"))

    async def live():
        async with linked(edge, inbox) as link:
            link.want(assignment(1000), 1)
            await never()

    with pytest.raises(ExceptionGroup) as caught:
        await live()
    assert caught.group_contains(ZeroDivisionError)
