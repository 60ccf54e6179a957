"""docs/rollout.md shows the table that runs. `TURNOUT_UPDATE_DOCS=1 pytest` on this file writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

from controller.rollout.diagram import mermaid, page, table
from controller.rollout.events import EVENTS
from controller.rollout.state import Phase, Timer

PAGE = Path(__file__).parents[4] / "docs" / "rollout.md"
BEGIN = "<!-- generated from controller/rollout/machine.py: begin -->\n"
END = "<!-- generated: end -->"


def test_the_page_shows_the_table_that_runs():
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    shown, _, after = rest.partition(END)
    assert rest, "docs/rollout.md has lost its markers"
    if os.environ.get("TURNOUT_UPDATE_DOCS"):
        PAGE.write_text(f"{before}{BEGIN}{page()}{END}{after}", encoding="utf-8")
        return
    assert shown == page(), "docs/rollout.md shows another machine; run this file with TURNOUT_UPDATE_DOCS=1"


def test_the_page_explains_every_phase_and_timer():
    written = PAGE.read_text(encoding="utf-8").partition(BEGIN)[0]
    for word in (*Phase, *Timer):
        assert f"`{word.value}`" in written, f"a reader of docs/rollout.md is not told what `{word.value}` is"


def test_the_diagram_draws_the_way_forward_and_every_way_back():
    drawn = mermaid()
    assert "    health_check --> rolling_back: " in drawn
    for phase in ("deploying", "health_check", "paused", "promoting", "promoted"):
        arrow = next(line for line in drawn.splitlines() if line.startswith(f"    {phase} --> rolling_back:"))
        assert "RollbackAsked" in arrow
    names = [line.split()[0] for line in drawn.splitlines() if "-->" in line and "[*]" not in line]
    assert names
    assert all(name.isidentifier() for name in names), "mermaid takes no hyphens, and draws nothing"


def test_the_table_has_a_cell_for_every_pair():
    head, _, *rows = table().splitlines()
    assert len(rows) == len(EVENTS)
    assert all(row.count("|") == head.count("|") == len(Phase) + 2 for row in rows)
    assert any("✗" in row for row in rows if "`SkipAsked`" in row), "what is refused looks as if it were possible"
    assert "✗" not in next(row for row in rows if "`Confirmed`" in row), "the world cannot be refused"
