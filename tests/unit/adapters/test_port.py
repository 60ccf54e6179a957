"""The values that cross the border say no to what cannot be meant."""

from __future__ import annotations

import pytest

from adapters.port import (
    ALL_STABLE,
    WHOLE_BP,
    Applied,
    Assignment,
    GatewayError,
    Proof,
    Receipt,
    Route,
    Split,
    Stickiness,
    Tally,
    Track,
    Version,
    host_port,
    latency_over,
)

STABLE = Version("1.2.3", ("10.0.0.11:3000",))
OLDER = Version("1.1.0", ("10.0.0.1:3000",))
CANDIDATE = Version("1.3.0", ("10.0.0.21:3000",))


@pytest.mark.parametrize("bp", [0, 1, 500, WHOLE_BP])
def test_the_shares_sum_to_the_whole(bp):
    split = Split(bp)
    assert split.stable_bp + split.candidate_bp == WHOLE_BP, "requests would get lost, or be sent twice"


@pytest.mark.parametrize("field", ["candidate_bp", "mirror_bp"])
@pytest.mark.parametrize("bp", [-1, WHOLE_BP + 1])
def test_a_share_outside_the_whole_is_refused(field, bp):
    with pytest.raises(ValueError, match=f"{field} must be between 0 and 10000, not {bp}"):
        Split(**{field: bp})


@pytest.mark.parametrize(
    ("split", "text"),
    [
        (ALL_STABLE, "0 % candidate"),
        (Split(1), "0.01 % candidate"),
        (Split(1050), "10.5 % candidate"),
        (Split(0, mirror_bp=500), "0 % candidate, mirroring 5 %"),
    ],
)
def test_a_split_reads_as_an_operator_wrote_it(split, text):
    assert str(split) == text


@pytest.mark.parametrize("both", [{}, {"header": "x-session-id", "cookie": "turnout"}])
def test_stickiness_is_one_of_both(both):
    with pytest.raises(ValueError, match="a header or a cookie, and not both"):
        Stickiness(**both)


@pytest.mark.parametrize("split", [Split(1), Split(mirror_bp=1)])
def test_no_share_is_given_to_nobody(split):
    with pytest.raises(ValueError, match="code-assistant: a split needs a candidate"):
        Assignment("code-assistant", Route(), STABLE, split=split)


def test_a_gateway_must_know_every_version_that_may_have_requests():
    assignment = Assignment("code-assistant", Route(), STABLE, CANDIDATE, Split(1000), draining=(OLDER,))
    assert assignment.versions == (STABLE, CANDIDATE, OLDER), "what is in flight on a draining version would be cut"
    assert Assignment("code-assistant", Route(), STABLE).versions == (STABLE,)


@pytest.mark.parametrize(
    ("endpoint", "host", "port"), [("10.0.0.11:3000", "10.0.0.11", 3000), ("[::1]:3000", "::1", 3000)]
)
def test_an_endpoint_has_a_host_and_a_port(endpoint, host, port):
    assert host_port(endpoint) == (host, port)


def test_a_gateways_error_says_who_why_and_whether_to_try_again():
    error = GatewayError("edge", "unreachable", "connection refused", retryable=True)
    assert str(error) == "edge: connection refused"
    assert (error.gateway, error.code, error.retryable) == ("edge", "unreachable", True)


def test_absent_is_not_zero():
    tally = Tally(requests=3)
    assert "task_failed" not in tally.indicators, "an outcome that nobody reported reads as a success"
    with pytest.raises(TypeError):
        tally.indicators["task_failed"] = (0, 0.0)


def test_a_latency_limit_has_one_name():
    assert latency_over(2) == latency_over(2.0) == "latency_over:2s", "two spellings would be two indicators"
    assert latency_over(3599.999) != latency_over(3600), "two limits would be one indicator, and count twice"
    with pytest.raises(ValueError, match="positive"):
        latency_over(0)


def test_words_are_those_of_the_api():
    assert [*Track] == ["stable", "candidate"]
    assert [*Applied] == ["confirmed", "refused", "unreachable", "unconfirmed"]
    assert "unprovable" in [*Proof], "a read-back that proves nothing would have to be called applied"


def test_a_receipt_always_says_in_a_word_why_it_is_no_confirmation():
    assert Receipt("edge", Applied.CONFIRMED, Split()).code == ""
    assert Receipt("edge", Applied.REFUSED, Split(), code="denied").code == "denied"
    assert Receipt("edge", Applied.UNCONFIRMED, Split()).code == "unconfirmed", "metrics would count it as no error"
