"""The report: its shape for programs is the issue's, its words for people say what went wrong."""

from __future__ import annotations

import dataclasses
import io
import json

from rich.console import Console

from controller.demo.measure import COMMON_CAUSE, PROMOTE, ROLLBACK, Act, Share
from controller.demo.report import as_json, as_table, show, went_well

ACT = Act(PROMOTE, "promoted", 21.0, 6100, 0, 1200, 0, None, (Share(0.1, 0.100049, 900),), (), "promoted: 1.3.0")
BACK = dataclasses.replace(ACT, name=ROLLBACK, outcome="rolled-back", bad_answers=9, seconds_to_rollback=1.23456)
SPARED = dataclasses.replace(ACT, name=COMMON_CAUSE, outcome="not-blamed")
ALL = [ACT, BACK, SPARED]


def shown(acts):
    out = io.StringIO()
    show(acts, Console(file=out, width=160))
    return out.getvalue()


def test_the_shape_for_programs():
    report = json.loads(json.dumps(as_json(ALL)))
    assert report["ok"] is True
    assert report["acts"][0] == {
        "name": "promote",
        "outcome": "promoted",
        "requests": 6100,
        "failed_requests": 0,
        "candidate_requests": 1200,
        "bad_answers": 0,
        "seconds_to_rollback": None,
        "shares": [{"wanted": 0.1, "observed": 0.10005}],
    }, "programs that read the report would break"
    assert report["acts"][1]["seconds_to_rollback"] == 1.235
    assert [act["name"] for act in report["acts"]] == ["promote", "rollback", "common-cause"]


def test_the_shares_of_single_gateways_are_for_the_table_and_not_for_programs():
    two = dataclasses.replace(
        ACT, shares=(*ACT.shares, Share(0.1, 0.08, 450, "envoy"), Share(0.1, 0.12, 450, "haproxy"))
    )
    assert as_json([two])["acts"] == as_json([ACT])["acts"], "programs would count a split three times"
    text = shown([two])
    assert text.index("where 10 %") < text.index("at envoy") < text.index("8.00 %") < text.index("at haproxy")


def test_all_is_well_only_when_every_act_was_played_and_none_went_wrong():
    assert went_well(ALL)
    assert not went_well([]), "a demo that never began would pass"
    assert not went_well(ALL[:2]), "a demo that was cut short would pass"
    assert not went_well([*ALL[:2], dataclasses.replace(SPARED, faults=("It was blamed.",))])


def test_the_table_shows_every_figure():
    text = shown(ALL)
    for figure in (
        "6,100",
        "1,200",
        "9",
        "1.2 s",
        "where 10 % was wanted",
        "10.00 %",
        "rolled-back",
        "Every act went as it must.",
    ):
        assert figure in text, f"{figure} is not in the table"


def test_the_table_fits_a_terminal():
    out = io.StringIO()
    Console(file=out, width=80).print(as_table(ALL))
    for label in (
        "failed requests that clients saw",
        "first bad answer to its rollback",
        "3 common cause",
        "rolled-back",
    ):
        assert label in out.getvalue(), f"{label!r} would be cut or folded on a terminal of 80 columns"


def test_what_went_wrong_is_said():
    text = shown([ACT, dataclasses.replace(BACK, faults=("It took too long.",))])
    assert "2 roll back went wrong: It took too long." in text
    assert "1 of 2 acts" in text
