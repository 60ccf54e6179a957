"""A real HAProxy, a master with one worker, that divides by map."""

import asyncio
import os
import re
import signal
from dataclasses import replace
from pathlib import Path

from adapters.haproxy.gateway import HaproxyGateway
from adapters.haproxy.options import HaproxyOptions
from adapters.haproxy.plan import Layout
from adapters.haproxy.runtime import Runtime
from adapters.port import Applied, Assignment, GatewayError
from controller.demo.gateway import haproxy_program
from tests.contract.play import until
from tests.contract.processes import Program
from tests.contract.stage import Mistake, Ports

CONFIG = Path(__file__).parents[3] / "gateway-configs" / "haproxy"
PROGRAM = str(haproxy_program())
MASTERLY = ("-W", "-S", "unix@run/master.sock")
SHIPPED_AGENT = "code-assistant"
USER_SOCKET = "    stats socket unix@run/user.sock mode 600 level user\n"


class HaproxyStage:
    simulated = False
    config = "haproxy.cfg"
    layout = Layout("{agent}_stable", "{agent}_candidate", "run/turnout.map")

    async def open(self, folder: Path, ports: Ports, assignment: Assignment) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{ports.traffic}/"
        self.run = folder / "run"
        self.run.mkdir()
        for name in ("turnout.map", "turnout.state"):
            (self.run / name).touch()
        text = self.configured((CONFIG / self.config).read_text()).replace(SHIPPED_AGENT, assignment.agent)
        ours = {"8080": f"127.0.0.1:{ports.traffic}", "5140": f"127.0.0.1:{ports.control}"}
        ours["3000"] = assignment.stable.endpoints[0]
        text = re.sub(
            r"127\.0\.0\.1:(8080|5140|3000)\b", lambda found: ours[found[1]], text
        )  # a free port may be 30007
        text = re.sub(r"^    stats socket", USER_SOCKET + r"\g<0>", text, count=1, flags=re.MULTILINE)
        (folder / "haproxy.cfg").write_text(text)
        self._program = Program([PROGRAM, *MASTERLY, "-f", "haproxy.cfg"], folder / "log", folder)
        await self._program.start()
        self.options = HaproxyOptions(
            sockets=(f"unix:{self.run}/admin.sock",),
            layout=self.layout,
            master=f"unix:{self.run}/master.sock",
            state_file=str(self.run / "turnout.state"),
            map_file=str(self.run / "turnout.map") if self.layout.map else None,
            timeout_s=0.5,
            latency_log=f"127.0.0.1:{ports.control}",
        )
        self.runtime = Runtime("hand", self.options.sockets[0])
        self.adapter = HaproxyGateway("edge", self.options)
        await self.adapter.start([assignment])
        await self._is_up()

    def configured(self, text: str) -> str:
        """The shipped configuration, with what a test needs besides ports."""
        return text

    async def worker(self) -> int:
        """The process that takes new requests; 0 when none answers."""
        try:
            return int((await self.runtime.ask("show info")).partition("Pid: ")[2].split()[0])
        except GatewayError:
            return 0

    async def _is_up(self) -> None:
        async def answers_or_ended() -> bool:
            return bool(await self.worker()) or not self._program.is_running

        await until(answers_or_ended, "HAProxy answers")
        assert self._program.is_running, f"HAProxy did not start: {self._program.said()}"

    async def close(self) -> None:
        if hasattr(self, "adapter"):
            await self.adapter.close()
        if hasattr(self, "_program"):
            await self.thaw()
            await self._program.stop()

    async def kill(self) -> None:
        worker = await self.worker()
        await self._program.kill()
        os.kill(worker, signal.SIGKILL)
        await asyncio.sleep(0)

    async def revive(self) -> None:
        await self._program.start()
        await self._is_up()

    async def freeze(self) -> None:
        self._frozen = await self.worker()
        os.kill(self._frozen, signal.SIGSTOP)

    async def thaw(self) -> None:
        if frozen := getattr(self, "_frozen", 0):
            self._frozen = 0
            os.kill(frozen, signal.SIGCONT)

    async def reload(self) -> bool:
        before = await self.worker()
        self._program.signal(signal.SIGUSR2)

        async def is_new() -> bool:
            return await self.worker() not in {0, before}

        await until(is_new, "a new worker takes over")
        return True

    async def mistakes(self, assignment: Assignment) -> list[Mistake]:
        refused, unreachable = Applied.REFUSED, Applied.UNREACHABLE
        strange = replace(self.layout, stable="stranger", candidate="stranger")
        low = {"sockets": (f"unix:{self.run}/user.sock",)}
        return [
            self._mistake("wrong name", refused, "No such proxy", "not-found", layout=strange),
            replace(self._mistake("wrong permission", refused, "level 'user'", "denied", **low), code=None),
            self._mistake("wrong path", unreachable, "no such socket", "unreachable", sockets=("unix:/gone.sock",)),
            self._mistake("no socket", unreachable, "refused", "unreachable", sockets=("127.0.0.1:1",)),
        ]

    def _mistake(self, what: str, outcome: Applied, words: str, code: str, **wrong: object) -> Mistake:
        adapter = HaproxyGateway("wrong", replace(self.options, **wrong))
        return Mistake(what, adapter, outcome, words, code, receipt_code=code)

    async def tamper(self, candidate_bp: int) -> bool:
        await self.runtime.ask(f"set map run/turnout.map bot {candidate_bp}")
        return True


STAGE = HaproxyStage
