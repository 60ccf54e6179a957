"""`turnout run`: the controller itself."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from controller.cli.failure import refused
from controller.cli.options import ADDRESS, STATE_DIR_DEFAULT
from controller.errors import TurnoutError
from controller.settings.problem import SettingsError


@click.command()
@click.option(
    "--config",
    envvar="TURNOUT_CONFIG",
    default="turnout.yaml",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Settings: a file, or a directory of YAML files. Watched for changes.",
)
@click.option(
    "--state-dir",
    envvar="TURNOUT_STATE_DIR",
    default=STATE_DIR_DEFAULT,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the journal is kept.",
)
@click.option(
    "--http",
    envvar="TURNOUT_HTTP",
    default="127.0.0.1:8900",
    show_default=True,
    type=ADDRESS,
    help="Where the API and the dashboard listen.",
)
@click.option(
    "--xds",
    envvar="TURNOUT_XDS",
    default="127.0.0.1:18000",
    show_default=True,
    type=ADDRESS,
    help="Where Envoys subscribe.",
)
@click.option(
    "--log-format",
    envvar="TURNOUT_LOG_FORMAT",
    default="text",
    show_default=True,
    type=click.Choice(["text", "json"]),
    help="Lines for people, or JSON lines for collectors. On standard error.",
)
def run(
    config: Path, state_dir: Path, http: tuple[str, int], xds: tuple[str, int], log_format: Literal["text", "json"]
) -> None:
    """Run the controller until it is told to stop.

    One line on standard output says when it is ready, and where.
    """
    from controller.app import Options, serve  # noqa: PLC0415 - `turnout run --help` needs no gRPC

    try:
        serve(Options(config=config, state_dir=state_dir, http=http, xds=xds, log_format=log_format))
    except TurnoutError as error:
        raise refused(error, where=str(config) if isinstance(error, SettingsError) else "") from error
