"""nginx with the Lua module, started from the files that the docs show."""

import asyncio
import os
import pwd
import shutil
import signal
from pathlib import Path

import aiohttp

from adapters.openresty.control import TokenAt
from adapters.openresty.gateway import OpenRestyGateway, OpenRestyOptions
from adapters.port import Applied, Assignment
from tests.contract.play import until
from tests.contract.processes import Program
from tests.contract.stage import Mistake, Ports

SHIPPED = Path(__file__).parents[3] / "gateway-configs" / "openresty"
TOKEN = "a-token-for-tests-only"


def prepare(folder: Path, ports: Ports) -> list[str]:
    """The shipped files with this run's ports, in a folder of their own; how nginx is started there."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert program, "there is no nginx: apt-get install nginx libnginx-mod-http-lua lua-resty-core lua-cjson"
    for file in SHIPPED.glob("*.lua"):
        shutil.copy(file, folder)
    config = (SHIPPED / "nginx.conf").read_text()
    for old, new in {
        "127.0.0.1:10000": f"127.0.0.1:{ports.traffic}",
        "127.0.0.1:10001": f"127.0.0.1:{ports.control}",
        "worker_processes auto;": "worker_processes 2;",
    }.items():
        assert config.count(old) == 1, f"{old!r} is to stand once in {SHIPPED / 'nginx.conf'}"
        config = config.replace(old, new)
    (folder / "nginx.conf").write_text(config)
    (folder / "run").mkdir()
    token = folder / "run" / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN + "\n")
    user = f"user {pwd.getpwuid(os.geteuid()).pw_name};" if os.geteuid() == 0 else ""
    return [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), *(("-g", user) if user else ())]


class OpenRestyStage:
    simulated = False

    async def open(self, folder: Path, ports: Ports, assignment: Assignment) -> None:
        self._ports = ports
        self._folder = folder / "openresty"
        self._folder.mkdir()
        self.url = f"http://127.0.0.1:{ports.traffic}/"
        self.control = f"http://127.0.0.1:{ports.control}"
        self.program = Program(prepare(self._folder, ports), self._folder / "nginx.log")
        self.adapter = self.gateway()
        await self.revive()
        await self.adapter.start([assignment])

    def gateway(self, name: str = "edge", **options) -> OpenRestyGateway:
        whole = {"control": self.control, "token": TokenAt(file=str(self._folder / "run" / "token")), **options}
        return OpenRestyGateway(name, OpenRestyOptions(observe_every_s=0.1, **whole))

    @property
    def workers(self) -> set[int]:
        children = Path(f"/proc/{self.program.pid}/task/{self.program.pid}/children")
        return {int(pid) for pid in children.read_text().split()} if self.program.is_running else set()

    async def close(self) -> None:
        if hasattr(self, "adapter"):
            await self.adapter.close()
        if hasattr(self, "program"):
            await self.thaw()
            await self.program.stop()

    async def kill(self) -> None:
        self.program.signal(signal.SIGSTOP)  # or it would start a worker that outlives it
        for worker in self.workers:
            os.kill(worker, signal.SIGKILL)
        await self.program.kill()

    async def revive(self) -> None:
        await self.program.start()

        async def is_up() -> bool:
            assert self.program.is_running, self.program.said()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._ports.control)
            except OSError:
                return False
            writer.close()
            return len(self.workers) == 2

        await until(is_up, "nginx listens")

    async def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    async def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        workers = self.workers
        self.program.signal(number)
        for worker in workers:
            os.kill(worker, number)

    async def reload(self) -> bool:
        before = self.workers
        self.program.signal(signal.SIGHUP)

        async def is_done() -> bool:
            return len(self.workers - before) == 2

        await until(is_done, "nginx has new workers")
        return True

    async def tamper(self, candidate_bp: int) -> bool:
        status, _ = await self.ask("PATCH", f"/agents/bot?candidate_bp={candidate_bp}&by=ann")
        assert status == 200
        return True

    async def ask(self, method: str, path: str, token: str = TOKEN, **request) -> tuple[int, str]:
        headers = {"authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self.control + path, **request) as response,
        ):
            return response.status, await response.text()

    async def mistakes(self, assignment: Assignment) -> list[Mistake]:
        wrong = self._folder / "run" / "wrong-token"
        wrong.write_text("another-token-than-that")
        nobody = f"http://127.0.0.1:{self._ports.spare}"
        missing = str(self._folder / "run" / "nothing")
        made = [
            Mistake("no socket", self.gateway(control=f"unix:{missing}"), Applied.UNREACHABLE, missing, "unreachable"),
            Mistake(
                "nobody listens", self.gateway(control=nobody), Applied.UNREACHABLE, "Connection refused", "unreachable"
            ),
            Mistake(
                "wrong token",
                self.gateway(token=TokenAt(str(wrong))),
                Applied.REFUSED,
                "bearer token",
                "denied",
                "denied",
            ),
            Mistake("no token", self.gateway(token=TokenAt(missing)), Applied.REFUSED, missing, "denied", "denied"),
            Mistake(
                "wrong port", self.gateway(control=self.url.rstrip("/")), Applied.REFUSED, "Lua", "invalid", "invalid"
            ),
        ]
        for mistake in made:
            await mistake.adapter.start([assignment])
        return made


STAGE = OpenRestyStage
