"""The scene: an agent, its versions, and the settings under which the controller judges them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from .agent import Cast

AGENT = "code-assistant"

FIRST, GOOD, BAD, UNLUCKY = "1.2.3", "1.3.0", "1.4.0", "1.5.0"
"""What serves at first; the candidates of the three acts."""

BREAKS_AT = 14
"""Requests within one second that break 1.4.0. At 1 % of the load come about 3, at 10 % about 30."""

STEPS: tuple[tuple[float, str], ...] = ((1, "3s"), (10, "3s"), (50, "3s"))
"""Percent, and how long each step is held at least. How long it takes is for the evidence to say: at 1 % of 300
requests a second it takes about ten seconds to show that a candidate fails less than 10 % of them."""

BAKE = "2s"
DRAIN_DEADLINE = "5s"

OBJECTIVES: tuple[Mapping[str, Any], ...] = (
    # Must be shown before any step ends.
    {"name": "errors", "indicator": "error", "max": "10%", "guardrail": True},
    # Need not be shown, and is taken back at once when it is broken.
    {"name": "regression", "indicator": "error", "margin": "2%"},
    {"name": "task-success", "indicator": "task_failed", "max": "25%", "margin": "5%"},
)
ALPHA = "5%"

OUTAGE_RATIO = 0.5
OUTAGE_S = 4.0
OUTAGE_AT_PERCENT = 10.0
"""Act 3: this part of all answers fails for so long, once the candidate has this share."""


def cast(seed: int) -> Cast:
    """Every version, and when it breaks."""
    return Cast(seed, {FIRST: None, GOOD: None, BAD: BREAKS_AT, UNLUCKY: None})


def settings(
    gateway_specs: Mapping[str, Mapping[str, Any]], ports: Mapping[str, int], *, sees_outcomes: bool = True
) -> str:
    """The controller's settings, as an operator would write them.

    Args:
        gateway_specs: the gateways by name.
        ports: where each version listens.
        sees_outcomes: what a gateway cannot see is no objective: without data it would let no candidate pass.
    """
    agent = {
        "gateways": list(gateway_specs),
        "stable": version(FIRST, ports[FIRST]),
        "strategy": {
            "steps": [{"weight": weight, "hold": hold} for weight, hold in STEPS],
            "bake": BAKE,
            "keep": "1m",
            "progressDeadline": "60s",
            "retries": 0,
        },
        "objectives": [dict(each) for each in OBJECTIVES if sees_outcomes or each["indicator"] == "error"],
        "analysis": {"alpha": ALPHA, "noDataDeadline": "10s", "undecided": "hold"},
        "gate": {"consent": "none", "minVerificationScore": 0.9},
        "drain": {"deadline": DRAIN_DEADLINE},
    }
    gateways = [_document("Gateway", name, spec) for name, spec in gateway_specs.items()]
    documents = [*gateways, _document("Agent", AGENT, agent)]
    return str(yaml.safe_dump_all(documents, sort_keys=False))


def version(name: str, port: int) -> dict[str, Any]:
    """One version as the settings take it."""
    address = f"127.0.0.1:{port}"
    return {"version": name, "endpoints": [address], "drainUrl": f"http://{address}/drain"}


def _document(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "turnout.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}
