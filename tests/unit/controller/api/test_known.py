from __future__ import annotations

from controller.api import known
from controller.api.known import KnownProposals
from controller.rollout.state import Phase
from tests.unit.controller.api.world import world


async def test_proposals_of_the_past_are_found_in_the_journal(tmp_path):
    async with world(tmp_path) as at:
        first = await at.propose(summary="one")
        await at.until(Phase.AWAITING_CONSENT)
        second = await at.propose(version="1.4.0", summary="two")
        proposals = KnownProposals()
        await proposals.catch_up(at.journal)
        found = proposals.all([])
        assert [each.summary for each in found.values()] == ["one", "two"]
        assert found[first["id"]].phase is Phase.SUPERSEDED
        assert found[second["id"]].submitted_by == "local"


async def test_a_state_knows_better_than_the_journal(tmp_path):
    async with world(tmp_path) as at:
        told = await at.propose()
        await at.until(Phase.AWAITING_CONSENT)
        found = KnownProposals().find(told["id"], [at.driver.state])
        assert found is not None, "a proposal could not be decided upon while the journal cannot be read"
        assert found.phase is Phase.AWAITING_CONSENT


async def test_only_so_many_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(known, "PROPOSALS_MAX", 2)
    async with world(tmp_path) as at:
        for minor in range(4, 8):
            told = await at.propose(version=f"1.{minor}.0")
        proposals = KnownProposals()
        await proposals.catch_up(at.journal)
        assert len(proposals.all([])) == 2, "memory grows with every proposal"
        assert told["id"] in proposals.all([]), "the newest was forgotten first"


async def test_a_long_journal_is_not_read_from_its_beginning(tmp_path, monkeypatch):
    monkeypatch.setattr(known, "RECORDS_MAX", 1)
    async with world(tmp_path) as at:
        await at.propose()
        await at.until(Phase.AWAITING_CONSENT)
        proposals = KnownProposals()
        await proposals.catch_up(at.journal)
        (found,) = proposals.all([]).values()
        assert found.submitted_by == "", "more was read than the limit allows"
        await proposals.catch_up(at.journal)
        assert proposals.all([]) == {found.id: found}
