"""All that a user can see is documented, and nothing is documented that isn't there.

Settings have a test of their own (`tests/unit/controller/settings`).
"""

from __future__ import annotations

import re

from tests.tidy.prose import code
from tests.tidy.surface import METERS_ROOM, error_codes, meters, meters_built, options, variables, verbs
from tests.tidy.tree import ROOT, Finding, lines, report, text

CLI_PAGE, METRICS_PAGE, ERRORS_PAGE = "docs/cli.md", "docs/metrics.md", "docs/errors.md"

UNITS = ("_total", "_seconds", "_bytes", "_ratio", "_info")
WITHOUT_UNIT = {
    "turnout_in_flight": "requests now open: a plain count",
    "turnout_phase": "a state set: 1 for the phase that an agent is in",
    "turnout_gateway_up": "1 or 0, as Prometheus's own `up`",
    "turnout_xds_streams": "streams now open: a plain count",
}
"""Gauges that count things or tell a state have no unit to end with; each says why."""


def page(path: str) -> str:
    assert (ROOT / path).is_file(), f"{path}:1: the page does not exist yet. Write it."
    return text(path)


def test_every_command_and_option_is_documented():
    told = page(CLI_PAGE)
    missing = [f"`{words}`" for words, _ in verbs() if not re.search(rf"{re.escape(words)}(?![\w-])", told)]
    missing += [f"`{words} {option}`" for words, option in options() if not re.search(rf"{option}(?![\w-])", told)]
    assert not missing, f"{CLI_PAGE}:1: not documented: {', '.join(missing)}. Add each to the page."


def test_every_command_in_the_pages_exists():
    known = {words for words, _ in verbs()}
    report(
        Finding(place, number, f"`{words}` is no command", "Correct the page.")
        for place in ("README.md", "CONTRIBUTING.md", CLI_PAGE)
        for number, snippet in code(place)
        for words in re.findall(r"^(?:\$ )?(?:\S*/)?(turnout [a-z][a-z-]*)", snippet)
        if words not in known
    )


def test_every_environment_variable_is_documented():
    told = page(CLI_PAGE)
    report(
        Finding(place.path, place.line, f"{place.name} is not documented", f"Add it to {CLI_PAGE}.")
        for place in variables()
        if not re.search(rf"\b{place.name}\b", told)
    )


def test_every_metric_is_documented_and_every_documented_metric_exists():
    registered = {meter.name for meter in meters()}
    assert registered, f"{METERS_ROOM}: no metric is registered here, so nobody can see how the controller is"
    told = set(re.findall(r"\bturnout_[a-z0-9_]+", page(METRICS_PAGE)))
    report(
        Finding(meter.path, meter.line, f"{meter.name} is not documented", f"Add it to {METRICS_PAGE}.")
        for meter in meters()
        if meter.name not in told
    )
    report(
        Finding(METRICS_PAGE, number, f"{name} is not registered in {METERS_ROOM}", "Correct the page.")
        for number, line in lines(METRICS_PAGE)
        for name in re.findall(r"\bturnout_[a-z0-9_]+", line)
        if re.sub(r"_(bucket|sum|count)$", "", name) not in registered and name not in registered
    )


def test_metrics_follow_prometheus_conventions():
    """Base units, and the unit last: https://prometheus.io/docs/practices/naming/."""
    report(
        Finding(meter.path, meter.line, f"{meter.name} has no unit", f"End it with one of {', '.join(UNITS)}.")
        for meter in meters()
        if not meter.name.endswith(UNITS) and meter.name not in WITHOUT_UNIT
    )
    report(
        Finding(
            meter.path, meter.line, f"{meter.name} is a {meter.kind}", "A counter, and only a counter, is a _total."
        )
        for meter in meters_built()
        if (meter.kind == "Counter") != meter.name.endswith("_total")
    )


def test_metrics_are_registered_in_one_room():
    report(
        Finding(meter.path, meter.line, f"{meter.name} is registered outside {METERS_ROOM}", "Move it there.")
        for meter in meters_built()
        if not meter.path.startswith(METERS_ROOM)
    )


def test_every_error_code_is_documented():
    told = page(ERRORS_PAGE)
    report(
        Finding(place.path, place.line, f"the code `{place.name}` is not documented", f"Add it to {ERRORS_PAGE}.")
        for place in error_codes()
        if f"`{place.name}`" not in told
    )


def test_error_codes_are_kebab_case():
    report(
        Finding(
            place.path,
            place.line,
            f"the code {place.name!r} is not kebab-case",
            "Programs match on it: lower-case words.",
        )
        for place in error_codes()
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", place.name)
    )
