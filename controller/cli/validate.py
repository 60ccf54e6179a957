"""`turnout validate`: are these settings that the controller would take?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from adapters.registry import capabilities_of
from controller.cli.console import console, plain, show, styled, table
from controller.cli.demand import demanding
from controller.cli.failure import Exit
from controller.cli.options import with_output
from controller.roster import gateway_profile
from controller.settings.advice import advise, unresolved
from controller.settings.loading import Settings, load
from controller.settings.problem import PROBLEMS_SHOWN_MAX, Problem, SettingsError


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--resolve/--no-resolve", default=True, show_default=True, help="Whether to look endpoints' names up.")
@with_output
def validate(path: Path, output: str, *, resolve: bool) -> None:
    """Check the settings in PATH, a file or a directory.

    Every fault is told with file, line, field and remedy, and the exit code is 1. Doubts are told as warnings, and
    do not count as faults.
    """
    try:
        settings = load(path)
    except SettingsError as error:
        if not show(_verdict(path, None, (), error.problems), output):
            _tell(error.problems, "error")
            count = len(error.problems)
            click.echo(f"{plain(path)}: refused, {count} {'fault' if count == 1 else 'faults'}.", err=True)
        raise click.exceptions.Exit(Exit.REFUSED) from error
    able = {name: capabilities_of(each.type, gateway_profile(each).options) for name, each in settings.gateways.items()}
    doubts = (*advise(settings, able), *demanding(settings), *(unresolved(settings) if resolve else ()))
    warnings = tuple(sorted(doubts))
    if not show(_verdict(path, settings, warnings, ()), output):
        _summarize(path, settings)
        _tell(warnings, "warning")


def _tell(problems: Iterable[Problem], kind: str) -> None:
    """One line each on standard error, as a compiler would."""
    told = tuple(problems)
    for problem in told[:PROBLEMS_SHOWN_MAX]:
        place, _, rest = str(problem).partition(": ")
        click.echo(f"{plain(place)}: {kind}: {plain(rest)}", err=True)
    if len(told) > PROBLEMS_SHOWN_MAX:
        click.echo(f"... and {len(told) - PROBLEMS_SHOWN_MAX} more.", err=True)


def _summarize(path: Path, settings: Settings) -> None:
    out = console()
    tokens = len(settings.access.spec.tokens) if settings.access else 0
    out.print(styled(f"{path}: good."))
    agents = table("agent", "stable", "candidate", "gateways", "strategy", "objectives")
    for name, agent in settings.agents.items():
        strategy = agent.spec.strategy
        steps = " → ".join(f"{step.weight_bp / 100:g} %" for step in strategy.stops())
        agents.add_row(
            styled(name),
            styled(agent.spec.stable.version),
            styled(agent.spec.candidate.version if agent.spec.candidate else "none"),
            styled(", ".join(agent.gateways)),
            styled(f"{strategy.type} {steps}".strip()),
            styled(", ".join(objective.name for objective in agent.spec.objectives) or "none"),
        )
    out.print(agents)
    gateways = table("gateway", "type")
    for name, gateway in settings.gateways.items():
        gateways.add_row(styled(name), styled(gateway.type))
    out.print()
    out.print(gateways)
    out.print()
    out.print(styled(f"tokens: {tokens}" if tokens else "tokens: none, so the API listens on loopback only"))


def _verdict(
    path: Path, settings: Settings | None, warnings: Iterable[Problem], problems: Iterable[Problem]
) -> dict[str, Any]:
    return {
        "ok": settings is not None,
        "path": str(path),
        "digest": settings.digest if settings else None,
        "gateways": [{"name": each.name, "type": each.type} for each in settings.gateways.values()] if settings else [],
        "agents": [{"name": each.name, "gateways": list(each.gateways)} for each in settings.agents.values()]
        if settings
        else [],
        "warnings": [asdict(warning) for warning in warnings],
        "problems": [asdict(problem) for problem in problems],
    }
