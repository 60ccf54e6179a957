"""A proposal: a candidate version with its evidence, and the digest that a consent is bound to. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from adapters.port import Version
from controller.rollout.plan import Plan


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an evolution pipeline submits.

    Attributes:
        agent: whose candidate it is.
        candidate: the version.
        score: the pipeline's verification score, 0 to 1; None when it has none.
        summary: what changed and why, for the reviewer.
    """

    agent: str
    candidate: Version
    score: float | None = None
    summary: str = ""

    def digest(self, plan: Plan) -> str:
        """Identify exactly what is proposed, the way it will be rolled out included (SHA-256 of canonical JSON)."""
        content = {"proposal": asdict(self), "plan": asdict(plan)}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
