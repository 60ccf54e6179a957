"""Batches of outcomes: each once, in any order, and none that may have been counted by somebody who forgot it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.analysis.counters import Ledger, Series
from controller.analysis.indicators import Counts
from controller.errors import InvalidError, UnavailableError
from controller.metrics import outcomes as module
from controller.metrics.outcomes import AHEAD_MAX_S, WINDOW_S, Outcome, Outcomes, Taken

AGENT = "mail"
BEGAN_S = 1_000_000.0
FAILED = Series("1.3.0", "task_failed")


def failed(requests: int, bad: int) -> list[Outcome]:
    return [Outcome(FAILED.version, FAILED.indicator, Counts(requests, bad))]


async def counted(source, ledger):
    looked = await source.look({})
    return ledger.take(looked.readings) if looked else (ledger, {})


async def begun(outcomes):
    """A source that was looked at once, and the ledger after it."""
    source = outcomes.source(AGENT)
    ledger, _ = await counted(source, Ledger())
    return source, ledger


async def test_what_is_pushed_is_counted_once():
    outcomes = Outcomes(BEGAN_S)
    source, ledger = await begun(outcomes)
    assert outcomes.take(AGENT, "a", BEGAN_S + 1, failed(10, 2), BEGAN_S + 1) is Taken.COUNTED
    assert outcomes.take(AGENT, "a", BEGAN_S + 1, failed(10, 2), BEGAN_S + 5) is Taken.KNOWN
    ledger, new = await counted(source, ledger)
    assert new == {FAILED: Counts(10, 2)}, "an agent that repeats itself would be believed twice"
    assert await source.look({}) is None, "silence would be told as news"


async def test_agents_do_not_share_keys():
    outcomes = Outcomes(BEGAN_S)
    assert outcomes.take(AGENT, "a", BEGAN_S, failed(1, 1), BEGAN_S) is Taken.COUNTED
    assert outcomes.take("chat", "a", BEGAN_S, failed(1, 1), BEGAN_S) is Taken.COUNTED


async def test_late_is_tolerated_up_to_the_window():
    outcomes, now_s = Outcomes(BEGAN_S), BEGAN_S + 2 * WINDOW_S
    assert outcomes.take(AGENT, "in time", now_s - WINDOW_S, failed(1, 1), now_s) is Taken.COUNTED
    assert outcomes.take(AGENT, "too late", now_s - WINDOW_S - 0.1, failed(1, 1), now_s) is Taken.LATE


async def test_a_batch_from_before_a_restart_may_have_been_counted():
    assert Outcomes(BEGAN_S).take(AGENT, "a", BEGAN_S - 1, failed(1, 1), BEGAN_S + 1) is Taken.LATE


def test_a_batch_from_the_future_is_refused():
    with pytest.raises(InvalidError, match="ahead of this clock"):
        Outcomes(BEGAN_S).take(AGENT, "a", BEGAN_S + AHEAD_MAX_S + 1, failed(1, 0), BEGAN_S)


def test_keys_are_remembered_for_the_window_and_not_beyond(monkeypatch):
    monkeypatch.setattr(module, "KEYS_MAX", 3)
    outcomes = Outcomes(BEGAN_S)
    for key in "abc":
        outcomes.take(AGENT, key, BEGAN_S, failed(1, 0), BEGAN_S)
    with pytest.raises(UnavailableError, match="batches"):
        outcomes.take(AGENT, "d", BEGAN_S, failed(1, 0), BEGAN_S)
    later_s = BEGAN_S + WINDOW_S + 1
    assert outcomes.take(AGENT, "d", later_s, failed(1, 0), later_s) is Taken.COUNTED
    assert outcomes.take(AGENT, "a", BEGAN_S, failed(1, 0), later_s) is Taken.LATE, "a key was forgotten too soon"


def test_counters_have_a_limit(monkeypatch):
    monkeypatch.setattr(module, "SERIES_MAX", 2)
    outcomes = Outcomes(BEGAN_S)
    for index in range(5):
        outcomes.take(AGENT, str(index), BEGAN_S, [Outcome(f"1.{index}", "unsafe", Counts(1, 0))], BEGAN_S)
    assert len(outcomes._books[AGENT].counted) == 2


async def test_a_driver_that_begins_again_counts_nothing_twice():
    outcomes = Outcomes(BEGAN_S)
    outcomes.take(AGENT, "a", BEGAN_S, failed(10, 2), BEGAN_S)
    source, ledger = await begun(outcomes)
    outcomes.take(AGENT, "b", BEGAN_S, failed(5, 1), BEGAN_S)
    assert (await counted(source, ledger))[1] == {FAILED: Counts(5, 1)}


def test_an_agent_that_has_gone_is_forgotten():
    outcomes = Outcomes(BEGAN_S)
    outcomes.take(AGENT, "a", BEGAN_S, failed(1, 0), BEGAN_S)
    outcomes.keep({"chat"})
    assert not outcomes._books


@given(
    batches=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=8),
    order=st.randoms(use_true_random=False),
    repeats=st.integers(1, 3),
)
async def test_order_and_repetition_do_not_matter(batches, order, repeats):
    outcomes = Outcomes(BEGAN_S)
    source, ledger = await begun(outcomes)
    sent = list(enumerate(batches)) * repeats
    order.shuffle(sent)
    total = Counts()
    for (key, (good, bad)), looks in zip(sent, itertools.cycle((True, False))):
        outcomes.take(AGENT, str(key), BEGAN_S + key, failed(good + bad, bad), BEGAN_S + 60)
        if looks:
            ledger, new = await counted(source, ledger)
            total += new.get(FAILED, Counts())
    _, new = await counted(source, ledger)
    total += new.get(FAILED, Counts())
    bad = sum(bad for _, bad in batches)
    assert total == Counts(sum(good for good, _ in batches) + bad, bad)
