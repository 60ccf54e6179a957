"""A Runtime API that keeps servers and maps as HAProxy does, and can be made to misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS = (
    *("pxname", "svname", "scur", "econ", "eresp", "status", "sid", "hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx"),
    *("hrsp_5xx", "hrsp_other", "addr", "uweight"),
)
DEFAULTS = {"status": "no check", "addr": "127.0.0.1:1", "uweight": 1}


def stat(backend: str, **servers: dict) -> str:
    """``show stat``, with the columns that are read."""
    lines = ["# " + ",".join(COLUMNS)]
    for number, (name, fields) in enumerate(servers.items(), 1):
        row = {**DEFAULTS, "pxname": backend, "svname": name, "sid": number, **fields}
        lines.append(",".join(str(row.get(column, "")) for column in COLUMNS))
    return "\n".join(lines) + "\n"


@dataclass
class Scripted:
    """One HAProxy, as far as it is spoken to.

    Attributes:
        backends: backend to server to columns.
        entries: of the map.
        answers: commands that are answered in another way; None closes without an answer, a function is called.
        heard: every command.
    """

    backends: dict[str, dict[str, dict]]
    entries: dict[str, str] = field(default_factory=dict)
    pid: int = 100
    started_s: int = 1_700_000_000
    level: str = "admin"
    answers: dict[str, str | Callable[[], object] | None] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    address: str = ""

    @property
    def changes(self) -> list[str]:
        return [command for command in self.heard if not command.startswith("show ")]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for command in (await reader.readline()).decode().strip().split(";"):
            self.heard.append(command)
            answer = self.answers.get(command, "unscripted")
            if callable(answer):
                answer = await answer()
            if answer == "unscripted":
                answer = self._answer(command)
            if answer is None:
                break
            writer.write(answer.encode() + b"\n")
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    def _answer(self, command: str) -> str:
        match command.split():
            case ["show", "info"]:
                return f"Name: HAProxy\nVersion: 2.6.12\nPid: {self.pid}\nStart_time_sec: {self.started_s}\n"
            case ["show", "cli", "level"]:
                return f"{self.level}\n"
            case ["show", "stat", backend, "4", "-1"]:
                return stat(backend, **self.backends[backend]) if backend in self.backends else "No such proxy.\n"
            case ["show", "map", _]:
                return "".join(f"0x{key} {key} {value}\n" for key, value in self.entries.items())
            case ["set", "map", _, key, _] if key not in self.entries:
                return "entry not found.\n"
            case ["set" | "add", "map", _, key, value]:
                self.entries[key] = value
                return ""
            case ["set", "server", place, *what]:
                return self._set_server(*place.split("/"), what)
            case ["show", "servers", "state"]:
                return "1\n# be_id\n"
            case ["show", "table"] | ["shutdown", *_] | ["clear", *_]:
                return ""
        return f"Unknown command: '{command}'\n"

    def _set_server(self, backend: str, name: str, what: list[str]) -> str:
        if name not in self.backends.get(backend, {}):
            return "No such server.\n"
        server = self.backends[backend][name]
        match what:
            case ["weight", weight]:
                server["uweight"] = int(weight)
            case ["state", state]:
                server["status"] = {"ready": "no check", "maint": "MAINT", "drain": "DRAIN"}[state]
            case ["addr", host, "port", port]:
                server["addr"] = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                return f"no need to change the addr, port changed to '{port}' by 'stats socket command'\n"
        return ""


def empty(count: int, **first: dict) -> dict[str, dict]:
    """Some servers, and so many empty ones."""
    return {**first, **{f"slot{number}": {"status": "MAINT"} for number in range(1, count + 1)}}


@contextlib.asynccontextmanager
async def scripted(folder: Path, **state) -> AsyncIterator[Scripted]:
    """Serve one on a unix socket; its backends are those of an agent `bot` that is divided by map unless told."""
    state.setdefault("backends", {"bot_stable": empty(3), "bot_candidate": empty(3)})
    haproxy = Scripted(**state)
    path = folder / f"{haproxy.pid}.sock"
    server = await asyncio.start_unix_server(haproxy.serve, path)
    haproxy.address = f"unix:{path}"
    try:
        yield haproxy
    finally:
        server.close()
