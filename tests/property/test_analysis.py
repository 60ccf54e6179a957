"""Laws of the deciding core that hold for all data."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.analysis import absolute, relative
from controller.analysis.counters import Cumulative, Ledger, Reading, Series
from controller.analysis.evidence import Evidence
from controller.analysis.indicators import Block, Counts
from controller.analysis.mixture import Mixture
from controller.analysis.objectives import Objective, alpha_shares
from controller.analysis.share import ShareEvidence
from controller.analysis.verdict import Judge
from controller.drain.decision import Drain, decide

rates = st.floats(0.0001, 0.9)
margins = st.just(0.0) | st.floats(0.001, 0.5)


@st.composite
def counts(draw, valid_max=10**6):
    valid = draw(st.integers(0, valid_max))
    return Counts(valid, draw(st.integers(0, valid)))


blocks = st.builds(Block, counts(), counts())
histories = st.lists(blocks, max_size=8)


@st.composite
def objectives(draw):
    limits = draw(st.sampled_from([(True, False), (False, True), (True, True)]))
    limit = st.floats(0.0, 0.9)
    highest, margin = (draw(limit) if wanted else None for wanted in limits)
    return Objective("errors", "error", highest, margin, guardrail=draw(st.booleans()))


def judge(objective):
    return Judge((objective,), 0.01, 60.0)


def after(a_judge, history, step_s=3.0):
    state = a_judge.start(0.0)
    for i, block in enumerate(history, start=1):
        state = a_judge.update(state, {"error": block}, i * step_s)
    return state


@given(objectives(), histories)
def test_e_values_are_finite_and_never_negative(objective, history):
    a_judge = judge(objective)
    finding = a_judge.assess(after(a_judge, history), 99.0).findings[0]
    assert math.isfinite(finding.log_e)
    assert math.isfinite(finding.e_value)
    assert finding.e_value >= 0.0
    assert finding.evidence_ratio >= 0.0


@given(objectives(), histories, st.data())
def test_more_bad_events_of_the_candidate_are_never_less_evidence(objective, history, data):
    worse = [
        Block(Counts(b.candidate.valid, data.draw(st.integers(b.candidate.bad, b.candidate.valid))), b.stable)
        for b in history
    ]
    milder, harsher = (after(judge(objective), each).evidence["errors"] for each in (history, worse))
    for name in ("against_absolute", "guard", "against_relative"):
        low, high = getattr(milder, name).log_e, getattr(harsher, name).log_e
        assert high >= low - 1e-6 * (1 + abs(low)), f"{name}: a worse candidate would look better"
    for name in ("shown_absolute", "shown_relative"):
        low, high = getattr(harsher, name).log_e, getattr(milder, name).log_e
        assert high >= low - 1e-6 * (1 + abs(low)), f"{name}: a worse candidate would be promoted sooner"


@given(objectives(), st.lists(st.builds(Block, counts(9), counts(9)), max_size=12), st.booleans(), st.data())
def test_which_events_are_bad_never_decides_when_they_are_judged(objective, history, stable_serves, data):
    """Stopping a block on arrivals leaves every factor its mean; stopping it on outcomes would not."""

    def when(blocks):
        a_judge, state, seen = judge(objective), judge(objective).start(0.0), []
        for i, block in enumerate(blocks):
            state = a_judge.update(state, {"error": block}, 0.7 * i, stable_serves=stable_serves)
            evidence = state.evidence["errors"]
            seen.append(
                (
                    evidence.pending.candidate.valid,
                    evidence.pending.stable.valid,
                    evidence.pending_since_s,
                    evidence.alone.valid,
                    evidence.stable_until_s,
                    evidence.guard.blocks,
                    evidence.shown_absolute.blocks,
                    evidence.against_relative.blocks,
                )
            )
        return seen

    others = [
        Block(*(Counts(each.valid, data.draw(st.integers(0, each.valid))) for each in (block.candidate, block.stable)))
        for block in history
    ]
    assert when(history) == when(others), "the error promise would not hold"


@given(counts(), counts(), st.floats(0.0, 0.9))
def test_within_a_block_neither_order_nor_division_matters(one, other, max_rate):
    def both(factors):
        return [a + b for a, b in zip(factors(one, max_rate), factors(other, max_rate), strict=True)]

    better = absolute.log_factors_better
    assert both(better) == pytest.approx(better(one + other, max_rate), rel=1e-9, abs=1e-6)
    if max_rate:
        alone = absolute.log_factors_alone
        assert both(alone) == pytest.approx(alone(one + other, max_rate), rel=1e-9, abs=1e-6)


@given(rates, margins, st.integers(1, 500), st.integers(1, 500), st.integers(2, 5), st.data())
def test_blocks_of_one_proportion_may_be_split(stable_guess, margin, n_c, n_s, parts, data):
    pieces = [
        Block(
            Counts(n_c, data.draw(st.integers(0, n_c))),
            Counts(n_s, data.draw(st.integers(0, n_s))),
        )
        for _ in range(parts)
    ]
    whole = sum(pieces[1:], pieces[0])
    for factors in (relative.log_factors_worse, relative.log_factors_better):
        separate = [sum(each) for each in zip(*(factors(p, stable_guess, margin) for p in pieces), strict=True)]
        assert separate == pytest.approx(factors(whole, stable_guess, margin), rel=1e-6, abs=1e-4)


@given(objectives(), st.lists(st.builds(Block, counts(1), counts(30)), min_size=1, max_size=4))
def test_sparse_reports_are_judged_as_their_sum(objective, history):
    """What reporters say within one moment is one block, in whatever order and parts it comes."""
    a_judge = judge(objective)
    total = sum(history[1:], history[0])
    merged = a_judge.update(a_judge.start(0.0), {"error": total}, 1.0)
    parted = a_judge.start(0.0)
    for block in reversed(history):
        parted = a_judge.update(parted, {"error": block}, 1.0)
    assert a_judge.update(parted, {}, 4.0) == a_judge.update(merged, {}, 4.0)


@given(objectives(), histories)
def test_a_judge_comes_back_from_its_record_to_the_bit(objective, history):
    a_judge = judge(objective)
    state = after(a_judge, history)
    record = json.loads(json.dumps(a_judge.to_record(state), allow_nan=False))
    again = a_judge.from_record(record, 50.0)
    assert a_judge.to_record(again) == a_judge.to_record(state)
    block = {"error": Block(Counts(9, 4), Counts(9, 1))}
    onward, onward_again = (
        a_judge.to_record(a_judge.update(a_judge.resume(each, 50.0), block, 60.0)) for each in (state, again)
    )
    assert onward == onward_again, "a restarted controller would decide otherwise"


@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 3), max_size=20))
def test_a_mixture_comes_back_to_the_bit_and_keeps_its_floor(steps):
    mixture = Mixture.over(3)
    for step in steps:
        mixture = mixture.after(step)
    assert Mixture.from_record(json.loads(json.dumps(mixture.to_record(), allow_nan=False))) == mixture
    assert mixture.log_e >= -math.log(len(steps) + 2) - 1e-12, "what is not staked yet cannot be lost"


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 900), st.floats(0, 1)), max_size=10))
def test_the_share_test_stays_finite(reports):
    evidence = ShareEvidence()
    for candidate, others, share in reports:
        evidence = evidence.after(candidate, candidate + others, share)
    assert math.isfinite(evidence.log_e)


@given(st.lists(objectives(), min_size=1, max_size=9), st.floats(0.0001, 0.5))
def test_shares_sum_to_alpha(several, alpha):
    shares = alpha_shares(several, alpha)
    assert sum(shares) == pytest.approx(alpha)
    assert min(shares) > 0.0


event = st.tuples(
    st.sampled_from(["serve", "report", "restart", "quiet"]), st.sampled_from(["a", "b"]), counts(valid_max=50)
)


@settings(max_examples=200)
@given(st.lists(event, max_size=40), st.booleans())
def test_no_request_is_counted_twice_and_none_is_lost_without_a_restart(events, tells_epoch):
    """Reporters serve, report, restart and fall silent; the ledger sees only their cumulative counters."""
    series = Series("2.0.0", "error")
    served = dict.fromkeys("ab", Counts())
    epoch = dict.fromkeys("ab", 0)
    ledger, _ = Ledger().take([Reading(name, "0" if tells_epoch else "", {}) for name in "ab"])
    everything, unreported_at_restart, counted = Counts(), False, Counts()
    reported = dict.fromkeys("ab", Counts())
    for kind, name, some in events:
        if kind == "serve":
            served[name] += some
            everything += some
        elif kind == "restart":
            unreported_at_restart |= served[name] != reported[name] or not tells_epoch
            served[name] = reported[name] = Counts()
            epoch[name] += 1
        else:
            now = {series: Cumulative(served[name].valid, served[name].bad)} if kind == "report" else {}
            ledger, new = ledger.take([Reading(name, str(epoch[name]) if tells_epoch else "", now)])
            reported[name] = served[name] if kind == "report" else reported[name]
            counted += new.get(series, Counts())
            ledger = Ledger.from_record(json.loads(json.dumps(ledger.to_record())))
    assert counted.valid <= everything.valid, "requests would be counted twice"
    assert counted.bad <= everything.bad, "failures would be counted twice"
    if not unreported_at_restart:
        for name in "ab":
            now = {series: Cumulative(served[name].valid, served[name].bad)}
            ledger, new = ledger.take([Reading(name, str(epoch[name]) if tells_epoch else "", now)])
            counted += new.get(series, Counts())
        assert counted == everything, "requests would be lost"


@given(st.none() | st.integers(0, 10**6), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_drain_ends_and_never_goes_back_to_waiting(in_flight, now_s, later_s, deadline_s):
    first = decide(in_flight, now_s, deadline_s)
    assert (first is Drain.DONE) == (in_flight == 0), "a stream would be cut although there was time"
    assert decide(in_flight, deadline_s, deadline_s) is not Drain.WAIT, "a drain would never end"
    if first is not Drain.WAIT:
        assert decide(in_flight, now_s + later_s, deadline_s) is first


@given(st.floats(0, 1e6))
def test_evidence_begins_at_nothing(now_s):
    evidence = Evidence(now_s, now_s)
    assert evidence.log_e_absolute == evidence.log_e_relative == pytest.approx(0.0, abs=1e-12)
