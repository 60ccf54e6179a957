"""`turnout version`."""

from __future__ import annotations

import platform
from importlib.metadata import version as installed

import click

from controller.cli.console import show
from controller.cli.options import with_output


@click.command()
@with_output
def version(output: str) -> None:
    """Show which Turnout this is."""
    facts = {"version": installed("turnout"), "python": platform.python_version()}
    if not show(facts, output):
        click.echo(f"turnout {facts['version']} (Python {facts['python']})")
