"""What the demo says at its end: a table for people, one JSON object for programs, an exit code for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .measure import COMMON_CAUSE, EXPECTED, PROMOTE, ROLLBACK, Act

TITLES = {PROMOTE: "1 promote", ROLLBACK: "2 roll back", COMMON_CAUSE: "3 common cause"}


def went_well(acts: Sequence[Act]) -> bool:
    """Whether every act was played, and none went wrong."""
    return [act.name for act in acts] == list(EXPECTED) and not any(act.faults for act in acts)


def as_json(acts: Sequence[Act]) -> dict[str, Any]:
    """The report for programs. Its shape is a promise; its figures are rounded, not changed."""
    return {"ok": went_well(acts), "acts": [_act_as_json(act) for act in acts]}


def _act_as_json(act: Act) -> dict[str, Any]:
    back_s = act.seconds_to_rollback
    return {
        "name": act.name,
        "outcome": act.outcome,
        "requests": act.requests,
        "failed_requests": act.failed_requests,
        "candidate_requests": act.candidate_requests,
        "bad_answers": act.bad_answers,
        "seconds_to_rollback": None if back_s is None else round(back_s, 3),
        "shares": [
            {"wanted": share.wanted, "observed": round(share.observed, 5)} for share in act.shares if not share.gateway
        ],
    }


def as_table(acts: Sequence[Act]) -> Table:
    """The figures for people: a column for each act, narrow enough for any terminal."""
    table = Table(title="What was measured", title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for act in acts:
        table.add_column(TITLES[act.name], justify="right")
    table.add_row("outcome", *(Text(act.outcome, style="red" if act.faults else "green") for act in acts))
    table.add_row("requests", *(f"{act.requests:,}" for act in acts))
    table.add_row("failed requests that clients saw", *(f"{act.failed_requests:,}" for act in acts))
    table.add_row("requests that the candidate got", *(f"{act.candidate_requests:,}" for act in acts))
    table.add_row("bad answers that it gave", *(f"{act.bad_answers:,}" for act in acts))
    table.add_row("first bad answer to its rollback", *(_seconds(act.seconds_to_rollback) for act in acts))
    for wanted, gateway in sorted({(share.wanted, share.gateway) for act in acts for share in act.shares}):
        where = f"  at {gateway}" if gateway else f"share where {wanted * 100:g} % was wanted"
        table.add_row(where, *(_observed(act, wanted, gateway) for act in acts))
    return table


def _seconds(value_s: float | None) -> str:
    return "" if value_s is None else f"{value_s:.1f} s"


def _observed(act: Act, wanted: float, gateway: str) -> str:
    its_own = (share for share in act.shares if (share.wanted, share.gateway) == (wanted, gateway))
    return " ".join(f"{share.observed * 100:.2f} %" for share in its_own)


def show(acts: Sequence[Act], console: Console) -> None:
    """Print the table, what decided each act, and in one line what it all comes to."""
    console.print()
    console.print(as_table(acts))
    for act in acts:
        console.print(f"{TITLES[act.name]}, {act.seconds:.0f} s: {act.story}.", style="dim", soft_wrap=True)
        for fault in act.faults:
            console.print(f"{TITLES[act.name]} went wrong: {fault}", style="red", soft_wrap=True)
    if went_well(acts):
        console.print("Every act went as it must.", style="bold green")
    else:
        console.print(
            f"{sum(bool(act.faults) for act in acts)} of {len(acts)} acts played went wrong.", style="bold red"
        )
