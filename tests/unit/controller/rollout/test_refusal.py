from __future__ import annotations

from controller.errors import ConflictError
from controller.rollout.refusal import Refusal


def test_a_refusal_is_a_conflict_that_says_what_to_do():
    refusal = Refusal("code-assistant: it is paused.", remedy="Resume it.")
    assert isinstance(refusal, ConflictError)
    assert (refusal.code, refusal.http_status, refusal.retryable) == ("refused", 409, False)
    assert str(refusal) == "code-assistant: it is paused. Resume it."
