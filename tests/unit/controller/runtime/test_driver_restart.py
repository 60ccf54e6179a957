"""A driver that was killed goes on where the journal ends."""

from dataclasses import replace

from adapters.port import Split
from controller.analysis.indicators import Block, Counts
from controller.analysis.verdict import Judge
from controller.journal.transitions import EVIDENCE, checkpoint_body, state_of
from controller.rollout import events as e
from controller.rollout.state import Phase
from controller.runtime.watch import Watch, Watched
from tests.sim.clock import now_s, passes, until
from tests.unit.controller.runtime.stage import (
    AGENT,
    ERRORS,
    NEW,
    PLAN,
    PROFILE,
    asks,
    guided,
    guided_profile,
    never,
    proposal,
    set_split,
)


async def served(stage, edge, seconds=7.0):
    """A candidate that has been watched for a while; what was known of it when the controller was killed."""
    async with stage.driving(guided_profile()) as driver:
        stage.traffic(new_bad=0.02, old_bad=0.01, per_look=7)
        await guided(driver, edge)
        await passes(seconds)
        return driver.state, driver.watch.to_record()["objectives"]


async def test_the_same_state_and_the_same_e_values(stage, edge):
    state, evidence = await served(stage, edge)
    async with stage.driving(guided_profile()) as driver:
        assert replace(driver.state, confirmed=state.confirmed) == state
        assert driver.watch.to_record()["objectives"] == evidence


async def test_a_kill_before_the_first_checkpoint_still_watches(stage, edge):
    await served(stage, edge)
    written = stage.journal.records
    split_set = next(place for place, record in enumerate(written) if record.body.get("event") == "SplitSet")
    del written[split_set + 1 :]
    async with stage.driving(guided_profile()):
        stage.traffic(new_bad=0.6)
        await until(lambda: edge.shares[-1] == 0.0, within_s=10.0)


async def test_looks_that_were_lost_to_a_full_disk_are_made_good(stage, edge):
    async with stage.driving(guided_profile()) as driver:
        stage.traffic(new_bad=0.02, old_bad=0.01)
        await guided(driver, edge)
        stage.journal.full()
        await passes(5.0)
        stage.journal.trouble = None
        await passes(5.0)
        evidence = driver.watch.to_record()["objectives"]
    async with stage.driving(guided_profile()) as driver:
        assert driver.watch.to_record()["objectives"] == evidence, "evidence was forgotten by the restart"


async def test_a_breach_comes_before_any_gateway_is_asked_for_more(stage, edge):
    async with stage.driving(guided_profile()) as driver:
        stage.traffic()
        await guided(driver, edge)
        stage.traffic(new_bad=0.9)
        await until(lambda: edge.shares[-1] == 0.0)
    split_set = max(place for place, record in enumerate(stage.journal.records) if record.kind == EVIDENCE)
    breach = Watch(PROFILE.judge)
    breach.begin(0.0, Watched(NEW.name, PROFILE.stable.name))
    breach.weigh({"error": Block(Counts(100, 90), Counts(100, 0))}, 1.0)
    del stage.journal.records[split_set + 1 :]
    served = state_of(next(r for r in reversed(stage.journal.records) if "state" in r.body))
    await stage.journal.append(
        AGENT, EVIDENCE, checkpoint_body(served, breach.to_record()), actor="controller", at_s=now_s()
    )
    asked = len(edge.asked)
    async with stage.driving(guided_profile()):
        await passes(5.0)
        assert set(edge.shares[asked:]) == {0.0}, "a restart gave traffic back to what it knew to be bad"


async def test_other_objectives_are_judged_by_from_their_own_beginning(stage, edge):
    stricter = Judge((replace(ERRORS, max=0.04),), 0.05, 10.0)
    async with stage.driving(guided_profile()) as driver:
        stage.traffic(new_bad=0.02, old_bad=0.01)
        await guided(driver, edge)
        await passes(4.0)
        await driver.configure(guided_profile(judge=stricter))
        await passes(3.0)
        evidence = driver.watch.to_record()["objectives"]
    async with stage.driving(guided_profile(judge=stricter)) as driver:
        assert driver.watch.to_record()["objectives"] == evidence, "events of before were judged by today's rules"


async def test_one_candidates_evidence_is_not_anothers(stage, edge):
    nxt = replace(NEW, name="1.4.0")
    async with stage.driving() as driver:
        stage.traffic()
        await driver.ask(proposal(replace(PLAN, steps=(), bake_s=2.0)))
        await until(lambda: driver.state.phase is Phase.PROMOTED)
        await passes(3.0)
        await driver.ask(asks(e.CandidateDeclared, candidate=nxt))
        await set_split(driver, 10)
    set_at = max(place for place, r in enumerate(stage.journal.records) if r.body.get("event") == "SplitSet")
    del stage.journal.records[set_at + 1 :]
    async with stage.driving() as driver:
        assert driver.watch.judged.evidence["errors"].candidate.valid == 0, "judged by what its predecessor did"


async def test_a_lowered_share_that_was_written_late_is_not_undone(stage, edge):
    async with stage.driving(guided_profile()) as driver:
        stage.traffic()
        await guided(driver, edge, 50)
        stage.journal.full()
        await set_split(driver, 10)
        stage.journal.trouble = None
        await passes(5.0)
    async with stage.driving(guided_profile()) as driver:
        assert driver.state.split == Split(1000), "a restart gave the candidate more than the operator had left it"


async def test_a_gateway_is_asked_again_for_what_it_had_not_confirmed(stage, edge):
    async with stage.driving(guided_profile()) as driver:
        await guided(driver, edge, 10)
        edge.answers += [never] * 5
        await set_split(driver, 50)
        await passes(1.0)
    edge.answers.clear()
    async with stage.driving(guided_profile()) as driver:
        await until(lambda: driver.state.all_confirmed)
        assert edge.shares[-1] == 50.0


async def test_what_was_confirmed_to_an_earlier_life_is_confirmed_anew(stage, edge):
    async with stage.driving(guided_profile()) as driver:
        await guided(driver, edge, 10)
        await until(lambda: driver.state.all_confirmed)
    async with stage.driving(guided_profile()) as driver:
        assert not driver.state.all_confirmed, "a gateway that was replaced meanwhile would be said to follow the split"
        await until(lambda: driver.state.all_confirmed)


async def test_after_an_absence_a_step_is_not_left_on_old_evidence(stage, edge):
    async with stage.driving() as driver:
        stage.traffic()
        await driver.ask(proposal())
        await until(lambda: 10.0 in edge.shares and driver.state.verdict == "healthy")
    edge.observation = None
    await passes(30.0)
    async with stage.driving() as driver:
        await until(lambda: driver.state.phase is Phase.ROLLED_BACK)
    assert 100.0 not in edge.shares, "a candidate was promoted on what was true before the controller died"
