"""A simulated NGINX Plus, made from its published API description: nobody compared it with the commercial program."""

import json
import signal
import sys
from pathlib import Path

import aiohttp

from adapters.nginx_plus.gateway import NginxPlusGateway, NginxPlusOptions
from adapters.port import Applied, Assignment
from tests.contract.processes import Program
from tests.contract.stage import Mistake, Ports

ROOT = Path(__file__).parents[3]
AUTHORIZATION = "Basic dHVybm91dDpzZWNyZXQ="


class NginxPlusStage:
    simulated = True

    async def open(self, folder: Path, ports: Ports, assignment: Assignment) -> None:
        self.url = f"http://127.0.0.1:{ports.traffic}/"
        self.api_url = f"http://127.0.0.1:{ports.control}/api"
        self._folder = folder
        (folder / "authorization").write_text(AUTHORIZATION)
        config = folder / "nginx.json"
        config.write_text(json.dumps(self.configuration(assignment)))
        self.adapter = self.gateway()
        await self.adapter.start([assignment])
        listens = ["--api", str(ports.control), "--proxy", str(ports.traffic), "--authorization", AUTHORIZATION]
        simulator = [sys.executable, "-m", "tests.contract.simulators.nginx_plus", *listens, "--config", str(config)]
        self._program = Program(simulator, folder / "log", cwd=ROOT)
        await self._program.start()

    def configuration(self, assignment: Assignment) -> dict:
        return {"upstreams": {"bot": [{"server": endpoint} for endpoint in assignment.stable.endpoints]}}

    def gateway(self, **options) -> NginxPlusGateway:
        usual = {"nodes": (self.api_url,), "authorization_file": str(self._folder / "authorization")}
        return NginxPlusGateway("edge", NginxPlusOptions(**{**usual, **options}))

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
        return False  # the simulator has no workers to replace

    async def mistakes(self, assignment: Assignment) -> list[Mistake]:
        wrong = self._folder / "wrong"
        wrong.write_text("Basic bm9ib2R5")
        made = [
            ("wrong password", {"authorization_file": str(wrong)}, Applied.REFUSED, "401", "denied"),
            ("wrong name", {"upstream": "nobody-{agent}"}, Applied.REFUSED, "UpstreamNotFound", "not-found"),
            ("wrong path", {"nodes": (f"{self.api_url}x",)}, Applied.REFUSED, "PathNotFound", "not-found"),
            ("wrong port", {"nodes": ("http://127.0.0.1:1/api",)}, Applied.UNREACHABLE, "127.0.0.1:1", "unreachable"),
        ]
        found = []
        for what, options, outcome, words, code in made:
            adapter = self.gateway(**options)
            await adapter.start([assignment])
            found.append(Mistake(what, adapter, outcome, words, code, receipt_code=code))
        return found

    async def tamper(self, candidate_bp: int) -> bool:
        async with aiohttp.ClientSession(headers={"Authorization": AUTHORIZATION}) as client:
            servers = f"{self.api_url}/9/http/upstreams/bot/servers"
            async with client.get(servers) as answer:
                rows = await answer.json()
            candidate = max(rows, key=lambda row: row["id"])
            async with client.patch(f"{servers}/{candidate['id']}", json={"weight": candidate_bp}) as answer:
                return answer.status == 200


STAGE = NginxPlusStage
