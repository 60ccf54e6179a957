"""`turnout watch`: live, what happens; on a terminal a picture that is redrawn, elsewhere a line per happening."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Protocol

import click
from rich.live import Live

from controller.cli.connection import Connection, connect
from controller.cli.console import console, emit_line, plain
from controller.cli.failure import Exit, Failure
from controller.cli.options import Target, with_target
from controller.cli.picture import Agent, News, read, read_agents
from controller.cli.screen import change_line, news_line, screen

LOOK_EVERY_S = 1.0
RETRY_S = 1.0
NEWS_SHOWN_MIN, NEWS_SHOWN_MAX = 3, 40


@dataclass(slots=True)
class View:
    """What is known now: newest agents, last decisions, and a notice while the controller is away."""

    agents: tuple[Agent, ...] = ()
    news: deque[News] = field(default_factory=lambda: deque(maxlen=NEWS_SHOWN_MAX))
    notice: str = ""


class Display(Protocol):
    """Where a view is shown."""

    def look(self, view: View) -> None:
        """The agents, or the notice, may have changed."""

    def heard(self, view: View, news: News) -> None:
        """A decision was made."""


@click.command()
@click.argument("agent", required=False)
@with_target
def watch(agent: str | None, target: Target, output: str) -> None:
    """Show live what happens: to all agents, or to AGENT. Ends with Ctrl-C.

    When the controller goes away, it says so and waits until it is back. Without a terminal, or with --output json, it
    writes one line for each decision and each change.
    """
    with suppress(KeyboardInterrupt):
        out = console()
        if output == "json" or not out.is_terminal:
            asyncio.run(follow(target, agent, Lines(output)))
        else:
            with Live(console=out, screen=True, auto_refresh=False) as live:
                asyncio.run(follow(target, agent, Picture(live)))


async def follow(target: Target, agent: str | None, display: Display) -> None:
    """Look and listen until cancelled.

    Raises:
        Failure: the controller refuses (no token, no such right), which waiting does not mend.
    """
    view = View()
    try:
        async with connect(target) as connection, asyncio.TaskGroup() as group:
            group.create_task(_look(connection, agent, view, display))
            group.create_task(_listen(connection, agent, view, display))
    except* Failure as failures:
        raise failures.exceptions[0] from None


async def _look(connection: Connection, name: str | None, view: View, display: Display) -> None:
    """Ask for the agents again and again."""
    while True:
        try:
            agents = read_agents(await connection.get("/v1/agents"))
            view.agents = tuple(each for each in agents if name in (None, each.name))
            view.notice = "" if view.agents or name is None else f"There is no agent {name}."
        except Failure as failure:
            view.notice = _away(failure)
        display.look(view)
        await asyncio.sleep(LOOK_EVERY_S)


async def _listen(connection: Connection, name: str | None, view: View, display: Display) -> None:
    """Hear every decision; after a silence, from where it broke off."""
    last = ""
    while True:
        try:
            async for event in connection.events(last):
                last = event.id or last
                news = _news(event.kind, event.data)
                if name in (None, news.agent):
                    view.news.append(news)
                    display.heard(view, news)
        except Failure as failure:
            view.notice = _away(failure)
        await asyncio.sleep(RETRY_S)


def _news(kind: str, data: object) -> News:
    if kind == "lost":  # it has no agent, and its own shape: docs/api.md
        text = str(data.get("text", "")) if isinstance(data, dict) else ""
        return News(agent="", what="lost", text=text)
    return read(News, data)


def _away(failure: Failure) -> str:
    """What to say while waiting. Raises the failure itself if waiting does not mend it."""
    if failure.exit_code is not Exit.UNREACHABLE and failure.code != "unavailable":
        raise failure
    return f"{failure.what} What is shown may be old; trying again."


class Picture:
    """A terminal: everything is drawn anew."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def look(self, view: View) -> None:
        """Draw, with as many decisions as there is room for."""
        used = len(self._live.console.render_lines(screen(view.agents, (), notice=view.notice)))
        room = max(self._live.console.height - used - 1, NEWS_SHOWN_MIN)
        self._live.update(screen(view.agents, tuple(view.news)[-room:], notice=view.notice), refresh=True)

    def heard(self, view: View, news: News) -> None:
        """Draw."""
        del news
        self.look(view)


class Lines:
    """No terminal: a line per decision, and per agent that has changed."""

    def __init__(self, output: str, write: Callable[[str], None] = click.echo) -> None:
        self._json = output == "json"
        self._write = write
        self._told: dict[str, str] = {}
        self._notice = ""

    def look(self, view: View) -> None:
        """Tell what differs from what was told."""
        if view.notice != self._notice:
            self._notice = view.notice
            click.echo(f"turnout: {plain(view.notice) or 'the controller is back.'}", err=True)
        for agent in view.agents:
            line = change_line(agent)
            if self._told.get(agent.name) != line:
                self._told[agent.name] = line
                self._tell("agent", agent, line)

    def heard(self, view: View, news: News) -> None:
        """Tell it."""
        del view
        self._tell("news", news, news_line(news))

    def _tell(self, kind: str, value: Agent | News, line: str) -> None:
        if self._json:
            emit_line({kind: asdict(value)})
        else:
            self._write(line)
