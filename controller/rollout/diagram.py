"""The transition table, drawn for docs/rollout.md: a mermaid state diagram, and every (phase, event). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from .events import EVENTS, OperatorEvent
from .machine import TABLE
from .state import RESTING, SERVING, Phase


def mermaid() -> str:
    """A state diagram of everything that moves a rollout, with the events on the arrows."""
    arrows: dict[tuple[Phase, Phase], list[str]] = {}
    for (phase, event), row in TABLE.items():
        for goal in row.goes_to:
            if goal not in (phase, Phase.IDLE):  # every rest goes to idle, by hand: arrows that hide the others
                arrows.setdefault((phase, goal), []).append(event.__name__)
    lines = ["stateDiagram-v2", f"    [*] --> {_id(Phase.IDLE)}"]
    lines += [f'    state "{phase.value}" as {_id(phase)}' for phase in Phase]
    lines += [
        f"    {_id(phase)} --> {_id(goal)}: {', '.join(arrows[phase, goal])}"
        for phase in Phase
        for goal in Phase
        if (phase, goal) in arrows
    ]
    lines.append(f"    classDef serving {_SERVING_STYLE}")
    lines += [f"    class {_id(phase)} serving" for phase in Phase if phase in SERVING]
    return "\n".join(lines)


def table() -> str:
    """Per event and phase: the phases that it may lead to, ``·`` stays, ``✗`` is refused, empty is ignored as late."""
    head = ["event", *(phase.value for phase in Phase)]
    rows = [head, ["---"] * len(head), *_rows()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def page() -> str:
    """What stands between the markers in docs/rollout.md."""
    resting = ", ".join(f"`{phase.value}`" for phase in Phase if phase in RESTING)
    return (
        f"```mermaid\n{mermaid()}\n```\n\n"
        f"Phases with a blue frame have, or are about to have, traffic on the candidate. At rest: {resting}.\n\n"
        f"In the table, `·` stays in its phase (it may still change the state), `✗` is refused with a reason, and an\n"
        f"empty cell is ignored, because what happened comes too late to matter.\n\n{table()}\n"
    )


def _rows() -> Iterator[list[str]]:
    for event in EVENTS:
        refused = "✗" if issubclass(event, OperatorEvent) else ""
        cells = []
        for phase in Phase:
            row = TABLE[phase, event]
            goals = ", ".join(goal.value for goal in Phase if goal in row.goes_to and goal is not phase)
            cells.append((goals or "·") if row.handler else refused)
        yield [f"`{event.__name__}`", *cells]


def _id(phase: Phase) -> str:
    """A name that mermaid takes: it knows no hyphens."""
    return phase.name.lower()


_SERVING_STYLE = "stroke:#06c,stroke-width:3px"
