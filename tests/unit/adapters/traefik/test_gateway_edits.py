"""What is somebody's edit and what is not, and whose matter it is."""

import asyncio
import os

import pytest
import yaml

from adapters.port import Applied, Proof

from .staging import apply, at, staged


def weights(program, agent):
    services = yaml.safe_load(program.file.read_text())["http"]["services"][f"turnout.{agent}"]["weighted"]["services"]
    return [service["weight"] for service in services]


def edit(program, agent, before, after):
    """Somebody's hand: changes one agent's line."""
    lines = program.file.read_text().splitlines(keepends=True)
    program.file.write_text(
        "".join(
            line.replace(before, after) if line.lstrip().startswith(f'"turnout.{agent}"') else line for line in lines
        )
    )


@pytest.fixture
async def two(tmp_path):
    """Agents `a` and `b` with 10 % each."""
    async with staged(tmp_path) as (adapter, program):
        await adapter.start([at(1_000, "a"), at(1_000, "b")])
        for agent in "ab":
            assert (await apply(adapter, at(1_000, agent))).outcome is Applied.CONFIRMED
        yield adapter, program


async def test_an_edit_is_its_own_agents_matter(two):
    adapter, program = two
    edit(program, "a", '"weight": 1000', '"weight": 5000')
    assert (await adapter.verify("a")).proof is Proof.DRIFTED
    assert (await adapter.verify("b")).proof is Proof.APPLIED, "another agent's rollout would be paused, or take over"
    for candidate_bp in (2_000, 0):
        assert (await apply(adapter, at(candidate_bp, "b"))).outcome is Applied.CONFIRMED
    assert weights(program, "b") == [10_000, 0]
    assert weights(program, "a") == [9_000, 5_000], "an edit that somebody is asked about was undone without an answer"
    assert (await adapter.verify("a")).proof is Proof.DRIFTED
    assert (await apply(adapter, at(0, "a"))).outcome is Applied.CONFIRMED
    assert weights(program, "a") == [10_000, 0], "a way back gave way"
    assert {(await adapter.verify(agent)).proof for agent in "ab"} == {Proof.APPLIED}


async def test_who_changes_it_back_is_believed(two):
    adapter, program = two
    edit(program, "a", '"weight": 1000', '"weight": 5000')
    await apply(adapter, at(2_000, "b"))
    edit(program, "a", '"weight": 5000', '"weight": 1000')
    assert (await adapter.verify("a")).proof is Proof.APPLIED


async def test_what_is_applied_again_takes_over(two):
    adapter, program = two
    edit(program, "a", '"weight": 1000', '"weight": 5000')
    assert (await apply(adapter, at(1_000, "a"))).outcome is Applied.CONFIRMED
    assert weights(program, "a") == [9_000, 1_000]


async def test_an_edit_that_traefik_refuses_holds_nobodys_way_back_up_for_long(two):
    """A field that it does not know makes Traefik refuse the whole document, and say nothing."""
    adapter, program = two
    program.refuses = "nonsense"
    edit(program, "a", '"weighted"', '"nonsense"')
    await apply(adapter, at(0, "b"))
    assert (await apply(adapter, at(0, "b"))).outcome is Applied.CONFIRMED, "a rollback would never be loaded"
    assert weights(program, "b") == [10_000, 0]
    assert (await apply(adapter, at(0, "a"))).outcome is Applied.CONFIRMED


async def test_a_disk_that_refuses_one_agents_change_blames_nobody(two, monkeypatch):
    adapter, _ = two

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    assert (await apply(adapter, at(5_000, "b"))).outcome is Applied.UNREACHABLE
    assert (await adapter.verify("a")).proof is Proof.APPLIED, "a full disk would pause a rollout as somebody's hand"
    assert (await adapter.verify("b")).proof is Proof.PENDING, "what is wanted would be taken for applied"
    monkeypatch.undo()
    assert (await apply(adapter, at(2_000, "a"))).outcome is Applied.CONFIRMED
    assert (await adapter.verify("b")).proof is Proof.APPLIED, "what was asked for is no longer wanted"


async def test_changes_that_are_under_way_blame_nobody(two):
    adapter, _ = two

    async def change():
        for number in range(40):
            await apply(adapter, at(100 + number, "b"))

    async with asyncio.TaskGroup() as tasks:
        changing = tasks.create_task(change())
        while not changing.done():
            found = await adapter.verify("a")
            assert found.proof is Proof.APPLIED, f"a healthy change of another agent is called somebody's hand: {found}"
