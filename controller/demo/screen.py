"""Progress while the demo runs: news as lines, and on a terminal one live line under them."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text


class Screen:
    """Where the audience looks.

    Args:
        console: where to; without a terminal there is no live line.
        now_s: a clock that never goes back.
    """

    def __init__(self, console: Console, now_s: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self._now_s = now_s
        self._begun_s = now_s()
        self._live: Status | None = Status("", console=console) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def act(self, title: str) -> None:
        """Begin an act."""
        self.console.print()
        self.console.print(Text(title, style="bold"))

    def say(self, text: str, style: str = "") -> None:
        """One line that stays, with the seconds since the beginning before it."""
        at_s = self._now_s() - self._begun_s
        self.console.print(Text(f"{at_s:5.1f} s  {text}", style=style), soft_wrap=True)

    def now(self, text: str) -> None:
        """What goes on just now; replaced by the next."""
        if self._live is not None:
            self._live.update(Text(text))
