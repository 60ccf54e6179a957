"""The Runtime API: one line out, one answer back, on a connection of its own.

Interactive connections are few, and the next one hangs when they are used up; a connection per command costs 40 µs.
Source: HAProxy's management guide, "Unix Socket commands"; replies measured with 2.6.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass

from adapters.port import GatewayError, host_port

ANSWER_BYTES_MAX = 16 * 1024 * 1024

_NOT_FOUND = ("No such backend", "No such server", "No such proxy", "Can't find backend", "Unknown map identifier")
_DENIED = ("Permission denied",)
_INVALID = ("Unknown command", "Absolute weight can only", "This command is restricted", "Invalid", "Require", "'set ")
_GONE = ("Can't find the target",)


@dataclass(frozen=True, slots=True)
class Runtime:
    """One socket.

    Attributes:
        gateway: whose it is, for errors.
        address: ``unix:/path`` or ``host:port``.
        timeout_s: for one command, connection included.
        half_close: end the writing side after the command; the master's socket hangs without it.
    """

    gateway: str
    address: str
    timeout_s: float = 2.0
    half_close: bool = False

    async def ask(self, command: str) -> str:
        """Send one command; the answer without its blank edges. Raises GatewayError for errors of any kind."""
        return self._checked(command, (await self._answer(command)).strip())

    async def look(self, *commands: str) -> list[str]:
        """Send commands that change nothing, on one connection, which takes as long as one of them; their answers.

        Raises GatewayError, of the first of them that fails.
        """
        found = _apart(await self._answer(";".join(commands)))
        answers = [self._checked(command, answer) for command, answer in zip(commands, found, strict=False)]
        if len(answers) < len(commands):
            words = f"{len(answers)} answers to {len(commands)} commands"
            raise self._error("unreachable", words, retryable=True)
        return answers

    async def _answer(self, line: str) -> str:
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._exchange(line)
        except TimeoutError as error:
            raise self._error("unreachable", f"no answer within {self.timeout_s:g} s", retryable=True) from error
        except FileNotFoundError as error:
            raise self._error("unreachable", "there is no such socket", retryable=True) from error
        except ConnectionRefusedError as error:
            raise self._error("unreachable", "connection refused: nobody listens there", retryable=True) from error
        except PermissionError as error:
            raise self._error("denied", "this user may not open the socket", retryable=False) from error
        except OSError as error:
            raise self._error("unreachable", str(error), retryable=True) from error

    def _checked(self, command: str, answer: str) -> str:
        if not answer:
            return ""
        for code, beginnings in (("not-found", _NOT_FOUND), ("denied", _DENIED), ("invalid", _INVALID)):
            if answer.startswith(beginnings):
                raise self._error(code, f"{command!r}: {answer.splitlines()[0]}", retryable=False)
        if answer.startswith(_GONE):
            raise self._error("unreachable", answer, retryable=True)
        return answer

    async def order(self, command: str, *accepted: str) -> None:
        """Send a command whose success is an empty answer, or one that begins as one of `accepted`."""
        answer = await self.ask(command)
        if answer and not answer.startswith(accepted or ("\0",)):
            raise self._error("invalid", f"{command!r}: {answer.splitlines()[0]}", retryable=False)

    async def _exchange(self, command: str) -> str:
        reader, writer = await self._connect()
        try:
            writer.write(command.encode() + b"\n")
            await writer.drain()
            if self.half_close:
                writer.write_eof()
            whole = bytearray()
            while data := await reader.read(65_536):
                whole += data
                if len(whole) > ANSWER_BYTES_MAX:
                    raise self._error("invalid", f"{command!r}: the answer is endless", retryable=False)
            if not whole:
                raise ConnectionResetError("the connection was closed without an answer")
            return whole.decode(errors="replace")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        path = self.address.removeprefix("unix:")
        if path != self.address:
            return await asyncio.open_unix_connection(path)
        return await asyncio.open_connection(*host_port(self.address))

    def _error(self, code: str, message: str, *, retryable: bool) -> GatewayError:
        return GatewayError(self.gateway, code, f"{self.address}: {message}", retryable=retryable)


def _apart(text: str) -> list[str]:
    """The answers to several commands: each ends with a blank line, an empty one too, and has none within."""
    answers: list[str] = []
    lines: list[str] = []
    for line in text.split("\n")[:-1]:
        if line.strip():
            lines.append(line)
        else:
            answers.append("\n".join(lines).strip())
            lines = []
    return answers


async def try_all(gateway: str, attempts: Iterable[Awaitable[None]]) -> None:
    """Let none of them wait for another, nor be spared because another failed. Raises GatewayError for all that did."""
    found = await asyncio.gather(*attempts, return_exceptions=True)
    problems = [one for one in found if isinstance(one, GatewayError)]
    for fault in found:
        if isinstance(fault, BaseException) and not isinstance(fault, GatewayError):
            raise fault
    if problems:
        codes = {error.code for error in problems} if len(problems) == len(found) else {"partial"}
        words = "; ".join(str(error).removeprefix(f"{gateway}: ") for error in problems)
        retryable = any(error.retryable for error in problems)
        raise GatewayError(gateway, codes.pop() if len(codes) == 1 else "partial", words, retryable=retryable)
