"""Real programs on a stage: started, killed, frozen; and only those that were started here."""

import asyncio
import contextlib
import signal
from asyncio.subprocess import Process
from pathlib import Path

END_DEADLINE_S = 10.0


class Program:
    """One real program, which may be started again.

    Args:
        arguments: its program and what it is started with.
        log: where it writes what it says; the end of it is told when a test fails.
    """

    def __init__(self, arguments: list[str], log: Path, cwd: Path | None = None, env: dict[str, str] | None = None):
        self.arguments = arguments
        self.log = log
        self._cwd = cwd
        self._env = env
        self._process: Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.arguments, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._cwd, env=self._env
            )

    @property
    def pid(self) -> int:
        assert self._process is not None, "it was never started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                self._process.send_signal(number)

    async def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        await self._gone()

    async def stop(self) -> None:
        """End it in good order; it is killed when it takes too long."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            await self._gone()
        except TimeoutError:
            await self.kill()

    async def _gone(self) -> None:
        if self._process is not None:
            async with asyncio.timeout(END_DEADLINE_S):
                await self._process.wait()

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2_000:] if self.log.exists() else ""
