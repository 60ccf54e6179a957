from dataclasses import replace

from controller.analysis.indicators import Counts
from controller.analysis.verdict import Assessment, Finding, Verdict
from controller.analysis.wording import why

ERRORS = Finding(
    objective="errors",
    indicator="error",
    guardrail=False,
    verdict=Verdict.BREACH,
    test="relative",
    evidence_ratio=1.25,
    log_e=6.0,
    candidate=Counts(200, 50),
    stable=Counts(1000, 10),
    non_inferior=False,
)
TASKS = replace(ERRORS, objective="tasks", test="absolute", evidence_ratio=2.0, stable=Counts())


def test_a_breach_names_figures_and_evidence():
    assert why(Assessment(Verdict.BREACH, (ERRORS,))) == (
        "errors: candidate 25.0% of 200, stable 1.0% of 1000, relative evidence 1.25 of what a breach needs"
    )


def test_the_gravest_comes_first_and_the_rest_is_left_out():
    healthy = replace(ERRORS, objective="slow", verdict=Verdict.HEALTHY)
    text = why(Assessment(Verdict.BREACH, (healthy, ERRORS, TASKS)))
    assert text.index("tasks:") < text.index("errors:"), "the reason that counts most would be read last"
    assert "slow" not in text, "an objective that holds would be blamed"


def test_absent_is_not_zero():
    assert "stable no data" in why(Assessment(Verdict.BREACH, (TASKS,)))
    silent = replace(ERRORS, verdict=Verdict.NO_DATA, candidate=Counts(), evidence_ratio=0.0)
    assert "candidate no data" in why(Assessment(Verdict.NO_DATA, (silent,)))


def test_where_all_is_well_there_is_nothing_to_say():
    assert why(Assessment(Verdict.HEALTHY, (replace(ERRORS, verdict=Verdict.HEALTHY),))) == ""
