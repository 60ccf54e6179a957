"""A simulated Kong with a database, which is held to the recording of a real one (test_kong_simulator.py)."""

import signal
import sys
from pathlib import Path

import aiohttp
import yaml

from adapters.kong.gateway import KongGateway, KongOptions
from adapters.port import Applied, Assignment
from tests.contract.processes import Program
from tests.contract.stage import Mistake, Ports

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "gateway-configs" / "kong" / "kong.yaml"
TOKEN = "kong-admin-token"


class KongStage:
    simulated = True
    has_database = True

    async def open(self, folder: Path, ports: Ports, assignment: Assignment) -> None:
        self.url = f"http://127.0.0.1:{ports.traffic}/"
        self.admin_url = f"http://127.0.0.1:{ports.control}"
        self._token = folder / "token"
        self._token.write_text(f"{TOKEN}\n")
        self._ports = ports
        self.adapter = self._gateway()
        await self.adapter.start([assignment])
        self._program = Program(self._command(folder, ports, assignment), folder / "log", cwd=ROOT)
        await self._program.start()

    def _gateway(self, **options) -> KongGateway:
        usual = {"nodes": (self.admin_url,), "token_file": str(self._token)}
        http_log = f"127.0.0.1:{self._ports.spare}"
        return KongGateway("edge", KongOptions(**{**usual, "http_log": http_log, **options}))

    def _command(self, folder: Path, ports: Ports, assignment: Assignment) -> list[str]:
        config = folder / "kong.yaml"
        config.write_text(yaml.safe_dump(self._configuration(ports, assignment)))
        database = ["--database", str(folder / "database.json")] if self.has_database else []
        listens = ["--admin", str(ports.control), "--proxy", str(ports.traffic), "--token", TOKEN]
        simulator = "tests.contract.simulators.kong"
        return [sys.executable, "-m", simulator, *listens, "--config", str(config), *database]

    def _configuration(self, ports: Ports, assignment: Assignment) -> dict:
        shipped = yaml.safe_load(CONFIG.read_text())
        [upstream] = shipped["upstreams"]
        upstream["targets"] = [{"target": endpoint} for endpoint in assignment.stable.endpoints]
        [plugin] = shipped["plugins"]
        plugin["config"]["http_endpoint"] = f"http://127.0.0.1:{ports.spare}/"
        return shipped

    async def close(self) -> None:
        if hasattr(self, "_program"):
            await self._program.stop()
        await self.adapter.close()

    async def kill(self) -> None:
        await self._program.kill()

    async def revive(self) -> None:
        await self._program.start()

    async def freeze(self) -> None:
        self._program.signal(signal.SIGSTOP)

    async def thaw(self) -> None:
        self._program.signal(signal.SIGCONT)

    async def reload(self) -> bool:
        return False  # the simulator has no workers to replace; a real one kept its streams and its weights [measured]

    async def mistakes(self, assignment: Assignment) -> list[Mistake]:
        """Every one of them without a log: two gateways cannot listen on one port."""
        wrong = self._token.with_name("wrong")
        wrong.write_text("not-the-token\n")
        proxy, nobody = (f"http://127.0.0.1:{port}" for port in (self._ports.traffic, 1))
        made = [
            ("wrong token", {"token_file": str(wrong)}, "denied", "Invalid credentials"),
            ("no token file", {"token_file": "/nowhere/token"}, "denied", "cannot be read from /nowhere/token"),
            ("the proxy's port", {"nodes": (f"{proxy}/admin",)}, "invalid", "is this an Admin API?"),
            ("no Admin API", {"nodes": (nobody,)}, "unreachable", "127.0.0.1:1"),
            ("wrong path", {"nodes": (f"{self.admin_url}/nope",)}, "not-found", "404"),
        ]
        found = []
        for what, options, code, words in made:
            adapter = self._gateway(http_log=None, **options)
            await adapter.start([assignment])
            outcome = Applied.UNREACHABLE if code == "unreachable" else Applied.REFUSED
            found.append(Mistake(what, adapter, outcome, words, None, receipt_code=code))
        return found

    async def tamper(self, candidate_bp: int) -> bool:
        async with aiohttp.ClientSession(headers={"Kong-Admin-Token": TOKEN}) as client:
            targets = f"{self.admin_url}/upstreams/bot.turnout/targets"
            async with client.get(targets) as answer:
                rows = (await answer.json())["data"]
            candidate = min((row for row in rows if row["weight"]), key=lambda row: row["weight"])
            async with client.patch(f"{targets}/{candidate['id']}", json={"weight": candidate_bp // 10}) as answer:
                return answer.status == 200


STAGE = KongStage
