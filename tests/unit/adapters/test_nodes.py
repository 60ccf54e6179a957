import pytest

from adapters.nodes import outcome_of, proof_of, whole_of, words_of
from adapters.port import Applied, GatewayError, Proof, Verification


def problem(code, retryable=False):
    return GatewayError("edge", code, f"http://{code}: no", retryable=retryable)


@pytest.mark.parametrize(
    ("codes", "nodes", "outcome", "code"),
    [
        ([], 2, Applied.CONFIRMED, ""),
        (["unreachable", "denied"], 2, Applied.REFUSED, "denied"),
        (["unreachable", "denied"], 3, Applied.REFUSED, "denied"),
        (["conflict", "read-only"], 2, Applied.REFUSED, "read-only"),
        (["unreachable"], 1, Applied.UNREACHABLE, "unreachable"),
        (["unreachable", "unreachable"], 2, Applied.UNREACHABLE, "unreachable"),
        (["unreachable"], 2, Applied.UNCONFIRMED, "partial"),
        (["unconfirmed"], 2, Applied.UNCONFIRMED, "partial"),
        (["unreachable", "unconfirmed"], 2, Applied.UNCONFIRMED, "unconfirmed"),
        (["conflict", "conflict"], 2, Applied.UNCONFIRMED, "conflict"),
    ],
)
def test_what_several_nodes_say_is_one_answer(codes, nodes, outcome, code):
    told = outcome_of([problem(each) for each in codes], nodes)
    assert told == (outcome, code), "a refusal would be waited for, or what is half done called something else"


def test_every_node_is_named():
    problems = [problem("unreachable", retryable=True), problem("denied")]
    assert words_of("edge", problems) == "http://unreachable: no; http://denied: no"
    whole = whole_of("edge", problems, 2)
    assert (whole.code, whole.retryable) == ("denied", True)
    assert str(whole) == "edge: http://unreachable: no; http://denied: no"


def test_a_persons_change_comes_before_a_node_that_is_away():
    found = [Verification("edge", proof, proof.value) for proof in (Proof.APPLIED, Proof.UNREACHABLE, Proof.DRIFTED)]
    assert proof_of("edge", found).detail == "drifted", "what somebody changed would be taken back without a word"
    assert proof_of("edge", found[:2]).proof is Proof.UNREACHABLE
    assert proof_of("edge", found[:1]).proof is Proof.APPLIED
