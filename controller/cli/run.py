"""`turnout run`: the controller itself."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from controller.cli.failure import refused
from controller.cli.options import ADDRESS, STATE_DIR_DEFAULT, with_output
from controller.errors import TurnoutError
from controller.garbage import collect_seldom
from controller.settings.problem import SettingsError
from controller.tls import TlsFiles

FILE = click.Path(dir_okay=False, path_type=Path)


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
@click.option("--http-cert", envvar="TURNOUT_HTTP_CERT", type=FILE, help="Serve the API over TLS: its certificate.")
@click.option("--http-key", envvar="TURNOUT_HTTP_KEY", type=FILE, help="The API's key, PEM.")
@click.option("--xds-cert", envvar="TURNOUT_XDS_CERT", type=FILE, help="Serve xDS over TLS: its certificate.")
@click.option("--xds-key", envvar="TURNOUT_XDS_KEY", type=FILE, help="The xDS server's key, PEM.")
@click.option("--xds-client-ca", envvar="TURNOUT_XDS_CLIENT_CA", type=FILE, help="Let only Envoys of this issuer in.")
@with_output
def run(
    *,
    config: Path,
    state_dir: Path,
    http: tuple[str, int],
    xds: tuple[str, int],
    log_format: Literal["text", "json"],
    http_cert: Path | None,
    http_key: Path | None,
    xds_cert: Path | None,
    xds_key: Path | None,
    xds_client_ca: Path | None,
    output: Literal["text", "json"],
) -> None:
    """Run the controller until it is told to stop.

    One line on standard output says when it is ready, and where.
    """
    from controller.app import Options, serve  # noqa: PLC0415 - `turnout run --help` needs no gRPC

    options = Options(
        config=config,
        state_dir=state_dir,
        http=http,
        xds=xds,
        log_format=log_format,
        output=output,
        http_tls=_tls("http", http_cert, http_key),
        xds_tls=_tls("xds", xds_cert, xds_key, xds_client_ca),
    )
    collect_seldom()
    try:
        serve(options)
    except TurnoutError as error:
        raise refused(error, where=str(config) if isinstance(error, SettingsError) else "") from error


def _tls(door: str, certificate: Path | None, key: Path | None, client_ca: Path | None = None) -> TlsFiles | None:
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise click.UsageError(f"TLS needs both --{door}-cert and --{door}-key.")
    return TlsFiles(certificate, key, client_ca)
