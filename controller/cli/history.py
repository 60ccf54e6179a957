"""`turnout history`: the journal, read by people; and the proof that nobody has altered it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from controller.cli.console import emit, emit_line, plain
from controller.cli.failure import refused
from controller.cli.options import STATE_DIR_DEFAULT, Target, read_token, with_output, with_url
from controller.cli.picture import Page, Told, read
from controller.journal.errors import JournalError
from controller.journal.history import render
from controller.journal.records import Record
from controller.journal.store import Journal, Verified
from controller.journal.transitions import EVIDENCE, TRANSITION

PAGE = 500
LOOK_EVERY_S = 0.5

PROVEN = {
    "matches": "the last one is the one that journal.sqlite.anchor names, so none is missing at the end",
    "lags": "the anchor names an earlier one (normal while a controller writes, or after a crash), "
    "so none is missing up to there",
    "absent": "there is no anchor, so whether records are missing at the end cannot be said",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be read: of one agent or all, after which record, with every look at the counters or without."""

    agent: str | None
    after: int
    evidence: bool
    follow: bool


@click.command()
@click.option("--agent", help="Only what is about this agent.")
@click.option("--after", type=click.IntRange(min=0), default=0, help="Only records after this number.")
@click.option("--evidence", is_flag=True, help="Also every look at the gateways' counters.")
@click.option("--follow", "-f", is_flag=True, help="Go on with new records as they come; Ctrl-C ends it.")
@click.option("--verify", is_flag=True, help="Prove that no record was changed, taken out or put in.")
@click.option(
    "--state-dir",
    envvar="TURNOUT_STATE_DIR",
    default=STATE_DIR_DEFAULT,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the journal is kept. Works while the controller runs, and while it does not.",
)
@with_url
@with_output
@click.pass_context
def history(  # noqa: PLR0917 - click gives them by name
    ctx: click.Context,
    agent: str | None,
    after: int,
    evidence: bool,
    follow: bool,
    verify: bool,
    state_dir: Path,
    url: str,
    token_file: Path | None,
    output: str,
) -> None:
    """Read the journal: from its file, or with --url from a controller.

    With --output json every record is one line, complete, so that it can be kept elsewhere.
    """
    wish = Wish(agent, after, evidence, follow)
    remote = ctx.get_parameter_source("url") is ParameterSource.COMMANDLINE
    if remote and ctx.get_parameter_source("state_dir") is ParameterSource.COMMANDLINE:
        raise click.UsageError("Use --state-dir or --url, not both.")
    if verify and (remote or agent or after or follow):
        raise click.UsageError("--verify reads the whole file: give it --state-dir, and nothing else.")
    with suppress(KeyboardInterrupt):
        if remote:
            asyncio.run(_ask(Target(url, read_token(token_file)), wish, output))
        else:
            _read(state_dir / "journal.sqlite", wish, output, verify=verify)


def _read(path: Path, wish: Wish, output: str, *, verify: bool) -> None:
    try:
        journal = Journal.open(path, read_only=True)
        try:
            if verify:
                _proven(path, journal.verify(), output)
                return
            for record in records(journal, wish):
                emit_line(asdict(record)) if output == "json" else click.echo(line(record))
        finally:
            journal.close()
    except JournalError as error:
        raise refused(error, where=str(path)) from error


def records(journal: Journal, wish: Wish, wait: Callable[[float], None] = time.sleep) -> Iterator[Record]:
    """The records that were asked for, page by page; without end if they are to be followed."""
    after = wish.after
    while True:
        for record in journal.replay(wish.agent, after_seq=after):
            after = record.seq
            if wish.evidence or record.kind != EVIDENCE:
                yield record
        if not wish.follow:
            return
        wait(LOOK_EVERY_S)


def line(record: Record) -> str:
    """One record for people. Of a transition only what was decided, and why; JSON has the rest."""
    if record.kind != TRANSITION:
        return render(record)
    body: dict[str, Any] = {key: record.body[key] for key in ("event", "phase", "split", "why") if key in record.body}
    details = record.body.get("details")
    if isinstance(details, dict):
        body |= {key: details[key] for key in ("reason", "gateway", "detail", "verdict") if details.get(key)}
    if record.body.get("late") is True:
        body["late"] = True
    return render(replace(record, body={key: value for key, value in body.items() if value != ""}))


def _proven(path: Path, verified: Verified, output: str) -> None:
    if output == "json":
        emit({"ok": True, "path": str(path), **asdict(verified), "proven": PROVEN[verified.anchor]})
        return
    click.echo(
        f"{plain(path)}: {verified.records} records, each as it was written and chained to the one before; "
        f"{PROVEN[verified.anchor]}."
    )


async def _ask(target: Target, wish: Wish, output: str) -> None:
    from controller.cli.connection import connect  # noqa: PLC0415 - reading a file needs no HTTP

    query: dict[str, str | int] = {"limit": PAGE} | ({"agent": wish.agent} if wish.agent else {})
    query |= {} if wish.evidence else {"kind": TRANSITION}
    after = wish.after
    async with connect(target) as connection:
        while True:
            answer = await connection.get("/v1/journal", after=after, **query)
            page = read(Page, answer)
            for document, told in zip(answer["records"], page.records, strict=True):
                emit_line(document) if output == "json" else click.echo(line(_record(told)))
                after = told.seq
            if page.next_after is not None:
                after = page.next_after
            elif wish.follow:
                await asyncio.sleep(LOOK_EVERY_S)
            else:
                return


def _record(told: Told) -> Record:
    """What the API tells of a record, to be told again: without its exact time, it cannot be proven."""
    at_s = told.at.timestamp()
    return Record(
        told.seq, at_s, told.agent, told.kind, told.actor, told.body, told.version, told.previous, told.digest
    )
