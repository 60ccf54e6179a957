"""What the nodes of one gateway have said, each for itself, as what the gateway says. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from adapters.port import Applied, GatewayError, Proof, Verification

OUTCOMES = {
    "unreachable": Applied.UNREACHABLE,
    "conflict": Applied.UNCONFIRMED,
    "unconfirmed": Applied.UNCONFIRMED,
    "partial": Applied.UNCONFIRMED,
}
"""What a code means for a receipt; every other code is a refusal."""

_TOLD_FIRST = (Proof.DRIFTED, Proof.RESET, Proof.REFUSED, Proof.UNREACHABLE, Proof.PENDING)
"""A person's change comes before a node that is away: what is away would be told anew, and the change with it."""


def outcome_of(problems: Collection[GatewayError], nodes: int) -> tuple[Applied, str]:
    """The outcome and the code of a receipt.

    A refusal by any node is one, because waiting for the others would not end it. Where some nodes follow and some do
    not, the split is ``partial``.

    Args:
        problems: why nodes do not follow, at most one of each; the others do.
        nodes: how many there are.
    """
    if not problems:
        return Applied.CONFIRMED, ""
    codes = list(dict.fromkeys(error.code for error in problems))
    refusals = [code for code in codes if code not in OUTCOMES]
    if refusals:
        return Applied.REFUSED, refusals[0]
    if len(problems) < nodes:
        return Applied.UNCONFIRMED, "partial"
    if len(codes) > 1:
        return Applied.UNCONFIRMED, "unconfirmed"
    return OUTCOMES[codes[0]], codes[0]


def words_of(gateway: str, problems: Collection[GatewayError]) -> str:
    """The nodes' own words; which node it was is in them."""
    return "; ".join(str(error).removeprefix(f"{gateway}: ") for error in problems)


def whole_of(gateway: str, problems: Collection[GatewayError], nodes: int) -> GatewayError:
    """Several nodes' problems as one, for what is answered by an exception."""
    _, code = outcome_of(problems, nodes)
    is_retryable = any(error.retryable for error in problems)
    return GatewayError(gateway, code, words_of(gateway, problems), retryable=is_retryable)


def proof_of(gateway: str, found: Sequence[Verification]) -> Verification:
    """What must be told first of what was found at each node."""
    for proof in _TOLD_FIRST:
        for verification in found:
            if verification.proof is proof:
                return verification
    return Verification(gateway, Proof.APPLIED)
