"""What several verbs take, and how it is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from controller.settings.problem import RefusedError
from controller.settings.quantity import parse_duration, parse_ratio, parse_weight

URL_DEFAULT = "http://127.0.0.1:8900"
STATE_DIR_DEFAULT = "turnout-state"
TOKEN_BYTES_MAX = 4096

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Target:
    """Which controller, and who asks.

    Attributes:
        url: where its API is, without a slash at the end.
        token: the caller's token; None if there is none. Never shown.
    """

    url: str
    token: str | None = field(default=None, repr=False)


class Quantity(click.ParamType[Any]):
    """A value that is written as in the settings, and refused in the same words."""

    def __init__(self, name: str, read: Callable[[object], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's
        """The kept value of a written one; fails as wrong usage."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except RefusedError as error:
            self.fail(str(error), param, ctx)


def _read_share(text: object) -> int:
    """Basis points, from ``10``, ``0.5`` or ``10%``."""
    written = str(text)
    return parse_weight(written if written.endswith("%") else f"{written}%")


def _read_address(text: object) -> tuple[str, int]:
    host, colon, port = str(text).rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535):
        raise RefusedError(
            text, "is not an address", "Write HOST:PORT, such as 127.0.0.1:8900; port 0 takes a free one."
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


def _read_url(text: object) -> str:
    parts = urlsplit(str(text))
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise RefusedError(text, "is not the address of a controller", f"Write it as {URL_DEFAULT}.")
    if "@" in parts.netloc:
        raise RefusedError(None, "holds credentials", "Set TURNOUT_TOKEN, or use --token-file; URLs end up in logs.")
    return str(text).rstrip("/")


SHARE = Quantity("percent", _read_share)
RATIO = Quantity("percent", parse_ratio)
DURATION = Quantity("duration", parse_duration)
ADDRESS = Quantity("host:port", _read_address)
URL = Quantity("url", _read_url)


def with_output(command: Command) -> Command:
    """Add ``--output``."""
    choice = click.Choice(["text", "json"])
    says = "Text for people, or JSON for programs."
    return click.option("--output", "-o", type=choice, default="text", show_default=True, help=says)(command)


def with_target(command: Command) -> Command:
    """Add ``--url`` and ``--token-file``, and give the command a ``target``; also ``--output``."""

    @wraps(command)
    def wrapper(*args: Any, url: str, token_file: Path | None, **kwargs: Any) -> Any:  # noqa: ANN401 - click's
        return command(*args, target=Target(url, read_token(token_file)), **kwargs)

    return with_output(with_url(wrapper))  # type: ignore[return-value]  # click turns it into a Command anyhow


def with_url(command: Command) -> Command:
    """Add ``--url`` and ``--token-file``."""
    command = click.option(
        "--token-file",
        envvar="TURNOUT_TOKEN_FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="File that holds your token; otherwise TURNOUT_TOKEN is used.",
    )(command)
    return click.option(
        "--url",
        envvar="TURNOUT_URL",
        type=URL,
        default=URL_DEFAULT,
        show_default=True,
        help="Where the controller's API is.",
    )(command)


def with_reason(command: Command) -> Command:
    """Add ``--reason``."""
    return click.option("--reason", default="", help="Why, for whoever reads the journal.")(command)


def with_seen(command: Command) -> Command:
    """Add ``--seen``."""
    says = "The agent's change that you have seen (turnout status): refused if others have changed it since."
    return click.option("--seen", type=click.IntRange(min=0), help=says)(command)


def with_wait(command: Command) -> Command:
    """Add ``--wait`` and ``--timeout``, in seconds."""
    command = click.option(
        "--timeout", type=DURATION, default="60s", show_default=True, help="The longest to wait for the gateways."
    )(command)
    says = "Whether to wait until every gateway has confirmed it."
    return click.option("--wait/--no-wait", default=True, show_default=True, help=says)(command)


def with_version(command: Command) -> Command:
    """Add what describes a version: ``endpoints``, ``digest``, ``http2``, ``drain_url``."""
    drain_url = click.option("--drain-url", help="Called when the version starts to drain.")
    http2 = click.option("--http2", is_flag=True, help="Its instances speak HTTP/2 without TLS, as gRPC agents do.")
    digest = click.option("--digest", default="", help="What identifies the build exactly, e.g. an image digest.")
    endpoint = click.option("--endpoint", "endpoints", multiple=True, help="HOST:PORT of an instance; may be repeated.")
    return endpoint(digest(http2(drain_url(command))))


def read_token(file: Path | None) -> str | None:
    """The caller's token, from the file or from TURNOUT_TOKEN; None if there is none. Never from the command line."""
    if file is None:
        token, where = os.environ.get("TURNOUT_TOKEN", ""), "TURNOUT_TOKEN"
    else:
        token, where = _read_token_file(file), str(file)
        if not token.strip():
            raise click.UsageError(f"{where} holds no token.")
    token = token.strip()
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise click.UsageError(f"{where} does not hold one token, alone on one line.")
    return token or None


def _read_token_file(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(TOKEN_BYTES_MAX + 1)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror or type(error).__name__}.") from error
    if len(content) > TOKEN_BYTES_MAX:
        raise click.UsageError(f"{file} is larger than any token.")
    return content.decode("utf-8", "replace")
